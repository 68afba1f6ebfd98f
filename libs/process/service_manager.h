#ifndef EV_PROCESS_SERVICE_MANAGER_H_
#define EV_PROCESS_SERVICE_MANAGER_H_

#include <memory>
#include <string>

#include "metrics/readiness.h"

namespace ev::process {

// The variable NOTIFY_SOCKET; empty when it is not set.
std::string NotifySocket();

// Tells the service manager that started this process (systemd, Type=notify) how it is: READY=1 when it takes requests
// for the first time, STATUS= with what readiness says after each change, STOPPING=1 when it begins to end. Without an
// address it does nothing. What cannot be told is logged once.
//
// Make it when the servers listen. Waits at most a second, and only to say READY=1 or STOPPING=1.
class ServiceManager {
 public:
  // `address`: the path of a Unix datagram socket, or `@` and a name in the abstract namespace. `readiness` must
  // outlive this.
  explicit ServiceManager(metrics::Readiness& readiness, const std::string& address = NotifySocket());

 private:
  struct State;
  std::shared_ptr<State> state_;  // Shared with a call of readiness that is on its way.
  metrics::Readiness::Token token_;
};

}  // namespace ev::process

#endif  // EV_PROCESS_SERVICE_MANAGER_H_
