#ifndef EV_SERVICES_DRIVER_CORE_CHARGE_H_
#define EV_SERVICES_DRIVER_CORE_CHARGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/time/time.h"
#include "domain/ids.h"
#include "domain/money.h"
#include "domain/session.h"

namespace ev::driver {

// Why Central or the charging point refused.
struct Denial {
  std::string reason;  // UPPER_SNAKE: "POINT_BUSY".
  std::string text;    // For people.

  friend bool operator==(const Denial&, const Denial&) = default;
};

// A session as Central tells it to its driver.
struct Charge {
  SessionId id;
  CpId cp;
  DriverId driver;
  GrantNumber number;
  SessionState state = SessionState::kRequested;
  Price price;
  Target target;
  std::int64_t energy_mwh = 0;
  std::int64_t power_w = 0;
  std::int64_t amount_micros = 0;
  bool manual = false;                          // Asked for at the charging point.
  absl::Time requested = absl::InfinitePast();  // InfinitePast in these: not yet.
  absl::Time start = absl::InfinitePast();
  absl::Time end = absl::InfinitePast();
  absl::Time last_sample = absl::InfinitePast();
  EndReason end_reason = EndReason::kNone;
  std::optional<Denial> denial;      // Set when denied or expired.
  std::optional<Ticket> ticket;      // Set when completed.
  std::optional<Ticket> adjustment;  // Corrects an estimated ticket.
  std::string notice;                // What the driver should know beside the state.
  Revision revision;
  Trace trace;  // Its id alone: Central tells no more.

  friend bool operator==(const Charge&, const Charge&) = default;
};

// How one request came to its end: the bill, a refusal (an expired grant too), or what went wrong, for people.
using Conclusion = std::variant<Ticket, Denial, std::string>;

// At its end: the ticket is there, or none will come.
bool IsConcluded(const Charge& charge);

// Of a charge at its end.
Conclusion ConclusionOf(const Charge& charge);

// Whether a driver got what was asked for. A ticket for a charge that a failure cut short (fault, lost Monitor, restart
// of the Engine, full journal, write-off) is a failure; one that a person, the vehicle or the target ended is not.
bool IsSuccess(const Conclusion& conclusion);

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_CORE_CHARGE_H_
