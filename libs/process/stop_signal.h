#ifndef EV_PROCESS_STOP_SIGNAL_H_
#define EV_PROCESS_STOP_SIGNAL_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace ev::process {

// How a process is asked to stop: SIGTERM, SIGINT, SIGHUP, or RequestStop() from a console or a test.
//
// Make one first thing in main, before any thread: it blocks the signals for the calling thread and all threads that
// begin later, and ignores SIGPIPE. Once a stop was taken, a SIGINT ends the process at once: a second Ctrl-C is for
// those who do not want to wait. The destructor restores the calling thread's mask.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // Makes Wait() return `why`. The first one counts. Thread-safe.
  void RequestStop(absl::string_view why);

  // Waits for a signal or a request and says which: "SIGTERM", or the `why` of the request. One thread calls it.
  std::string Wait();
  // The same with a limit: nullopt when it passed.
  std::optional<std::string> WaitFor(absl::Duration limit);

 private:
  int event_fd_;
  int signal_fd_;
  Mutex mutex_;
  std::string why_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ev::process

#endif  // EV_PROCESS_STOP_SIGNAL_H_
