#ifndef EV_STORE_STORED_TIME_H_
#define EV_STORE_STORED_TIME_H_

#include <algorithm>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace ev::store {

// Instants are kept as nanoseconds since 1970 (UTC), which is what facts carry, so a row reads back as it was written.
// The two ends of int64 stand for "never" and "for ever"; finite times outside 1678 .. 2261 are moved to the nearest
// one that fits.
inline std::int64_t ToStoredNanos(absl::Time time) {
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (time == absl::InfinitePast()) return kMin;
  if (time == absl::InfiniteFuture()) return kMax;
  return std::clamp(absl::ToUnixNanos(time), kMin + 1, kMax - 1);
}

inline absl::Time FromStoredNanos(std::int64_t nanos) {
  if (nanos == std::numeric_limits<std::int64_t>::min()) return absl::InfinitePast();
  if (nanos == std::numeric_limits<std::int64_t>::max()) return absl::InfiniteFuture();
  return absl::FromUnixNanos(nanos);
}

}  // namespace ev::store

#endif  // EV_STORE_STORED_TIME_H_
