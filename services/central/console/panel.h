#ifndef EV_SERVICES_CENTRAL_CONSOLE_PANEL_H_
#define EV_SERVICES_CENTRAL_CONSOLE_PANEL_H_

#include <cstddef>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "services/central/console/panel_model.h"
#include "terminal/fd_writer.h"
#include "terminal/screen.h"

namespace ev::central {

// The live view of all charging points on a terminal: the screen but its last line, which is the prompt's and lies
// outside the scroll region, so that what is typed moves nothing.
//
// Draws when something has changed, at most once an interval, and only the lines that have; follows the window's size,
// and waits while another job has the terminal. It uses the terminal's second screen: what was there before is there
// again after Leave(), which the destructor calls. Owns one thread. Thread-safe.
class Panel {
 public:
  struct Options {
    int fd = 1;
    std::string title;
    absl::Duration interval = absl::Milliseconds(200);
    // The log's last lines, at most so many. Called by the panel's thread.
    std::function<std::vector<std::string>(std::size_t count)> log_lines;
    // The prompt's line was cleared and the cursor stands on it. Called by the panel's thread.
    std::function<void()> on_cleared;
  };

  explicit Panel(Options options);
  ~Panel();

  // Whether beside a panel and its prompt there is room for answers: otherwise it should not come by itself.
  bool IsRoomy() const;

  void Enter();
  void Leave();
  bool is_shown() const;
  // Clears the prompt's line for the next prompt. At once: the caller prints the prompt.
  void ReadyForInput();

  // Changes what is shown.
  void Update(absl::FunctionRef<void(PanelModel&)> change);
  std::vector<std::string> Ids(absl::string_view prefix, std::size_t limit) const;

  // Plain text instead of the panel.
  void Print(absl::string_view text);
  // The end is near: nothing waits for a terminal that does not take its output.
  void Hurry() { writer_.Hurry(); }

 private:
  void Run(const std::stop_token& stop);
  // Whether a frame was written.
  bool Draw();

  const Options options_;
  terminal::FdWriter writer_;

  // Taken before mutex_. Held while a frame is written, so that none is written after Leave().
  mutable Mutex screen_mutex_;
  terminal::Screen screen_ ABSL_GUARDED_BY(screen_mutex_);

  mutable Mutex mutex_;
  CondVar wake_;
  PanelModel model_ ABSL_GUARDED_BY(mutex_);
  bool has_changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;  // Last: stops before anything it uses is destroyed.
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_CONSOLE_PANEL_H_
