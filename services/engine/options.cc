#include "services/engine/options.h"

#include <map>
#include <string>

#include "process/version.h"

namespace ev::engine {

std::optional<int> ParseOptions(int argc, const char* const* argv, Options& options) {
  config::Parser parser({.name = "ev-engine",
                         .version = std::string(process::Version()),
                         .summary = "One charging point's hardware: vehicle in, meter running, vehicle out.",
                         .examples = {"ENGINE_LISTEN_PORT=5001 ev-engine localhost:9092    # broker",
                                      "ev-engine --plug-in=manual --sim-power-w 22000",
                                      "ev-engine --kafka-enabled=false --grpc-port 5001 --sim-speed 10"}});
  config::AddServiceOptions(parser, options.service);

  parser.Group("Kafka");
  std::map<std::string, std::string> settings;
  parser.Add("kafka-enabled", &options.kafka_enabled, "Send facts; without it they wait in the log");
  parser.Add("kafka-brokers", &options.backbone.kafka.brokers, "Brokers, host:port, separated by commas");
  parser.Add("kafka-config", &settings, "Any librdkafka setting");
  parser.Add("topic-session-data", &options.backbone.pump.data_topic, "Where starts and samples go").Required();
  parser.Add("topic-session-complete", &options.backbone.pump.complete_topic, "Where finals go").Required();

  parser.Group("Charging");
  EngineOptions& engine = options.engine;
  parser.Add("silence-limit", &engine.silence_limit, "Of the Monitor: a charge ends. Of Central: none starts")
      .Range(absl::Milliseconds(500), absl::Minutes(5));
  parser.Add("journal-facts", &options.journal_facts, "Facts that are kept at most").Range(3, 1e7);
  parser.Add("produce-again-every", &engine.produce_again_every, "Of starts and finals that Central has not settled")
      .Range(absl::Seconds(1), absl::Hours(24));

  parser.Group("Simulator");
  std::string plug_in = engine.plugs_in_by_itself ? "auto" : "manual";
  parser.Add("plug-in", &plug_in, "Who plugs in after a grant: the simulator, or you at the prompt or by gRPC")
      .OneOf({"auto", "manual"});
  parser.Add("plug-in-delay", &engine.plug_in_delay, "How long the simulated driver takes")
      .Range(absl::ZeroDuration(), absl::Hours(1));
  parser.Add("sim-power-w", &options.vehicle.power_w, "What the vehicle draws")
      .Range(1, static_cast<double>(kMaxPowerW));
  parser.Add("sim-full-after", &options.vehicle.full_after, "When the vehicle is full, by its own clock")
      .Range(absl::Milliseconds(1), absl::Hours(1000));
  parser.Add("sim-speed", &options.vehicle.speed, "How many times faster than ours the vehicle's clock runs")
      .Range(1, 10'000);

  parser.Positional("kafka-brokers");
  parser.AtEnd([&]() -> absl::Status {
    for (const auto& setting : settings) options.backbone.kafka.extra.push_back(setting);
    if (options.service.grpc_port == 0 && parser.source("data-dir") == config::Source::kDefault) {
      return absl::InvalidArgumentError("--grpc-port 0 wants an explicit --data-dir");
    }
    if (!options.kafka_enabled) return absl::OkStatus();
    return kafka::ValidateKafkaConfig(options.backbone.kafka);
  });
  options.backbone.kafka.client_id = "ev-engine";
  if (auto exit_code = parser.Run(argc, argv)) return exit_code;
  engine.plugs_in_by_itself = plug_in == "auto";
  config::StartLog(parser, options.service);
  return std::nullopt;
}

}  // namespace ev::engine
