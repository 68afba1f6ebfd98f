#ifndef EV_TERMINAL_TERMINAL_H_
#define EV_TERMINAL_TERMINAL_H_

#include <string>

#include "absl/strings/string_view.h"

// What a terminal is asked, and how its colours are written.
namespace ev::terminal {

// SGR parameters, as Painted() takes them.
inline constexpr absl::string_view kPlain = "";
inline constexpr absl::string_view kBold = "1";
inline constexpr absl::string_view kRed = "31";
inline constexpr absl::string_view kGreen = "32";
inline constexpr absl::string_view kYellow = "33";
inline constexpr absl::string_view kCyan = "36";
inline constexpr absl::string_view kGrey = "90";
inline constexpr absl::string_view kOrange = "38;5;208";

// `text` in a colour when `is_colored`.
std::string Painted(absl::string_view text, absl::string_view color, bool is_colored);

// Whether TERM names a terminal that obeys control sequences. One that does not would show them.
bool ObeysSequences();

// Whether `fd` is a terminal for colours: one that obeys sequences, and NO_COLOR is not set.
bool WantsColor(int fd);

// Whether `fd` is a terminal that this process may use, or no terminal at all: a job in the background must not write
// on the screen.
bool IsForeground(int fd);

// Whether `fd` is a terminal on which this process can draw.
bool CanDraw(int fd);

struct Size {
  int rows = 0;
  int columns = 0;
  friend bool operator==(const Size&, const Size&) = default;
};

// Nothing when `fd` is no terminal.
Size SizeOf(int fd);

}  // namespace ev::terminal

#endif  // EV_TERMINAL_TERMINAL_H_
