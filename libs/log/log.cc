#include "log/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "base/text.h"
#include "terminal/terminal.h"

namespace ev::log {
namespace {

constexpr std::size_t kRingLines = 200;
constexpr std::size_t kFileBytes = 10 << 20;
constexpr std::size_t kOldFiles = 2;
constexpr char kTimeFormat[] = "%Y-%m-%dT%H:%M:%E3SZ";

thread_local Trace t_trace;

constexpr std::pair<absl::string_view, Level> kLevels[] = {
    {"debug", Level::kDebug}, {"info", Level::kInfo}, {"warn", Level::kWarn}, {"error", Level::kError}};

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// Never 0, and not moved by whoever sets the wall clock.
std::int64_t SteadyNanos() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime(kTimeFormat, time, absl::UTCTimeZone());
}

// The escapes leave what is above ASCII as it is: control characters are there, too. An apostrophe needs none here.
std::string Escaped(absl::string_view text) {
  return Printable(absl::StrReplaceAll(absl::Utf8SafeCEscape(text), {{"\\'", "'"}}));
}

// Text that a reader of key=value could take apart wrongly is quoted; control characters are escaped always.
void AppendText(std::string& out, absl::string_view text) {
  const std::string escaped = Escaped(text);
  const bool plain = !text.empty() && escaped == text && text.find_first_of(" =") == text.npos;
  plain ? absl::StrAppend(&out, text) : absl::StrAppend(&out, "\"", escaped, "\"");
}

struct TextVisitor {
  std::string& out;
  void operator()(absl::string_view v) const { AppendText(out, v); }
  void operator()(const std::string& v) const { AppendText(out, v); }
  void operator()(bool v) const { absl::StrAppend(&out, v ? "true" : "false"); }
  void operator()(absl::Duration v) const { absl::StrAppend(&out, absl::FormatDuration(v)); }
  void operator()(absl::Time v) const { absl::StrAppend(&out, TimeText(v)); }
  template <typename Number>
  void operator()(Number v) const {
    absl::StrAppend(&out, v);
  }
};

struct JsonVisitor {
  nlohmann::ordered_json operator()(absl::string_view v) const { return std::string(v); }
  nlohmann::ordered_json operator()(absl::Duration v) const { return absl::FormatDuration(v); }
  nlohmann::ordered_json operator()(absl::Time v) const { return TimeText(v); }
  template <typename T>
  nlohmann::ordered_json operator()(const T& v) const {
    return v;
  }
};

std::string ToText(absl::string_view message, Fields fields) {
  std::string out = Escaped(message);
  for (const Field& field : fields) {
    absl::StrAppend(&out, " ", field.key, "=");
    std::visit(TextVisitor{out}, field.value);
  }
  if (!t_trace.empty()) absl::StrAppend(&out, " trace_id=", TraceIdText(t_trace));
  return out;
}

std::string ToJson(absl::Time now, Level level, const std::string& service, absl::string_view message, Fields fields) {
  nlohmann::ordered_json record;
  record["time"] = TimeText(now);
  record["level"] = std::string(Name(level));
  if (!service.empty()) record["service"] = service;
  record["message"] = std::string(message);
  for (const Field& field : fields) record.emplace(std::string(field.key), std::visit(JsonVisitor{}, field.value));
  if (!t_trace.empty()) record.emplace("trace_id", TraceIdText(t_trace));
  return EscapeJson(record.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

class Logger {
 public:
  // Never destroyed: objects that outlive main() may still log.
  static Logger& Get() {
    static Logger* const logger = new Logger;
    return *logger;
  }

  void Init(const Options& options) {
    MutexLock lock(mutex_);
    service_ = options.service;
    format_ = options.format;
    MutexLock level_lock(level_mutex_);
    level_ = level_after_ = options.level;
    level_until_ = 0;
    UseSink(StderrSink());
  }

  bool IsEnabled(Level level) {
    const std::int64_t until = level_until_.load(std::memory_order_relaxed);
    if (until != 0 && SteadyNanos() >= until) FallBack();
    return level >= level_.load(std::memory_order_relaxed);
  }

  LevelState CurrentLevel() {
    IsEnabled(Level::kError);  // Falls back when it is time.
    MutexLock lock(level_mutex_);
    LevelState state{level_, level_after_, std::nullopt};
    if (level_until_ != 0) state.left = absl::Nanoseconds(std::max<std::int64_t>(level_until_ - SteadyNanos(), 0));
    return state;
  }

  void ChangeLevel(Level level, std::optional<absl::Duration> duration, absl::string_view by) {
    Level before;
    {
      MutexLock lock(level_mutex_);
      before = level_.exchange(level);
      level_until_ = duration.has_value() ? SteadyNanos() + absl::ToInt64Nanoseconds(*duration) : 0;
      if (!duration.has_value()) level_after_ = level;
    }
    std::vector<Field> fields = {{"from", Name(before)}, {"to", Name(level)}, {"by", by}};
    if (duration.has_value()) fields.emplace_back("for", *duration);
    Put(Level::kInfo, "log level changed", fields);
  }

  void Write(Level level, absl::string_view message, Fields fields) noexcept {
    if (IsEnabled(level)) Put(level, message, fields);
  }

  void Put(Level level, absl::string_view message, Fields fields) noexcept {
    try {
      const absl::Time now = absl::Now();
      MutexLock lock(mutex_);
      const bool text = format_ == Format::kText;
      std::string line = text || to_file_ ? ToText(message, fields) : std::string();
      if (to_file_) Remember(now, level, line);
      if (!text) line = ToJson(now, level, service_, message, fields);
      const bool is_shared = redraw_ && !to_file_ && ::isatty(2) == 1;
      if (is_shared) std::fputs("\r\x1b[K", stderr);
      spdlog_.log(ToSpdlog(level), line);
      if (is_shared) redraw_();
    } catch (...) {  // Out of memory, at worst: a record is lost, the caller goes on.
    }
  }

  absl::Status RedirectToFile(const std::string& path) {
    try {
      auto sink = std::make_shared<spdlog::sinks::rotating_file_sink_st>(path, kFileBytes, kOldFiles);
      MutexLock lock(mutex_);
      UseSink(std::move(sink));
      to_file_ = true;
      ring_.clear();
      return absl::OkStatus();
    } catch (const std::exception& error) {
      return absl::UnavailableError(absl::StrCat("cannot log to ", path, ": ", error.what()));
    }
  }

  void RedirectToStderr() {
    MutexLock lock(mutex_);
    UseSink(StderrSink());
    to_file_ = false;
  }

  void ShareTerminal(std::function<void()> redraw) {
    MutexLock lock(mutex_);
    redraw_ = std::move(redraw);
  }

  std::vector<std::string> LastLines(std::size_t count) {
    MutexLock lock(mutex_);
    return {ring_.end() - static_cast<std::ptrdiff_t>(std::min(count, ring_.size())), ring_.end()};
  }

 private:
  Logger() : spdlog_("ev") {
    spdlog_.set_level(spdlog::level::trace);  // level_ decides.
    spdlog_.flush_on(spdlog::level::trace);
    // A record goes to the terminal in one write, or a prompt that is redrawn meanwhile would stand inside of it.
    std::setvbuf(stderr, nullptr, _IOLBF, BUFSIZ);
    UseSink(StderrSink());
  }

  static spdlog::sink_ptr StderrSink() {
    return std::make_shared<spdlog::sinks::stderr_color_sink_st>(terminal::WantsColor(2) ? spdlog::color_mode::automatic
                                                                                         : spdlog::color_mode::never);
  }

  // Here and not by a thread that waits: what was set for a while matters to nobody until something is to be logged.
  void FallBack() {
    Level before;
    Level after;
    {
      MutexLock lock(level_mutex_);
      if (level_until_ == 0 || SteadyNanos() < level_until_) return;
      level_until_ = 0;
      after = level_after_;
      before = level_.exchange(after);
    }
    Put(Level::kInfo, "log level changed",
        {{"from", Name(before)}, {"to", Name(after)}, {"by", "the end of its time"}});
  }

  void UseSink(spdlog::sink_ptr sink) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        format_ == Format::kText ? "%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v" : "%v", spdlog::pattern_time_type::utc));
    spdlog_.sinks() = {std::move(sink)};
  }

  void Remember(absl::Time now, Level level, absl::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (ring_.size() == kRingLines) ring_.pop_front();
    ring_.push_back(absl::StrCat(absl::FormatTime("%H:%M:%S", now, absl::UTCTimeZone()), " ", Name(level), " ", text));
  }

  // Written under level_mutex_, read without.
  std::atomic<Level> level_ = Level::kInfo;
  std::atomic<std::int64_t> level_until_ = 0;  // Of SteadyNanos(); 0: for good.
  Mutex level_mutex_;                          // After mutex_.
  Level level_after_ ABSL_GUARDED_BY(level_mutex_) = Level::kInfo;
  Mutex mutex_;  // One for all sinks, which are therefore the unlocked kind.
  spdlog::logger spdlog_ ABSL_GUARDED_BY(mutex_);
  std::string service_ ABSL_GUARDED_BY(mutex_);
  Format format_ ABSL_GUARDED_BY(mutex_) = Format::kText;
  bool to_file_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> redraw_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::string> ring_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

void Debug(absl::string_view message, Fields fields) {
  Logger::Get().Write(Level::kDebug, message, fields);
}
void Info(absl::string_view message, Fields fields) {
  Logger::Get().Write(Level::kInfo, message, fields);
}
void Warn(absl::string_view message, Fields fields) {
  Logger::Get().Write(Level::kWarn, message, fields);
}
void Error(absl::string_view message, Fields fields) {
  Logger::Get().Write(Level::kError, message, fields);
}

void Write(const Note& note, Fields about) {
  if (!IsEnabled(note.level)) return;
  const TraceScope scope(note.trace.empty() ? t_trace : note.trace);
  std::vector<Field> fields(about.begin(), about.end());
  for (const NoteField& field : note.fields) {
    std::visit([&](const auto& value) { fields.emplace_back(field.key, value); }, field.value);
  }
  Logger::Get().Write(note.level, note.message, fields);
}

void Init(const Options& options) {
  Logger::Get().Init(options);
}
bool IsEnabled(Level level) {
  return Logger::Get().IsEnabled(level);
}
LevelState CurrentLevel() {
  return Logger::Get().CurrentLevel();
}
void ChangeLevel(Level level, std::optional<absl::Duration> duration, absl::string_view by) {
  Logger::Get().ChangeLevel(level, duration, by);
}

absl::string_view Name(Level level) {
  return kLevels[static_cast<int>(level)].first;
}

absl::StatusOr<Level> ParseLevel(absl::string_view text) {
  for (const auto& [name, level] : kLevels) {
    if (name == text) return level;
  }
  return absl::InvalidArgumentError(absl::StrCat("log level must be debug, info, warn or error, not \"", text, "\""));
}

absl::StatusOr<Format> ParseFormat(absl::string_view text) {
  if (text == "text") return Format::kText;
  if (text == "json") return Format::kJson;
  return absl::InvalidArgumentError(absl::StrCat("log format must be text or json, not \"", text, "\""));
}

absl::Status RedirectToFile(const std::string& path) {
  return Logger::Get().RedirectToFile(path);
}
void RedirectToStderr() {
  Logger::Get().RedirectToStderr();
}
void ShareTerminal(std::function<void()> redraw) {
  Logger::Get().ShareTerminal(std::move(redraw));
}
std::vector<std::string> LastLines(std::size_t count) {
  return Logger::Get().LastLines(count);
}

TraceScope::TraceScope(const Trace& trace) : outer_(std::exchange(t_trace, trace)) {}
TraceScope::~TraceScope() {
  t_trace = outer_;
}

}  // namespace ev::log
