#ifndef EV_SERVICES_DRIVER_ADAPTERS_PRINTER_H_
#define EV_SERVICES_DRIVER_ADAPTERS_PRINTER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "terminal/terminal.h"

namespace ev::driver {

// Answers for people on stdout, written by a thread of its own, so that a reader who does not read holds up nobody.
//
// On a terminal that can, with a prompt, lines scroll above a line with the live figures, and the last line is the
// prompt's. Elsewhere everything is one line after the other. Control characters, and bytes that are no UTF-8, are
// shown as `?`. Bounded: what finds the queue full is dropped, and how much is said in its place. The destructor writes
// what waits, for at most 2 s, and gives the terminal back. Thread-safe.
class Printer {
 public:
  struct Options {
    int fd = 1;
    bool has_prompt = false;                          // A person types below.
    absl::Duration live_interval = absl::Seconds(1);  // Of the live lines of one key; 0: none.
  };

  explicit Printer(const Options& options);
  ~Printer();

  // One line, or several divided by '\n'.
  void Line(absl::string_view text);
  // The figures of `key` as they stand; empty: there are none any more.
  void Live(const std::string& key, absl::string_view text);
  // Clears the prompt's line for the next prompt. At once: the caller prints the prompt.
  void ReadyForInput();

  // Whether lines scroll above the prompt.
  bool has_screen() const { return has_screen_; }

 private:
  void Run(const std::stop_token& stop);
  void Enqueue(std::string text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string LiveText() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string Framed(absl::string_view lines, absl::string_view live);
  // Waits for a slow reader until `stop` is requested, and then a little more. False: nobody reads.
  bool Write(absl::string_view bytes, const std::stop_token& stop);

  const Options options_;
  bool has_screen_ = false;
  terminal::Size size_;  // The thread's own, after construction.

  mutable Mutex mutex_;
  CondVar wake_;
  std::deque<std::string> lines_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> live_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, absl::Duration> live_written_ ABSL_GUARDED_BY(mutex_);
  bool live_changed_ ABSL_GUARDED_BY(mutex_) = false;
  std::int64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;  // Lines, since it was said last.
  std::jthread thread_;                               // Last: stops before anything it uses is destroyed.
};

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_ADAPTERS_PRINTER_H_
