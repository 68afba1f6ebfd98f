#ifndef EV_SERVICES_DRIVER_ADAPTERS_DRIVER_SERVICE_H_
#define EV_SERVICES_DRIVER_ADAPTERS_DRIVER_SERVICE_H_

#include <memory>

#include "absl/time/time.h"
#include "domain/ids.h"
#include "rpc/live_streams.h"
#include "services/driver/adapters/agent.h"
#include "services/driver/adapters/central_client.h"

namespace grpc {
class Service;
}

namespace ev::driver {

struct DriverServiceOptions {
  DriverId default_driver;                         // Whom a request without a driver means.
  absl::Duration pause = absl::Seconds(4);         // Between the charges of a list that does not say.
  absl::Duration give_up = absl::Seconds(10);      // On Central, when the caller waits so long.
  absl::Duration settle_limit = absl::Seconds(2);  // For the first news of a driver who was not followed.
  absl::Duration heartbeat = absl::Seconds(10);
};

// evcharging.driver.v1.DriverService over an agent. All must outlive the service, and the service the server.
std::unique_ptr<grpc::Service> MakeDriverService(const DriverServiceOptions& options, Agent& agent,
                                                 CentralClient& client, rpc::LiveStreams& streams);

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_ADAPTERS_DRIVER_SERVICE_H_
