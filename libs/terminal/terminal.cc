#include "terminal/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace ev::terminal {
namespace {

absl::string_view Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string Painted(absl::string_view text, absl::string_view color, bool is_colored) {
  return is_colored && !color.empty() ? absl::StrCat("\x1b[", color, "m", text, "\x1b[m") : std::string(text);
}

bool ObeysSequences() {
  const absl::string_view term = Environment("TERM");
  return !term.empty() && term != "dumb";
}

bool WantsColor(int fd) {
  return ::isatty(fd) == 1 && ObeysSequences() && Environment("NO_COLOR").empty();
}

bool IsForeground(int fd) {
  const pid_t owner = ::tcgetpgrp(fd);
  return owner < 0 || owner == ::getpgrp();
}

bool CanDraw(int fd) {
  return ::isatty(fd) == 1 && ObeysSequences() && IsForeground(fd);
}

Size SizeOf(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return {};
  return {.rows = size.ws_row, .columns = size.ws_col};
}

}  // namespace ev::terminal
