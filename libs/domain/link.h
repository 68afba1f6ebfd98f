#ifndef EV_DOMAIN_LINK_H_
#define EV_DOMAIN_LINK_H_

// What a charging point and Central tell each other over the link, as plain values: the cores of Central, Monitor and
// Engine speak these; adapters turn them into protobuf.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "base/id_source.h"
#include "base/strong_id.h"
#include "domain/charging_point.h"
#include "domain/ids.h"
#include "domain/session.h"

namespace ev {

using CommandId = StrongNumber<struct CommandIdTag>;  // Given by Central, unique within one of its starts.

enum class Phase { kGranted = 1, kCharging = 2 };

// The session that holds the charging point right now.
struct Occupation {
  SessionId session;
  GrantNumber number;
  Phase phase = Phase::kGranted;
  std::int64_t energy_mwh = 0;
  std::int64_t power_w = 0;
  std::int64_t amount_micros = 0;
  std::string waiting_for;  // Granted, with a vehicle plugged in: why energy does not flow yet.

  friend bool operator==(const Occupation&, const Occupation&) = default;
};

// Start or final facts of a session that Central has not settled yet.
struct Unsettled {
  SessionId session;
  GrantNumber number;
  bool start = false;
  bool final = false;

  friend bool operator==(const Unsettled&, const Unsettled&) = default;
};

inline constexpr int kMaxUnsettledListed = 64;  // In one report; the rest is told by its total.

// How the Engine is: made by it every second, passed up unchanged by its Monitor.
struct EngineReport {
  EngineHealth health = EngineHealth::kUnknown;
  std::string fault;              // Empty unless faulted.
  LinkEpoch configured_epoch;     // The newest link whose configuration this Engine has applied.
  GrantNumber mark;               // The highest grant number it has seen.
  std::string journal_id;         // A new id means a new disk.
  std::int64_t journal_room = 0;  // Facts that still fit.
  bool journal_full = false;      // No further session fits, whatever the number says.
  bool plugged_in = false;
  std::optional<Occupation> occupation;
  std::vector<Unsettled> unsettled;  // Oldest first, at most kMaxUnsettledListed.
  std::int64_t unsettled_total = 0;
  std::string kafka_fault;  // Why its producer does not reach Kafka; empty: it does.

  friend bool operator==(const EngineReport&, const EngineReport&) = default;
};

// What a charging point must know before it may deliver energy. `epoch` is the link that it belongs to.
struct Configuration {
  LinkEpoch epoch;
  Price price;
  std::vector<OutOfService> causes;  // The charging point's own and the network's.
  GrantNumber highest_grant;

  friend bool operator==(const Configuration&, const Configuration&) = default;
};

struct PrepareSession {
  Grant grant;
  absl::Duration plug_in_time_to_live;  // An unused grant is released after it.
};
struct CancelGrant {
  GrantNumber number;
  SessionId session;
  Trace trace;  // The session's; none when it is not known any more.
};
struct StopSession {
  SessionId session;
  EndReason reason = EndReason::kDriverStop;
  Trace trace;  // The session's, whoever asked for the stop.
};
// `deadline` counts from receipt.
struct Command {
  CommandId id;
  absl::Duration deadline;
  std::variant<PrepareSession, CancelGrant, StopSession> body;
};

inline const Trace& TraceOf(const Command& command) {
  if (const auto* prepare = std::get_if<PrepareSession>(&command.body)) return prepare->grant.trace;
  if (const auto* cancel = std::get_if<CancelGrant>(&command.body)) return cancel->trace;
  return std::get<StopSession>(command.body).trace;
}
// "PrepareSession", "CancelGrant" or "StopSession".
inline const char* OrderOf(const Command& command) {
  if (std::holds_alternative<PrepareSession>(command.body)) return "PrepareSession";
  return std::holds_alternative<CancelGrant>(command.body) ? "CancelGrant" : "StopSession";
}
inline const SessionId& SessionOf(const Command& command) {
  if (const auto* prepare = std::get_if<PrepareSession>(&command.body)) return prepare->grant.session;
  if (const auto* cancel = std::get_if<CancelGrant>(&command.body)) return cancel->session;
  return std::get<StopSession>(command.body).session;
}

// The charging point's real answer.
enum class Verdict {
  kGranted = 1,    // PrepareSession: reserved.
  kDenied = 2,     // PrepareSession: refused, with a reason.
  kCancelled = 3,  // CancelGrant, StopSession: the session is not running and never will be.
  kRunning = 4,    // CancelGrant: energy already flows, nothing was stopped.
  kEnded = 5,      // CancelGrant, StopSession: it ran and is over; its final is on the way or settled.
  kStopped = 6,    // StopSession: the charge was ended now.
  kUnknown = 7,    // StopSession: no such session here.
  kFailed = 8,     // The Engine did not answer its Monitor: nothing is known.
  kNotSent = 9,    // The Monitor could not hand it to the Engine, which never saw it: for certain.
};
struct CommandAnswer {
  CommandId id;
  Verdict verdict = Verdict::kFailed;
  DenialReason denial = DenialReason::kNone;
  std::string text;
  GrantNumber mark;                         // After the command; 0 when unknown (kFailed).
  EndReason end_reason = EndReason::kNone;  // The Engine's to StopSession: why the charge really ended.
};

// A start or a final is settled: the Engine may free its room.
struct Settlement {
  SessionId session;
  bool start = false;
  bool final = false;
  bool refused = false;  // Kept in the dead-letter topic instead of booked.
  std::string reason;    // Why refused.
  // The fact that was refused, and no other: somebody else's nonsense must not end what is true. Booked is a session.
  MessageId message_id{};

  friend bool operator==(const Settlement&, const Settlement&) = default;
};

// A person asks at the charging point; `waited` is the time the request has spent on earlier hops.
struct PointRequest {
  std::string request_id;
  DriverId driver;
  Target target;
  absl::Duration waited;
  Trace trace;  // Becomes the session's.
};
struct PointRequestAnswer {
  std::string request_id;
  std::optional<SessionId> session;  // Granted; the grant itself comes as a PrepareSession.
  DenialReason denial = DenialReason::kNone;
  std::string text;
};

}  // namespace ev

#endif  // EV_DOMAIN_LINK_H_
