#ifndef EV_SERVICES_MONITOR_OPTIONS_H_
#define EV_SERVICES_MONITOR_OPTIONS_H_

#include <optional>

#include "config/service_options.h"
#include "services/monitor/adapters/monitor_host.h"

namespace ev::monitor {

// Everything that ev-monitor can be told.
struct Options {
  config::ServiceOptions service{.grpc_port = 50053, .http_port = 9466, .keeps_data = false};
  HostOptions host{.core = {}, .engine_address = "localhost:50052", .central_address = "localhost:50051"};
};

// Fills `options` from arguments, environment and file, and starts the log. Returns the code to exit with, or nullopt
// to go on.
std::optional<int> ParseOptions(int argc, const char* const* argv, Options& options);

}  // namespace ev::monitor

#endif  // EV_SERVICES_MONITOR_OPTIONS_H_
