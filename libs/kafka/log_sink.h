#ifndef EV_KAFKA_LOG_SINK_H_
#define EV_KAFKA_LOG_SINK_H_

#include <functional>

#include "absl/strings/string_view.h"

namespace ev::kafka {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Where the library's log lines go. Called from any thread, also while the caller holds locks: must not block and must
// not call back into the library. Empty: nothing is logged.
using LogSink = std::function<void(LogLevel, absl::string_view)>;

// The sink of programs: their own log (log/log.h).
void ToLog(LogLevel level, absl::string_view line);

}  // namespace ev::kafka

#endif  // EV_KAFKA_LOG_SINK_H_
