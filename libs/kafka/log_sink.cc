#include "kafka/log_sink.h"

#include "log/log.h"

namespace ev::kafka {

void ToLog(LogLevel level, absl::string_view line) {
  switch (level) {
    case LogLevel::kDebug:
      return log::Debug(line);
    case LogLevel::kInfo:
      return log::Info(line);
    case LogLevel::kWarning:
      return log::Warn(line);
    case LogLevel::kError:
      return log::Error(line);
  }
}

}  // namespace ev::kafka
