#ifndef EV_SERVICES_DRIVER_CORE_DRIVERS_STATE_H_
#define EV_SERVICES_DRIVER_CORE_DRIVERS_STATE_H_

#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "services/driver/core/drivers.h"

// What Drivers remembers. Internal to it.

namespace ev::driver {

// A request until its answer.
struct Drivers::Call {
  std::variant<StartCall, StopCall> request;
  ListId list;  // Made by this list; 0: by a caller.
  absl::Duration made;
  Backoff backoff = Backoff();
  bool in_flight = false;
  absl::Duration next_attempt;  // While not in flight.
  bool may_be_done = false;     // An attempt got no answer.
  bool is_overload_told = false;
  absl::Status overload;  // Central's, while the next attempt waits and none before may be done; else OK.

  const DriverId& driver() const {
    const auto* start = std::get_if<StartCall>(&request);
    return start != nullptr ? start->driver : std::get<StopCall>(request).driver;
  }
  absl::Duration give_up() const {
    const auto* start = std::get_if<StartCall>(&request);
    return start != nullptr ? start->give_up : std::get<StopCall>(request).give_up;
  }
};

// A session that is not at its end.
struct Drivers::Followed {
  Charge charge;
  bool in_snapshot = false;  // Seen in the present one.
  bool is_fetching = false;
  absl::Duration fetch_at;      // Without news until then it is asked for.
  absl::Duration moved_at;      // When it last was known to get on.
  std::vector<CallId> waiting;  // Calls that want its conclusion.
};

struct Drivers::List {
  ListId id;
  ListCall call;
  RequestList list;
  CallId asked;       // The request at hand, also after its answer; 0: none.
  SessionId session;  // Of the request at hand, once answered.
};

struct Drivers::State {
  DriverId id;

  WatchId watch;
  bool is_open = false;       // A stream is there, or is being opened.
  bool is_live = false;       // It has been heard.
  absl::Duration live_since;  // While live.
  absl::Duration watch_at;    // While open: last heard or opened. Otherwise: when to open one.
  Backoff backoff = Backoff();
  bool is_settled = false;

  absl::btree_map<SessionId, Followed> open;
  std::deque<Charge> recent;           // At their end, oldest first.
  std::deque<SessionId> denials_told;  // By an answer, before the stream had them; oldest first.
  std::optional<Ticket> last_ticket;

  std::optional<List> list;
  struct PastList {
    ListCall call;
    ListStep last;
  };
  std::optional<PastList> past_list;

  int pins = 0;
  int calls = 0;  // On their way.
  absl::Duration used_at;
};

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_CORE_DRIVERS_STATE_H_
