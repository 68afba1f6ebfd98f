#include "services/driver/adapters/printer.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/text.h"
#include "log/log.h"
#include "terminal/terminal.h"

namespace ev::driver {
namespace {

constexpr std::size_t kMaxLines = 10'000;
constexpr std::size_t kMaxWrite = 4096;  // A pipe that can take something takes so much in one piece.
constexpr int kMinRows = 6;
constexpr absl::Duration kLastWrites = absl::Seconds(2);

absl::Duration Now() {
  return SystemClock().Now().monotonic;
}

}  // namespace

Printer::Printer(const Options& options) : options_(options) {
  has_screen_ = options.has_prompt && ::isatty(options.fd) == 1 && terminal::ObeysSequences() &&
                terminal::SizeOf(options.fd).rows >= kMinRows;
  if (has_screen_) Write(Framed("", ""), {});  // Before the first prompt.
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

Printer::~Printer() {
  {
    MutexLock lock(mutex_);  // Or a thread that has just looked would sleep on.
    thread_.request_stop();
    wake_.SignalAll();
  }
  thread_.join();
  // The whole screen scrolls again; the shell goes on below.
  if (has_screen_) Write(absl::StrCat("\x1b[r\x1b[", terminal::SizeOf(options_.fd).rows, ";1H\x1b[2K"), {});
}

void Printer::Enqueue(std::string text) {
  if (lines_.size() >= kMaxLines) {
    ++dropped_;
    return;
  }
  lines_.push_back(std::move(text));
  wake_.SignalAll();
}

void Printer::Line(absl::string_view text) {
  MutexLock lock(mutex_);
  for (absl::string_view line : absl::StrSplit(text, '\n')) Enqueue(Printable(line));
}

void Printer::Live(const std::string& key, absl::string_view text) {
  if (options_.live_interval == absl::ZeroDuration()) return;
  MutexLock lock(mutex_);
  if (text.empty()) {
    live_changed_ = live_.erase(key) > 0 || live_changed_;
    live_written_.erase(key);
  } else if (has_screen_) {
    live_[key] = Printable(text);
    live_changed_ = true;
  } else {
    // Samples come once a second, give or take: a little early is not too early.
    auto [written, is_new] = live_written_.try_emplace(key, -absl::InfiniteDuration());
    const absl::Duration now = Now();
    if (now - written->second < options_.live_interval * 0.8) return;
    written->second = now;
    Enqueue(Printable(text));
  }
  wake_.SignalAll();
}

void Printer::ReadyForInput() {
  if (has_screen_) Write(absl::StrCat("\x1b[", terminal::SizeOf(options_.fd).rows, ";1H\x1b[2K"), {});
}

std::string Printer::LiveText() const {
  return absl::StrJoin(live_, "  |  ", [](std::string* out, const auto& entry) { absl::StrAppend(out, entry.second); });
}

// `lines` scroll in at the lower end of the region above the live line; the cursor stays where a person types.
std::string Printer::Framed(absl::string_view lines, absl::string_view live) {
  const terminal::Size size = terminal::SizeOf(options_.fd);
  std::string out;
  if (size != std::exchange(size_, size)) {
    // The first time, or a resized window: what is there scrolls up, and the prompt begins anew below.
    absl::StrAppend(&out, "\x1b[r\x1b[", size.rows, ";1H\n\n\x1b[1;", size.rows - 2, "r\x1b[", size.rows, ";1H");
  }
  absl::StrAppend(&out,
                  "\x1b"
                  "7");  // Save the cursor.
  if (!lines.empty()) {
    absl::StrAppend(&out, "\x1b[", size.rows - 2, ";1H");
    for (absl::string_view line : absl::StrSplit(lines, '\n')) absl::StrAppend(&out, "\n\r", line);
  }
  // A character has at most as many columns as bytes, so the line never wraps.
  absl::StrAppend(&out, "\x1b[", size.rows - 1, ";1H\x1b[2K\x1b[7m",
                  CutUtf8(live, static_cast<std::size_t>(size.columns)), "\x1b[m",
                  "\x1b"
                  "8");  // Restore it.
  return out;
}

// A reader that does not read must not hold up the end of the program.
bool Printer::Write(absl::string_view bytes, const std::stop_token& stop) {
  absl::Duration end = absl::InfiniteDuration();
  while (!bytes.empty()) {
    if (end == absl::InfiniteDuration() && (stop.stop_requested() || !stop.stop_possible())) end = Now() + kLastWrites;
    pollfd fd{.fd = options_.fd, .events = POLLOUT, .revents = 0};
    const int ready = ::poll(&fd, 1, 100);
    if (ready < 0 && errno != EINTR) return false;
    if (ready <= 0) {
      if (Now() >= end) return false;
      continue;
    }
    const ssize_t size = ::write(options_.fd, bytes.data(), std::min(bytes.size(), kMaxWrite));
    if (size >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(size));
    } else if (errno != EINTR && errno != EAGAIN) {
      return false;  // Nobody reads any more.
    }
  }
  return true;
}

void Printer::Run(const std::stop_token& stop) {
  while (true) {
    std::deque<std::string> lines;
    std::string live;
    {
      MutexLock lock(mutex_);
      while (lines_.empty() && !live_changed_ && !stop.stop_requested()) wake_.WaitFor(mutex_, absl::Seconds(1));
      if (lines_.empty() && stop.stop_requested()) return;
      lines.swap(lines_);
      if (const std::int64_t dropped = std::exchange(dropped_, 0); dropped > 0) {
        lines.push_back(absl::StrCat("(", dropped, " lines are missing here: the output was not read in time)"));
      }
      live_changed_ = false;
      live = LiveText();
    }
    const std::string text = absl::StrJoin(lines, "\n");
    const std::string bytes = has_screen_ ? Framed(text, live) : absl::StrCat(text, "\n");
    if (!has_screen_ && lines.empty()) continue;
    if (Write(bytes, stop)) continue;
    log::Warn("output was not read", {{"lines", lines.size()}});
    if (stop.stop_requested()) return;
  }
}

}  // namespace ev::driver
