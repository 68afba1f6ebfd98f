#ifndef EV_METRICS_TOTAL_H_
#define EV_METRICS_TOTAL_H_

#include <utility>

#include "metrics/registry.h"

namespace ev::metrics {

// A counter of what somebody else has counted since the start of the process. Set() is called by one thread at a time.
class Total {
 public:
  Total() = default;
  explicit Total(Counter counter) : counter_(counter) {}

  // Never less than before.
  void Set(double total) { counter_.Increment(total - std::exchange(seen_, total)); }

 private:
  Counter counter_;
  double seen_ = 0;
};

}  // namespace ev::metrics

#endif  // EV_METRICS_TOTAL_H_
