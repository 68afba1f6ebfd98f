#include "services/driver/options.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "config/parser.h"
#include "process/version.h"
#include "rpc/channel.h"
#include "services/driver/adapters/read_request_file.h"

namespace ev::driver {

std::optional<int> ParseOptions(int argc, const char* const* argv, Options& options) {
  config::Parser parser(
      {.name = "ev-driver",
       .version = std::string(process::Version()),
       .summary = "Asks for charges, shows live progress, receives the ticket; for one driver or an app of many.",
       .examples = {"ev-driver --driver-id driver_001 --central localhost:6001    # a prompt; `help` lists commands",
                    "ev-driver localhost:9092 driver_001 --central localhost:6001    # broker, driver",
                    "ev-driver --central localhost:6001 --requests requests.txt",
                    "printf 'charge cp_001 5kWh\\n' | ev-driver --central localhost:6001"}});
  config::AddServiceOptions(parser, options.service);

  parser.Group("Driver");
  std::string driver = options.driver.value();
  parser.Add("driver-id", &driver, "The driver at this prompt, and of requests that name none").Required();
  parser.Add("central", &options.central.target, "Central, host:port").Required().Check(rpc::CheckTarget);
  parser
      .Add("call-timeout", &options.central.call_timeout,
           "One attempt to start or stop a charge; longer than Central's --command-deadline (3 s), and at most half "
           "of its --request-max-age (10 s), or there is no time for a second")
      .Range(absl::Milliseconds(100), absl::Minutes(1));
  std::string requests;
  parser.Add("requests", &requests, "A file with one charging point a line: charges there in turn, then exits");
  parser.Add("pause", &options.pause, "Between the conclusion of a charge and the next of a list")
      .Range(absl::ZeroDuration(), absl::Hours(1));
  options.charge_timeout = absl::ZeroDuration();
  parser.Add("charge-timeout", &options.charge_timeout, "After it a list goes on without a conclusion; 0: never")
      .Range(absl::ZeroDuration(), absl::Hours(24 * 7));
  parser
      .Add("stuck-timeout", &options.stuck_timeout,
           "A charge that stands still for so long, its point away or its final missing, counts as failed; 0: never")
      .Range(absl::ZeroDuration(), absl::Hours(24 * 7));
  parser.Add("live-interval", &options.live_interval, "Between lines of live figures; 0: none")
      .Range(absl::ZeroDuration(), absl::Hours(1));

  parser.Group("Kafka");
  bool kafka_enabled = true;
  BackboneConfig backbone{.kafka = {.brokers = "", .client_id = "ev-driver"}};
  std::map<std::string, std::string> settings;
  parser.Add(
      "kafka-enabled", &kafka_enabled,
      "Follow sessions by what Central sends to Kafka, if brokers are named; without it by a stream from Central");
  parser.Add("kafka-brokers", &backbone.kafka.brokers,
             "Brokers, host:port, separated by commas; empty: a stream from Central");
  parser.Add("kafka-config", &settings, "Any librdkafka setting");
  parser.Add("topic-status-updates", &backbone.topic, "Where Central tells drivers").Required();

  parser.Positional("kafka-brokers");
  parser.Positional("driver-id");
  parser.AtEnd([&]() -> absl::Status {
    if (kafka_enabled && !backbone.kafka.brokers.empty()) {
      for (const auto& setting : settings) backbone.kafka.extra.push_back(setting);
      if (auto status = kafka::ValidateKafkaConfig(backbone.kafka); !status.ok()) return status;
      backbone.group_id = absl::StrCat("driver_", driver, "_consumer_group");
      options.backbone = backbone;
    }
    auto parsed = ParseDriverId(driver);
    if (!parsed.ok()) return absl::InvalidArgumentError(absl::StrCat("--driver-id: ", parsed.status().message()));
    options.driver = *std::move(parsed);
    if (requests.empty()) return absl::OkStatus();
    auto list = ReadRequestFile(requests);
    if (!list.ok()) return absl::InvalidArgumentError(absl::StrCat("--requests: ", list.status().message()));
    options.requests = *std::move(list);
    return absl::OkStatus();
  });
  if (auto exit_code = parser.Run(argc, argv)) return exit_code;
  if (options.charge_timeout == absl::ZeroDuration()) options.charge_timeout = absl::InfiniteDuration();
  if (options.stuck_timeout == absl::ZeroDuration()) options.stuck_timeout = absl::InfiniteDuration();
  config::StartLog(parser, options.service);
  return std::nullopt;
}

}  // namespace ev::driver
