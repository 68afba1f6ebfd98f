#include "services/central/options.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "process/version.h"

namespace ev::central {

std::optional<int> ParseOptions(int argc, const char* const* argv, Options& options) {
  config::Parser parser({.name = "ev-central",
                         .version = std::string(process::Version()),
                         .summary = "Knows every charging point, authorises charges, books energy and money.",
                         .examples = {"ev-central", "ev-central 6001 localhost:9092        # gRPC port, broker",
                                      "ev-central --kafka-enabled=false --grpc-port 0 --data-dir /tmp/central",
                                      "EV_PRICE_DEFAULT=420000 ev-central --print-config"}});
  config::AddServiceOptions(parser, options.service);

  parser.Group("Kafka");
  std::map<std::string, std::string> settings;
  parser.Add("kafka-enabled", &options.kafka_enabled,
             "Read facts and send what happened; without it nothing is booked");
  parser.Add("kafka-brokers", &options.backbone.kafka.brokers, "Brokers, host:port, separated by commas");
  parser.Add("kafka-config", &settings, "Any librdkafka setting");
  parser.Add("kafka-group", &options.backbone.group_id, "Under this name lag tools see the progress").Required();
  Topics& topics = options.backbone.topics;
  parser.Add("topic-session-data", &topics.session_data.name, "Starts and samples");
  parser.Add("topic-session-complete", &topics.session_complete.name, "Finals");
  parser.Add("topic-status-updates", &topics.status_updates.name, "What drivers are told");
  parser.Add("topic-alerts", &topics.alerts.name, "What operators should know");
  parser.Add("topic-dead-letter", &topics.dead_letter.name, "What could not be used");
  int partitions = topics.session_data.partitions;
  int replication = kBrokerDefaultReplication;
  absl::Duration retention = topics.session_data.retention;
  parser.Add("topic-partitions", &partitions, "Of the fact topics and so the number of shards; fixed at first start")
      .Range(1, 1000);
  parser.Add("topic-replication", &replication, "Of topics that are created; -1: the broker's default").Range(-1, 100);
  parser.Add("topic-retention", &retention, "Of topics that are created").Range(absl::Hours(1), absl::Hours(24 * 365));

  parser.Group("Charging");
  ShardConfig& shard = options.host.shard;
  std::int64_t dedup_window = 1'000'000;
  parser.Add("price-default", &shard.default_price.micros_per_kwh, "Micro-units per kWh for new charging points")
      .Range(0, static_cast<double>(kMaxPriceMicrosPerKwh));
  parser.Add("price-currency", &shard.default_price.currency, "ISO 4217, three capital letters");
  parser.Add("auto-register", &shard.auto_register, "Register a charging point when it connects for the first time");
  parser.Add("command-deadline", &shard.command_deadline, "How long a charging point may take to answer")
      .Range(absl::Milliseconds(100), absl::Minutes(1));
  parser.Add("grant-time-to-live", &shard.grant_time_to_live, "How long a grant waits for the plug")
      .Range(absl::Seconds(1), absl::Hours(24));
  parser
      .Add("request-max-age", &shard.request_max_age,
           "An older request is denied; at least twice a Driver's --call-timeout (4 s), or it cannot try again")
      .Range(absl::Milliseconds(100), absl::Hours(1));
  parser.Add("link-silence", &shard.link_silence, "Without a beat for this long a charging point is disconnected")
      .Range(absl::Milliseconds(500), absl::Minutes(5));
  parser.Add("dedup-window", &dedup_window, "Message ids remembered, in all shards together").Range(12, 1e9);
  parser.Add("outbox-bound", &options.host.outbox_bound, "Messages that may wait for Kafka").Range(100, 1e9);

  parser.Group("Console");
  parser.Add("panel", &options.panel, "Show the live panel when input and output are a terminal");

  parser.Group("Store");
  parser.Add("check-store", &options.check_store, "Read the whole store, say whether it is sound, and end");

  parser.Positional("grpc-port");
  parser.Positional("kafka-brokers");
  parser.AtEnd([&]() -> absl::Status {
    for (const auto& setting : settings) options.backbone.kafka.extra.push_back(setting);
    topics.session_data.partitions = topics.session_complete.partitions = partitions;
    for (TopicConfig* topic : {&topics.session_data, &topics.session_complete, &topics.status_updates, &topics.alerts,
                               &topics.dead_letter}) {
      topic->replication = replication;
      topic->retention = retention;
    }
    if (auto status = CheckPrice(shard.default_price); !status.ok()) {
      return absl::InvalidArgumentError("--price-default, --price-currency: " + std::string(status.message()));
    }
    if (auto status = ValidateTopics(topics); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--topic-*: ", status.message()));
    }
    if (options.service.grpc_port == 0 && parser.source("data-dir") == config::Source::kDefault) {
      return absl::InvalidArgumentError("--grpc-port 0 wants an explicit --data-dir");
    }
    if (!options.kafka_enabled) return absl::OkStatus();
    return kafka::ValidateKafkaConfig(options.backbone.kafka);
  });
  options.backbone.kafka.client_id = "ev-central";
  if (auto exit_code = parser.Run(argc, argv)) return exit_code;
  shard.dedup_window = static_cast<std::size_t>(dedup_window);
  shard.kafka_enabled = options.kafka_enabled;
  config::StartLog(parser, options.service);
  return std::nullopt;
}

}  // namespace ev::central
