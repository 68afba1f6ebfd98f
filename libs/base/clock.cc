#include "base/clock.h"

#include <chrono>

#include "absl/time/clock.h"

namespace ev {

Moment SystemClock::Now() const {
  return {.utc = absl::Now(), .monotonic = absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch())};
}

}  // namespace ev
