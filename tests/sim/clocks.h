#ifndef EV_TESTS_SIM_CLOCKS_H_
#define EV_TESTS_SIM_CLOCKS_H_

#include "base/clock.h"
#include "tests/sim/event_loop.h"

namespace ev::sim {

// Each process has its own clocks: the wall clock is off by some seconds, the monotonic one began somewhere.
class ProcessClock {
 public:
  ProcessClock(const EventLoop& loop, Random& random)
      : loop_(loop),
        skew_(random.Between(-absl::Seconds(5), absl::Seconds(5))),
        began_(random.Between(absl::ZeroDuration(), absl::Hours(1))) {}

  Moment Now() const { return {kStart + loop_.now() + skew_, began_ + loop_.now()}; }

  static inline const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

 private:
  const EventLoop& loop_;
  absl::Duration skew_;
  absl::Duration began_;
};

}  // namespace ev::sim

#endif  // EV_TESTS_SIM_CLOCKS_H_
