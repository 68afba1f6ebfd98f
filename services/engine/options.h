#ifndef EV_SERVICES_ENGINE_OPTIONS_H_
#define EV_SERVICES_ENGINE_OPTIONS_H_

#include <cstdint>
#include <optional>

#include "config/service_options.h"
#include "services/engine/adapters/backbone.h"
#include "services/engine/adapters/simulated_meter.h"
#include "services/engine/core/engine.h"

namespace ev::engine {

// Everything that ev-engine can be told.
struct Options {
  config::ServiceOptions service{.grpc_port = 50052, .http_port = 9465, .grpc_port_alias = "ENGINE_LISTEN_PORT"};
  bool kafka_enabled = true;
  BackboneConfig backbone;
  EngineOptions engine;
  SimulatedVehicle vehicle;
  std::int64_t journal_facts = 100'000;
};

// Fills `options` from arguments, environment and file, and starts the log. Returns the code to exit with, or nullopt
// to go on.
std::optional<int> ParseOptions(int argc, const char* const* argv, Options& options);

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_OPTIONS_H_
