#ifndef EV_SERVICES_DRIVER_CORE_EFFECTS_H_
#define EV_SERVICES_DRIVER_CORE_EFFECTS_H_

// What the core asks its adapters to do, in this order.

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/strong_id.h"
#include "services/driver/core/charge.h"

namespace ev::driver {

using CallId = StrongNumber<struct CallIdTag>;    // A request on its way, with all its attempts.
using WatchId = StrongNumber<struct WatchIdTag>;  // One stream from Central.
using ListId = StrongNumber<struct ListIdTag>;    // A list of requests that is worked through.

// Open a stream of this driver's sessions, or end one. What an ended one still says is ignored.
struct OpenWatch {
  DriverId driver;
  WatchId watch;
};
struct CloseWatch {
  DriverId driver;
  WatchId watch;
};

// One attempt at Central; a later one of the same call has the same request id. Answered by OnAnswer().
struct SendStart {
  CallId call;
  std::string request_id;
  DriverId driver;
  CpId cp;
  Target target;
  absl::Duration waited;  // Since the request was made.
  Trace trace;
};
struct SendStop {
  CallId call;
  std::string request_id;
  DriverId driver;
  SessionId session;
  Trace trace;
};
// Answered by OnFetched().
struct SendGet {
  DriverId driver;
  SessionId session;
};

// Whoever made the call gets its answer, once. A denial is an error that carries its reason.
struct Answered {
  CallId call;
  absl::StatusOr<Charge> result;
};
// A call that was made with `to_the_end` has come to it, once, after its answer.
struct Concluded {
  CallId call;
  Conclusion conclusion;
};

// A session stands differently from now on.
struct ChargeChange {
  Charge charge;
  std::optional<Charge> before;  // Unset: it was not known.
};
struct DenialTold {
  CpId cp;
  SessionId session;  // Empty: the denial made none.
  Denial denial;
  Trace trace;
};
struct Notice {
  std::string text;
};
// Something happened to a driver.
struct Told {
  DriverId driver;
  absl::Time time;
  std::variant<ChargeChange, DenialTold, Notice> event;
  bool is_news = true;  // False: a person has been told the same already.
};

// What is known of the driver is complete as of now: from here on it can be asked about.
struct Settled {
  DriverId driver;
};

struct ListProgress {
  int index = 0;
  int total = 0;
  CpId cp;
  int completed = 0;
  int denied = 0;
  int failed = 0;

  friend bool operator==(const ListProgress&, const ListProgress&) = default;
};
struct ListFinished {
  bool cancelled = false;
};
struct ListBegun {};  // The charging point of `progress` is asked now.
struct ListStep {
  DriverId driver;
  ListId list;
  ListProgress progress;
  std::variant<Charge, Conclusion, ListFinished, ListBegun> step;
};

using Effect =
    std::variant<OpenWatch, CloseWatch, SendStart, SendStop, SendGet, Answered, Concluded, Told, Settled, ListStep>;
using Effects = std::vector<Effect>;

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_CORE_EFFECTS_H_
