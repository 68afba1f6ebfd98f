#include "terminal/screen.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ev::terminal {
namespace {

// The second screen, nothing on it, and the way back: colours, scroll region, wrapping and cursor as they were.
constexpr char kEnter[] = "\x1b[?1049h\x1b[m\x1b[2J";
constexpr char kLeave[] = "\x1b[m\x1b[r\x1b[?7h\x1b[?25h\x1b[?1049l";
constexpr char kHideCursor[] = "\x1b[?25l";

std::string Goto(int row) {
  return absl::StrCat("\x1b[", row, ";1H");
}

// The first `columns` characters. Where more was said a `>` stands last: a figure that is cut must not read as a whole
// one.
std::string Cut(const std::string& text, int columns) {
  int characters = 0;
  std::size_t last = 0;  // Where the last character that has room begins.
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_first_byte = (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80;
    if (!is_first_byte) continue;
    if (++characters == columns) last = i;
    if (characters <= columns) continue;
    if (text.find_first_not_of(' ', i) == text.npos) return text.substr(0, i);
    return absl::StrCat(text.substr(0, last), ">");
  }
  return text;
}

}  // namespace

Screen::Screen(Options options, FdWriter& writer)
    : options_(options), is_colored_(WantsColor(options.fd)), writer_(writer) {}

Screen::~Screen() {
  Leave();
}

int Screen::RowsOf(const Size& window) const {
  return std::max(window.rows - (options_.has_prompt ? 1 : 0), 0);
}

void Screen::Enter() {
  if (std::exchange(is_shown_, true)) return;
  drawn_size_ = {};
  const Size window = SizeOf(options_.fd);
  writer_.Write(options_.has_prompt
                    ? absl::StrCat(kEnter, "\x1b[1;", std::max(RowsOf(window), 1), "r", Goto(window.rows))
                    : absl::StrCat(kEnter, kHideCursor));
}

void Screen::Leave() {
  if (std::exchange(is_shown_, false)) writer_.Write(kLeave);
}

std::optional<Size> Screen::Window() {
  if (!is_shown_) return std::nullopt;
  if (!IsForeground(options_.fd)) {
    drawn_size_ = {};  // Whoever has it leaves something else on it.
    return std::nullopt;
  }
  const Size window = SizeOf(options_.fd);
  if (RowsOf(window) < 1) return std::nullopt;
  return window;
}

// Wrapping is off meanwhile, for characters that are wider than one column.
std::string Screen::Frame(bool is_blank, const Size& window, const std::string& changes) const {
  if (!options_.has_prompt) {
    return absl::StrCat(is_blank ? kHideCursor : "", "\x1b[?7l", is_blank ? "\x1b[2J" : "", changes, "\x1b[?7h");
  }
  if (is_blank) {
    return absl::StrCat("\x1b[1;", std::max(RowsOf(window), 1), "r\x1b[?7l\x1b[2J", changes, "\x1b[?7h",
                        Goto(window.rows));
  }
  // The cursor comes back to where a person types.
  return absl::StrCat(
      "\x1b"
      "7\x1b[?7l",
      changes,
      "\x1b[?7h\x1b"
      "8");
}

bool Screen::Draw(const Size& window, std::vector<Line> lines) {
  const bool is_blank = IsBlank(window);
  drawn_size_ = window;
  lines.resize(static_cast<std::size_t>(RowsOf(window)));
  std::string changes;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    lines[i].text = Cut(lines[i].text, window.columns);
    if (!is_blank && i < drawn_.size() && lines[i] == drawn_[i]) continue;
    absl::StrAppend(&changes, Goto(static_cast<int>(i) + 1), "\x1b[2K",
                    Painted(lines[i].text, lines[i].color, is_colored_));
  }
  drawn_ = std::move(lines);
  if (!is_blank && changes.empty()) return false;
  writer_.Write(Frame(is_blank, window, changes));
  return true;
}

}  // namespace ev::terminal
