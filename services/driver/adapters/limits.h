#ifndef EV_SERVICES_DRIVER_ADAPTERS_LIMITS_H_
#define EV_SERVICES_DRIVER_ADAPTERS_LIMITS_H_

#include <cstddef>

#include "absl/time/time.h"

namespace ev::driver {

inline constexpr std::size_t kMaxWaiting = 1024;  // Messages that wait for one reader of a stream.
inline constexpr absl::Duration kTick = absl::Milliseconds(50);

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_ADAPTERS_LIMITS_H_
