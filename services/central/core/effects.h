#ifndef EV_SERVICES_CENTRAL_CORE_EFFECTS_H_
#define EV_SERVICES_CENTRAL_CORE_EFFECTS_H_

// What the core asks for. Effects leave the process only after the rows that caused them are durable.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "domain/charging_point.h"
#include "domain/link.h"
#include "domain/session.h"

namespace ev::central {

using CallId = StrongNumber<struct CallIdTag>;      // A caller that waits; given by the adapter.
using StreamId = StrongNumber<struct StreamIdTag>;  // A Monitor's stream; given by the adapter.

// A charging point as users see it: the record, and what is known of it at this moment.
struct PointView {
  ChargingPoint record;
  std::vector<OutOfService> causes;  // Its own and the network's.
  PointState state = PointState::kDisconnected;
  PointState last_state = PointState::kDisconnected;  // Before it was disconnected.
  EngineHealth health = EngineHealth::kUnknown;
  std::string fault;
  absl::Time last_seen = absl::InfinitePast();
  std::string monitor_version;
  std::int64_t journal_room = 0;
  bool journal_full = false;  // No further session fits.
  std::int64_t unsettled_total = 0;
  std::string kafka_fault;         // Why its Engine does not reach Kafka.
  std::string waiting_for;         // Plugged in under the session's grant: why energy does not flow yet.
  std::optional<Session> session;  // The one that holds it.
  Revision revision;               // Grows with each look at the charging point.
};

// Why a call was not done. `denial` is set when a charge was denied.
struct Failure {
  absl::Status status;
  std::string reason;  // UPPER_SNAKE, for ErrorInfo.
  DenialReason denial = DenialReason::kNone;
  SessionId session;  // Of a denied session; may be empty.
  std::string field;  // The request's field at fault; may be empty.
};

// A request_id was used before with other parameters.
Failure ReusedRequestId();

struct Done {};
using CallResult = std::variant<Failure, Done, Session, Ticket, PointView, std::vector<PointView>>;

// A caller gets its answer.
struct Reply {
  CallId call;
  CallResult result;
};

// The link of `stream` is accepted under this epoch; anything older is over.
struct LinkAccepted {
  StreamId stream;
  CpId cp;
  LinkEpoch epoch;
};
struct LinkRefused {
  StreamId stream;
  CpId cp;
  absl::Status status;
  std::string reason;
};
struct CentralBeat {};
using LinkBody = std::variant<CentralBeat, Configuration, Command, Settlement>;
// A message down the link with exactly this epoch. When that link is gone the adapter calls OnUndelivered for commands.
struct LinkMessage {
  CpId cp;
  LinkEpoch epoch;
  LinkBody body;
};

// For watchers, panel and log. `previous` is the state before, equal to the new one for a change of figures.
struct SessionChanged {
  Session session;
  std::optional<SessionState> previous;  // Unset: the session is new.
  PointState point = PointState::kDisconnected;
  std::optional<Ticket> ticket;
};
struct PointChanged {
  PointView point;
  std::optional<PointState> previous;  // Unset: the charging point is new.
  bool deleted = false;
};

// A charge was denied before there was a session, for the panel and the log. The caller has its Reply.
struct RequestDenied {
  DriverId driver;
  CpId cp;
  DenialReason reason = DenialReason::kNone;
  std::string text;
  absl::Time time;
  Trace trace;
};

// Why messages are put aside.
inline constexpr const char* kDeadLetterReasons[] = {"UNDECODABLE", "WRONG_KEY",       "WRONG_PARTITION",
                                                     "NONSENSE",    "UNKNOWN_SESSION", "WRONG_CHARGING_POINT",
                                                     "WRONG_GRANT", "WRITTEN_OFF",     "FINAL_DIFFERS"};

// A message that was put aside: for the log and the metrics.
struct DeadLettered {
  std::string topic;
  int partition = 0;
  std::int64_t offset = 0;
  std::string reason;  // One of kDeadLetterReasons.
  std::string detail;
  SessionId session;  // Empty: it names none.
  Trace trace;        // Of that session, as Central or else the message knows it.
};

enum class AlertKind {
  kPointFaulted = 1,
  kLinkLost = 2,
  kRecovered = 3,
  kAmountDiffers = 4,
  kDeadLetter = 5,
  kGap = 6,
  kLinkRefused = 7,
  kEngineSilent = 8,
  kClusterUnknown = 9,
  kJournalReplaced = 10,
};
inline constexpr int kAlertKinds = 10;
// As on the wire, without its prefix: "LINK_LOST".
absl::string_view Name(AlertKind kind);

// What an operator should know: for the log and the metrics, also when it does not reach Kafka.
struct AlertRaised {
  AlertKind kind = AlertKind::kPointFaulted;
  CpId cp;            // Empty: of none.
  SessionId session;  // Empty: of none.
  std::string text;
  Trace trace;  // The session's.
};

using Effect = std::variant<Reply, LinkAccepted, LinkRefused, LinkMessage, SessionChanged, PointChanged, RequestDenied,
                            DeadLettered, AlertRaised>;
using Effects = std::vector<Effect>;

// What the driver should know of the charging point while the session waits for something from it, beside the session's
// state; often empty.
absl::string_view NoticeFor(SessionState session, PointState point);

// What must reach Kafka. Turned into outbox rows by the codec, in the transaction of the state that caused it.
struct StatusUpdate {
  Session session;
  PointState point = PointState::kDisconnected;
  std::optional<Ticket> ticket;
  bool replaceable = false;  // The outbox is full: only the newest of this session is kept.
};
// A denial before there was a session.
struct DenialUpdate {
  std::string id;  // Unique.
  DriverId driver;
  CpId cp;
  DenialReason reason = DenialReason::kNone;
  std::string text;
  absl::Time time;
  Trace trace;
};
struct DeadLetter {
  std::string topic;
  int partition = 0;
  std::int64_t offset = 0;
  std::string key;
  std::string body;
  std::string reason;  // UPPER_SNAKE.
  std::string detail;
  absl::Time time;
  absl::Time written = absl::InfinitePast();                 // The origin's own time; InfinitePast: it had none.
  std::vector<std::pair<std::string, std::string>> headers;  // The origin's own.
  Trace trace;                                               // As in DeadLettered.
};
struct Alert {
  AlertKind kind = AlertKind::kPointFaulted;
  CpId cp;
  SessionId session;
  std::string text;
  absl::Time time;
  std::string id;  // Unique: the outbox keeps one of each.
  Trace trace;     // The session's.
};
using OutboxItem = std::variant<StatusUpdate, DenialUpdate, DeadLetter, Alert>;

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_CORE_EFFECTS_H_
