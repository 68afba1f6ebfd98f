#ifndef EV_SERVICES_MONITOR_CORE_EFFECTS_H_
#define EV_SERVICES_MONITOR_CORE_EFFECTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "base/note.h"
#include "domain/link.h"

namespace ev::monitor {

// Each stream that is opened has a number; what an older one still says or closes changes nothing.
using StreamId = std::int64_t;

// What the core wants done, in this order. All of it may fail: the core hears of it by the stream's close.

// To Central.
struct Dial {
  StreamId link;  // Open a stream and send Hello with this.
  EngineHealth health = EngineHealth::kUnknown;
  std::optional<EngineReport> report;
};
struct HangUp {
  StreamId link;
};
struct SendBeat {
  StreamId link;
  EngineHealth health = EngineHealth::kUnknown;
  std::string fault;
  std::optional<EngineReport> report;  // Nothing: none since the last beat.
};
// Why the Engine did not answer.
enum class Undelivered {
  kNone = 0,     // It did.
  kNotSent = 1,  // It never saw the command.
  kExpired = 2,  // Time was over before it could be sent.
  kUnknown = 3,  // Sent, and no answer came.
};
struct SendAnswer {
  StreamId link;
  CommandAnswer answer;
  Undelivered undelivered = Undelivered::kNone;
};
struct SendRequest {
  StreamId link;
  PointRequest request;
};

// To the Engine.
struct OpenAttach {
  StreamId attach;
};
struct CloseAttach {
  StreamId attach;
};
struct SendAttach {
  StreamId attach;
  LinkEpoch epoch;  // Of the present link, or of the last one.
  std::optional<absl::Duration> central_age;
  std::optional<Configuration> configuration;
  std::vector<Settlement> settlements;
  std::vector<PointRequestAnswer> answers;
};
// Hand the command to the Engine and call CommandDone(), at the latest after `limit`.
struct Forward {
  LinkEpoch epoch;
  Command command;
  absl::Duration limit;
};

using Effect =
    std::variant<Dial, HangUp, SendBeat, SendAnswer, SendRequest, OpenAttach, CloseAttach, SendAttach, Forward, Note>;

}  // namespace ev::monitor

#endif  // EV_SERVICES_MONITOR_CORE_EFFECTS_H_
