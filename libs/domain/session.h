#ifndef EV_DOMAIN_SESSION_H_
#define EV_DOMAIN_SESSION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/trace.h"
#include "domain/ids.h"
#include "domain/money.h"

namespace ev {

// The numbers of the enums below are the wire's and the store's: never reuse one.

enum class SessionState {
  kRequested = 1,      // Asked of the charging point, no answer yet.
  kUnconfirmed = 2,    // No answer in time: a fact or a beat decides.
  kGranted = 3,        // Reserved, not plugged in.
  kCharging = 4,       // Energy flows.
  kAwaitingFinal = 5,  // Ended at the charging point, the final figures are not booked yet.
  kCompleted = 6,      // Booked: there is a ticket.
  kDenied = 7,
  kExpired = 8,  // The grant was not used, or was cancelled before plug-in.
};
inline constexpr int kSessionStates = 8;

enum class EndReason {
  kNone = 0,
  kUnplugged = 1,
  kDriverStop = 2,
  kTargetReached = 3,
  kOperatorStop = 4,
  kFault = 5,
  kMonitorLost = 6,
  kVehicleFull = 7,
  kEngineRestarted = 8,
  kWrittenOff = 9,
  kJournalFull = 10,
};
inline constexpr int kEndReasons = 10;

enum class DenialReason {
  kNone = 0,
  kPointUnknown = 1,
  kPointBusy = 2,
  kPointStopped = 3,
  kPointFaulted = 4,
  kPointDisconnected = 5,
  kPointNotReady = 6,
  kJournalFull = 7,
  kGrantOutdated = 8,
  kRequestExpired = 9,
  kCentralUnreachable = 10,
  kMonitorMissing = 11,
  kCancelled = 12,
  kEngineUnreachable = 13,
  kNotDelivered = 14,
  kWrongPoint = 15,
  kOverloaded = 16,
  kDriverRefused = 17,
  kRequestIdReused = 18,
  kInvalidField = 19,
};

// Upper-case names as users see them: "CHARGING", "UNPLUGGED", "POINT_BUSY".
absl::string_view Name(SessionState state);
absl::string_view Name(EndReason reason);
absl::string_view Name(DenialReason reason);

// The code of the error that tells a caller of this denial, by what the caller should do.
absl::StatusCode CodeOf(DenialReason reason);

// Where a charge ends by itself. Never exceeded.
struct EnergyTarget {
  std::int64_t energy_mwh = 0;
  friend bool operator==(const EnergyTarget&, const EnergyTarget&) = default;
};
struct AmountTarget {
  std::int64_t amount_micros = 0;
  friend bool operator==(const AmountTarget&, const AmountTarget&) = default;
};
struct DurationTarget {
  absl::Duration duration;
  friend bool operator==(const DurationTarget&, const DurationTarget&) = default;
};
using Target = std::variant<std::monostate, EnergyTarget, AmountTarget, DurationTarget>;

// Energy, amount and duration must be positive and within the limits of domain/money.h, a duration at most 7 days.
absl::Status CheckTarget(const Target& target);

// What Central promises a charging point and a driver. Facts carry it, so they can be booked by themselves.
struct Grant {
  SessionId session;
  CpId cp;
  GrantNumber number;
  DriverId driver;
  Price price;
  Target target;
  absl::Time authorised;
  std::string key_id;     // Which of Central's keys signed; empty until grants are signed.
  std::string signature;  // HMAC over the fields above; empty until grants are signed.
  Trace trace;            // The session's.

  friend bool operator==(const Grant&, const Grant&) = default;
};

// A change number that readers of a session compare: a later start of Central has a higher incarnation, so a restored
// store never goes backwards for them.
struct Revision {
  std::int64_t incarnation = 0;
  std::int64_t counter = 0;

  friend auto operator<=>(const Revision&, const Revision&) = default;
};

// One charge, from the request to the ticket: the record that the ledger keeps.
struct Session {
  SessionId id;
  CpId cp;
  DriverId driver;
  GrantNumber number;
  Price price;
  Target target;
  SessionState state = SessionState::kRequested;
  DenialReason denial = DenialReason::kNone;
  std::string denial_text;
  EndReason end_reason = EndReason::kNone;
  absl::Time requested;
  absl::Time start = absl::InfinitePast();  // InfinitePast: did not happen yet. The same for `end`.
  absl::Time end = absl::InfinitePast();
  absl::Time updated;                          // Timestamp of the newest applied fact, or of the last transition.
  absl::Time measured = absl::InfinitePast();  // Of the newest booked figures, by the Engine's clock.
  std::int64_t sequence = -1;                  // Of the newest applied fact; -1: none.
  std::int64_t energy_mwh = 0;                 // Cumulative since the start.
  std::int64_t power_w = 0;
  std::int64_t amount_micros = 0;       // Central's own figure, from `price`.
  std::int64_t register_start_mwh = 0;  // Meaningful once the start is booked.
  std::int64_t register_end_mwh = 0;    // Meaningful once the final is booked.
  bool start_booked = false;
  bool final_booked = false;
  EndReason stop_asked = EndReason::kNone;  // Who wants it ended: sent to the charging point until it has.
  // Closed by an operator: COMPLETED at the last booked figures, or DENIED or EXPIRED when nothing was booked.
  bool written_off = false;
  std::string written_off_by;  // Who, and why.
  std::string written_off_reason;
  bool manual = false;  // Asked for at the charging point.
  Trace trace;          // Of the request that began it, whoever acts on it later; none: it is older than traces.
  Revision revision;

  friend bool operator==(const Session&, const Session&) = default;
};

// May a session go from one state to the other? Rules as data, in session.cc.
bool CanMove(SessionState from, SessionState to);

// Reserves its charging point: asked for, granted or running.
bool HoldsPoint(SessionState state);
// Waits for a fact or an answer; such sessions are kept in memory.
bool IsOpen(SessionState state);
// Those that IsOpen() is true of, in the order of their numbers.
std::vector<SessionState> OpenStates();

enum class TicketKind { kFinal = 1, kAdjustment = 2 };

// The bill of one session. Written once, never changed.
struct Ticket {
  std::string id;  // "<session id>" for the final ticket, "<session id>-a" for its adjustment.
  SessionId session;
  TicketKind kind = TicketKind::kFinal;
  CpId cp;
  DriverId driver;
  GrantNumber number;
  Price price;
  std::int64_t energy_mwh = 0;
  std::int64_t amount_micros = 0;
  absl::Time start = absl::InfinitePast();
  absl::Time end = absl::InfinitePast();
  absl::Time issued;
  EndReason end_reason = EndReason::kNone;
  bool estimated = false;      // Written off at the last booked sample.
  bool recovered = false;      // Booked from the fact alone, or after a denial or an expiry.
  std::string adjusts_ticket;  // The ticket that an adjustment corrects.

  friend bool operator==(const Ticket&, const Ticket&) = default;
};

}  // namespace ev

#endif  // EV_DOMAIN_SESSION_H_
