#ifndef EV_BASE_CLOCK_H_
#define EV_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace ev {

// One instant, read from both clocks: `utc` is what people are shown and may jump; `monotonic` is the time since an
// arbitrary start of this process, never goes back, and is the only one that durations and deadlines are computed from.
struct Moment {
  absl::Time utc;
  absl::Duration monotonic;
};

// Where time comes from. Cores never hold one: they take a Moment as an argument. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Moment Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Moment Now() const override;
};

}  // namespace ev

#endif  // EV_BASE_CLOCK_H_
