#ifndef EV_BASE_STOP_PAUSE_H_
#define EV_BASE_STOP_PAUSE_H_

#include <functional>
#include <stop_token>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace ev {

// The pauses of a thread that looks at something now and then: they end when it is asked to stop.
class StopPause {
 public:
  explicit StopPause(std::stop_token stop) : stop_(std::move(stop)), on_stop_(stop_, [this] { Wake(); }) {}
  StopPause(const StopPause&) = delete;
  StopPause& operator=(const StopPause&) = delete;

  // Waits for `limit`, now and then less; returns at once when there is none. False: the stop was asked for.
  bool For(absl::Duration limit) {
    MutexLock lock(mutex_);
    if (!stop_.stop_requested() && limit > absl::ZeroDuration()) wake_.WaitFor(mutex_, limit);
    return !stop_.stop_requested();
  }

 private:
  void Wake() {
    MutexLock lock(mutex_);
    wake_.SignalAll();
  }

  const std::stop_token stop_;
  Mutex mutex_;
  CondVar wake_;
  const std::stop_callback<std::function<void()>> on_stop_;  // Last: it may be called while it is made.
};

}  // namespace ev

#endif  // EV_BASE_STOP_PAUSE_H_
