#ifndef EV_TESTS_SUPPORT_NOTIFICATION_H_
#define EV_TESTS_SUPPORT_NOTIFICATION_H_

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace ev {

// As absl::Notification, of parts that the thread sanitizer sees: Abseil's package is not instrumented.
class Notification {
 public:
  void Notify() {
    MutexLock lock(mutex_);
    is_notified_ = true;
    changed_.SignalAll();
  }
  bool HasBeenNotified() const {
    MutexLock lock(mutex_);
    return is_notified_;
  }
  // Whether it has been notified, at the latest after `limit`.
  bool WaitForNotificationWithTimeout(absl::Duration limit) const {
    const SystemClock clock;
    const absl::Duration end = clock.Now().monotonic + limit;
    MutexLock lock(mutex_);
    while (!is_notified_) {
      const absl::Duration left = end - clock.Now().monotonic;
      if (left <= absl::ZeroDuration()) return false;
      changed_.WaitFor(mutex_, left);
    }
    return true;
  }

 private:
  mutable Mutex mutex_;
  mutable CondVar changed_;
  bool is_notified_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ev

#endif  // EV_TESTS_SUPPORT_NOTIFICATION_H_
