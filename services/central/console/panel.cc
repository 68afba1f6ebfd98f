#include "services/central/console/panel.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"

namespace ev::central {
namespace {

constexpr int kMinRows = PanelModel::kMinRows + 1;  // And the prompt.
constexpr int kRoomyRows = 16;
constexpr std::size_t kLogLines = 40;

// The second screen, nothing on it, and the way back: colours, scroll region and wrapping as they were.
constexpr char kEnter[] = "\x1b[?1049h\x1b[m\x1b[2J";
constexpr char kLeave[] = "\x1b[m\x1b[r\x1b[?7h\x1b[?1049l";

bool WantsColor() {
  const char* no_color = std::getenv("NO_COLOR");
  return no_color == nullptr || *no_color == '\0';
}

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

Panel::Panel(Options options)
    : options_(std::move(options)), has_color_(WantsColor()), writer_(options_.fd), model_(options_.title) {
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

Panel::~Panel() {
  Leave();
  {
    MutexLock lock(mutex_);  // Or a thread that has just looked would sleep on.
    thread_.request_stop();
    wake_.SignalAll();
  }
  thread_.join();
}

bool Panel::IsPossible(int fd) {
  const char* term = std::getenv("TERM");
  if (::isatty(fd) != 1 || term == nullptr || absl::string_view(term) == "dumb" || *term == '\0') return false;
  const pid_t owner = ::tcgetpgrp(fd);
  return owner < 0 || owner == ::getpgrp();  // Started in the background it must not take the screen.
}

bool Panel::IsRoomy() const {
  return ScreenSize().rows >= kRoomyRows;
}

bool Panel::HasTerminal() const {
  const pid_t owner = ::tcgetpgrp(options_.fd);
  return owner < 0 || owner == ::getpgrp();
}

Panel::Size Panel::ScreenSize() const {
  winsize size{};
  if (::ioctl(options_.fd, TIOCGWINSZ, &size) != 0) return {};
  return {.rows = size.ws_row, .columns = size.ws_col};
}

void Panel::Enter() {
  {
    MutexLock lock(screen_mutex_);
    if (is_shown_) return;
    is_shown_ = true;
    drawn_size_ = {};
    const int rows = ScreenSize().rows;
    writer_.Write(absl::StrCat(kEnter, "\x1b[1;", std::max(rows - 1, 1), "r", Goto(rows)));
  }
  MutexLock lock(mutex_);
  is_wanted_ = true;
  has_changed_ = true;
  wake_.SignalAll();
}

void Panel::Leave() {
  {
    MutexLock lock(mutex_);
    is_wanted_ = false;
  }
  MutexLock lock(screen_mutex_);
  if (!std::exchange(is_shown_, false)) return;
  writer_.Write(kLeave);
}

bool Panel::is_shown() const {
  MutexLock lock(screen_mutex_);
  return is_shown_;
}

void Panel::ReadyForInput() {
  MutexLock lock(screen_mutex_);
  if (is_shown_) writer_.Write(absl::StrCat(Goto(ScreenSize().rows), "\x1b[2K"));
}

void Panel::Update(absl::FunctionRef<void(PanelModel&)> change) {
  MutexLock lock(mutex_);
  change(model_);
  has_changed_ = true;  // The panel's thread looks once an interval.
}

std::vector<std::string> Panel::Ids(absl::string_view prefix, std::size_t limit) const {
  MutexLock lock(mutex_);
  return model_.Ids(prefix, limit);
}

void Panel::Print(absl::string_view text) {
  writer_.Write(text);
}

// Only what differs from what stands there. Wrapping is off meanwhile, for characters that are wider than one column.
std::string Panel::Frame(Size size, std::vector<PanelLine> lines) {
  const bool is_new = size != std::exchange(drawn_size_, size);
  lines.resize(static_cast<std::size_t>(std::max(size.rows - 1, 0)));
  std::string out = is_new ? "\x1b[2J" : "";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    lines[i].text = Cut(lines[i].text, size.columns);
    if (!is_new && i < drawn_.size() && lines[i] == drawn_[i]) continue;
    absl::StrAppend(&out, Goto(static_cast<int>(i) + 1), "\x1b[2K", Paint(lines[i], has_color_));
  }
  drawn_ = std::move(lines);
  if (out.empty()) return out;
  if (is_new) {
    return absl::StrCat("\x1b[1;", std::max(size.rows - 1, 1), "r\x1b[?7l", out, "\x1b[?7h", Goto(size.rows));
  }
  // The cursor comes back to where a person types.
  return absl::StrCat(
      "\x1b"
      "7\x1b[?7l",
      out,
      "\x1b[?7h\x1b"
      "8");
}

bool Panel::Draw() {
  MutexLock screen(screen_mutex_);
  const Size size = ScreenSize();
  if (!is_shown_ || size.rows < 2) return false;
  if (!HasTerminal()) {
    drawn_size_ = {};  // Whoever has it leaves something else on it.
    return false;
  }
  auto log_lines = options_.log_lines ? options_.log_lines(kLogLines) : std::vector<std::string>();
  const bool is_new = size != drawn_size_;
  std::vector<PanelLine> lines;
  {
    MutexLock lock(mutex_);
    const bool has_news = model_.SetLog(std::move(log_lines));
    if (!has_news && !has_changed_ && !is_new) return false;
    has_changed_ = false;
    if (size.rows < kMinRows) {
      lines = {{"the window is too small for the panel: q leaves it", Ink::kPlain}};
    } else {
      lines = model_.Render(size.rows - 1);
    }
  }
  const std::string frame = Frame(size, std::move(lines));
  if (!frame.empty()) writer_.Write(frame);
  if (is_new && options_.on_cleared) options_.on_cleared();
  return !frame.empty();
}

void Panel::Run(const std::stop_token& stop) {
  const SystemClock clock;
  absl::Duration next = clock.Now().monotonic;
  while (!stop.stop_requested()) {
    {
      MutexLock lock(mutex_);
      // The log and the window's size say nothing by themselves: they are looked at once an interval.
      while (!stop.stop_requested()) {
        const absl::Duration left = next - clock.Now().monotonic;
        if (is_wanted_ && left <= absl::ZeroDuration()) break;
        wake_.WaitFor(mutex_, is_wanted_ ? left : absl::Seconds(1));
      }
    }
    if (stop.stop_requested()) return;
    Draw();
    next = clock.Now().monotonic + options_.interval;
  }
}

}  // namespace ev::central
