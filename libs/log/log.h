#ifndef EV_LOG_LOG_H_
#define EV_LOG_LOG_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/note.h"
#include "base/trace.h"

// Structured logs: a constant message, then what it is about as fields.
//
//   log::Info("link accepted", {{"cp_id", cp_id}, {"epoch", epoch}});
//
//   2025-01-31T10:11:12.345Z info  link accepted cp_id=cp_001 epoch=7
//   {"time":"2025-01-31T10:11:12.345Z","level":"info","service":"ev-central","message":"link accepted","cp_id":...}
//
// Goes to stderr, one line a record: control characters in values are escaped. Thread-safe; nothing here throws.
namespace ev::log {

using Level = NoteLevel;
enum class Format { kText, kJson };

using Value =
    std::variant<absl::string_view, std::string, std::int64_t, std::uint64_t, double, bool, absl::Duration, absl::Time>;

// One key and its value: text, numbers, bool, absl::Duration, absl::Time, absl::Status, StrongId, StrongNumber.
// Refers to the text it was given: use it as a temporary only.
struct Field {
  template <typename T>
  Field(absl::string_view k, const T& v) : key(k), value(ToValue(v)) {}  // NOLINT(google-explicit-constructor)

  absl::string_view key;
  Value value;

 private:
  template <typename T>
  static Value ToValue(const T& v) {
    if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, absl::Duration> || std::is_same_v<T, absl::Time>) {
      return v;
    } else if constexpr (std::is_floating_point_v<T>) {
      return static_cast<double>(v);
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
      return static_cast<std::int64_t>(v);
    } else if constexpr (std::is_integral_v<T>) {
      return static_cast<std::uint64_t>(v);
    } else if constexpr (std::is_same_v<T, absl::Status>) {
      return v.ToString(absl::StatusToStringMode::kWithNoExtraData);
    } else if constexpr (std::is_convertible_v<const T&, absl::string_view>) {
      return absl::string_view(v);
    } else {
      return ToValue(v.value());
    }
  }
};

using Fields = absl::Span<const Field>;

void Debug(absl::string_view message, Fields fields = {});
void Info(absl::string_view message, Fields fields = {});
void Warn(absl::string_view message, Fields fields = {});
void Error(absl::string_view message, Fields fields = {});
// A note, which is about these fields too. Its own trace counts, if it has one.
void Write(const Note& note, Fields about = {});

struct Options {
  std::string service;  // Program name, in every JSON record.
  Format format = Format::kText;
  Level level = Level::kInfo;
};

// Before it, text goes to stderr from level info on. May be called again.
void Init(const Options& options);

// At any time, from any thread.
bool IsEnabled(Level level);

// What is logged now. With `left`: until then, and `after` from then on.
struct LevelState {
  Level level = Level::kInfo;
  Level after = Level::kInfo;
  std::optional<absl::Duration> left;
};
LevelState CurrentLevel();

// Sets the level; with `duration` until that has passed, and then the one that was last set without, or by Init(),
// holds again. Both changes are logged whatever the level, the second with the first record that is made after it.
// `by`: who asked.
void ChangeLevel(Level level, std::optional<absl::Duration> duration, absl::string_view by);

absl::string_view Name(Level level);
// "debug", "info", "warn", "error"; "text", "json". InvalidArgument names the allowed words.
absl::StatusOr<Level> ParseLevel(absl::string_view text);
absl::StatusOr<Format> ParseFormat(absl::string_view text);

// From here on records go to `path` instead of stderr (the terminal belongs to a live panel), kept to three files of
// 10 MB, and their last lines are kept for LastLines(). Unavailable when the file cannot be opened: stderr stays.
absl::Status RedirectToFile(const std::string& path);
void RedirectToStderr();

// The newest lines since RedirectToFile(), oldest first, at most `count` of the 200 that are kept: short text without
// colour or line end.
std::vector<std::string> LastLines(std::size_t count);

// A prompt stands on the last line of the terminal: a record that goes to a terminal clears the cursor's line first and
// calls `redraw` afterwards, which must neither log nor wait. nullptr: there is no prompt any more, and no call.
void ShareTerminal(std::function<void()> redraw);

// While it lives, records made on this thread carry the field `trace_id`; without a trace they carry none. Scopes nest.
class TraceScope {
 public:
  explicit TraceScope(const Trace& trace);
  ~TraceScope();
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  const Trace outer_;
};

}  // namespace ev::log

#endif  // EV_LOG_LOG_H_
