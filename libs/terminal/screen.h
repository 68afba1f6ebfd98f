#ifndef EV_TERMINAL_SCREEN_H_
#define EV_TERMINAL_SCREEN_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "terminal/fd_writer.h"
#include "terminal/terminal.h"

namespace ev::terminal {

// One line, without its end and without control characters of any kind.
struct Line {
  std::string text;
  absl::string_view color = kPlain;

  friend bool operator==(const Line&, const Line&) = default;
};

// A terminal's second screen, with lines from the top. Only those that differ from what stands there are written, and
// what was on the first screen is there again after Leave(), which the destructor calls. Not thread-safe.
class Screen {
 public:
  struct Options {
    int fd = 1;
    // The last line belongs to a prompt: it lies outside the scroll region, so that what is typed moves nothing, and
    // keeps the cursor. Otherwise there is no cursor.
    bool has_prompt = false;
  };

  // `writer` writes to the same terminal and outlives the screen.
  Screen(Options options, FdWriter& writer);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void Enter();
  void Leave();
  bool is_shown() const { return is_shown_; }

  // The window as it is; nullopt when nothing can be drawn now: the screen is not shown, another job has the terminal,
  // or the window has no room for a line.
  std::optional<Size> Window();
  // Whether Draw() would draw every line: after Enter(), in a window of another size, after another job.
  bool IsBlank(const Size& window) const { return window != drawn_size_; }
  // How many lines Draw() shows of `window`.
  int RowsOf(const Size& window) const;

  // Shows `lines`, and nothing below. Whether something had to be written.
  bool Draw(const Size& window, std::vector<Line> lines);

 private:
  std::string Frame(bool is_blank, const Size& window, const std::string& changes) const;

  const Options options_;
  const bool is_colored_;
  FdWriter& writer_;
  bool is_shown_ = false;
  Size drawn_size_;  // Nothing: draw all.
  std::vector<Line> drawn_;
};

}  // namespace ev::terminal

#endif  // EV_TERMINAL_SCREEN_H_
