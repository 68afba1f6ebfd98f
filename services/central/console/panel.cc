#include "services/central/console/panel.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "terminal/terminal.h"

namespace ev::central {
namespace {

constexpr int kMinRows = PanelModel::kMinRows + 1;  // And the prompt.
constexpr int kRoomyRows = 16;
constexpr std::size_t kLogLines = 40;

}  // namespace

Panel::Panel(Options options)
    : options_(std::move(options)),
      writer_(options_.fd),
      screen_({.fd = options_.fd, .has_prompt = true}, writer_),
      model_(options_.title) {
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

bool Panel::IsRoomy() const {
  return terminal::SizeOf(options_.fd).rows >= kRoomyRows;
}

void Panel::Enter() {
  {
    MutexLock lock(screen_mutex_);
    if (screen_.is_shown()) return;
    screen_.Enter();
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
  screen_.Leave();
}

bool Panel::is_shown() const {
  MutexLock lock(screen_mutex_);
  return screen_.is_shown();
}

void Panel::ReadyForInput() {
  MutexLock lock(screen_mutex_);
  if (screen_.is_shown()) writer_.Write(absl::StrCat("\x1b[", terminal::SizeOf(options_.fd).rows, ";1H\x1b[2K"));
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

bool Panel::Draw() {
  MutexLock screen(screen_mutex_);
  const std::optional<terminal::Size> window = screen_.Window();
  if (!window.has_value()) return false;
  auto log_lines = options_.log_lines ? options_.log_lines(kLogLines) : std::vector<std::string>();
  const bool is_blank = screen_.IsBlank(*window);
  std::vector<terminal::Line> lines;
  {
    MutexLock lock(mutex_);
    const bool has_news = model_.SetLog(std::move(log_lines));
    if (!has_news && !has_changed_ && !is_blank) return false;
    has_changed_ = false;
    if (window->rows < kMinRows) {
      lines = {{"the window is too small for the panel: q leaves it"}};
    } else {
      lines = model_.Render(screen_.RowsOf(*window));
    }
  }
  const bool is_written = screen_.Draw(*window, std::move(lines));
  if (is_blank && options_.on_cleared) options_.on_cleared();
  return is_written;
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
