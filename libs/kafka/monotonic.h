#ifndef EV_KAFKA_MONOTONIC_H_
#define EV_KAFKA_MONOTONIC_H_

#include "absl/time/time.h"
#include "base/clock.h"

namespace ev::kafka {

// What waits and pauses here are measured with: the wall clock may step, and an hour back would be an hour without a
// gap decided, a producer rebuilt or a broker asked.
inline absl::Duration Monotonic() {
  return SystemClock().Now().monotonic;
}

}  // namespace ev::kafka

#endif  // EV_KAFKA_MONOTONIC_H_
