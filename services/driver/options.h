#ifndef EV_SERVICES_DRIVER_OPTIONS_H_
#define EV_SERVICES_DRIVER_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "config/service_options.h"
#include "domain/ids.h"
#include "services/driver/adapters/backbone.h"
#include "services/driver/adapters/central_client.h"
#include "services/driver/core/drivers.h"

namespace ev::driver {

// Everything that ev-driver can be told.
struct Options {
  config::ServiceOptions service{.grpc_port = 50054, .http_port = 9467};
  CentralClientOptions central;
  DriverId driver{"driver_001"};
  std::optional<BackboneConfig> backbone;     // Set: sessions are followed through Kafka.
  std::optional<std::vector<CpId>> requests;  // From a file, instead of commands.
  absl::Duration pause = absl::Seconds(4);
  absl::Duration charge_timeout = absl::InfiniteDuration();
  absl::Duration stuck_timeout = DriversConfig().stuck;
  absl::Duration live_interval = absl::Seconds(1);
};

// Fills `options` from arguments, environment and file, and starts the log. Returns the code to exit with, or nullopt
// to go on.
std::optional<int> ParseOptions(int argc, const char* const* argv, Options& options);

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_OPTIONS_H_
