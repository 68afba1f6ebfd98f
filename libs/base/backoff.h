#ifndef EV_BASE_BACKOFF_H_
#define EV_BASE_BACKOFF_H_

#include <algorithm>

#include "absl/time/time.h"

namespace ev {

struct BackoffPolicy {
  absl::Duration initial = absl::Milliseconds(100);
  absl::Duration max = absl::Seconds(5);
  double multiplier = 2;
  double jitter = 0.5;  // In [0, 1]: the largest part of a wait that chance takes away.
};

// Waits between attempts that grow from `initial` to `max`, shortened by chance so that many clients that lost the same
// server do not come back together. Pure: the caller sleeps and brings the chance. Not thread-safe.
class Backoff {
 public:
  explicit Backoff(BackoffPolicy policy = {}) : policy_(policy), next_(policy.initial) {}

  // The wait before the next attempt. `random` in [0, 1): 0 gives the full wait.
  absl::Duration Next(double random) {
    const absl::Duration wait = next_ * (1 - policy_.jitter * random);
    next_ = std::min(next_ * policy_.multiplier, policy_.max);
    return wait;
  }

  // After a success: the next wait is `initial` again.
  void Reset() { next_ = policy_.initial; }

 private:
  BackoffPolicy policy_;
  absl::Duration next_;
};

}  // namespace ev

#endif  // EV_BASE_BACKOFF_H_
