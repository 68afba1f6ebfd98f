#ifndef EV_CLI_EVCTL_ORDERS_H_
#define EV_CLI_EVCTL_ORDERS_H_

#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "cli/evctl/central.h"
#include "process/stop_signal.h"

// What changes something. Each order carries a request id of its own, so that a repeat by the transport changes nothing
// twice; who gave it is shown at Central.
namespace ev::evctl {

struct OrderOptions {
  std::string what;  // point, session, all
  std::string id;    // None of `all`.
  std::string reason;
  std::string requested_by;
};

// Takes a point or all out of service, or ends a session. InvalidArgument: what is to be stopped is not clear.
absl::Status Stop(const Central& central, const OrderOptions& options, std::ostream& out);
// Of a point or all.
absl::Status Resume(const Central& central, const OrderOptions& options, std::ostream& out);
// Closes the session `id` without its final figures.
absl::Status WriteOff(const Central& central, const OrderOptions& options, std::ostream& out);
// `id` is the cluster's.
absl::Status AcceptCluster(const Central& central, const OrderOptions& options, std::ostream& out);

struct ChargeOptions {
  std::string point;
  std::string driver;
  std::string target;  // 10kWh, 5.50EUR, 30min; empty: until the vehicle is full.
};

// Asks for a charge and prints what Central has granted; with `stop`, follows the session to its end or until a stop is
// asked for, and prints each change and the ticket.
absl::Status Charge(const Central& central, const ChargeOptions& options, process::StopSignal* stop, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_ORDERS_H_
