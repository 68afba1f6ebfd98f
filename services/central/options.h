#ifndef EV_SERVICES_CENTRAL_OPTIONS_H_
#define EV_SERVICES_CENTRAL_OPTIONS_H_

#include <optional>

#include "config/service_options.h"
#include "services/central/adapters/backbone.h"
#include "services/central/adapters/shard_host.h"

namespace ev::central {

// Everything that ev-central can be told.
struct Options {
  config::ServiceOptions service{.grpc_port = 50051, .http_port = 9464};
  bool kafka_enabled = true;
  Backbone::Config backbone;
  HostOptions host;
  bool panel = true;  // The live panel, when there is a terminal.
  bool check_store = false;
};

// Fills `options` from arguments, environment and file. Returns the code to exit with, or nullopt to go on.
std::optional<int> ParseOptions(int argc, const char* const* argv, Options& options);

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_OPTIONS_H_
