#include "kafka/kafka_config.h"

#include <array>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/address.h"
#include "kafka/client.h"

namespace ev::kafka {
namespace {

constexpr std::size_t kMaxClientId = 49;  // librdkafka 2.0.2 writes past a buffer beyond that.

// As librdkafka reads it, `PROTOCOL://host:port` or without a protocol, but for the port: one that is left out is more
// often a wrong argument than 9092.
absl::Status CheckBroker(absl::string_view address) {
  absl::string_view host = address;
  if (const std::size_t scheme = host.find("://"); scheme != absl::string_view::npos) host.remove_prefix(scheme + 3);
  return CheckAddress(host);
}

// Settings on which a promise of Publisher or Subscriber hangs, with the promise.
constexpr std::pair<absl::string_view, absl::string_view> kFixed[] = {
    {"bootstrap.servers", "--kafka-brokers sets it"},
    {"metadata.broker.list", "--kafka-brokers sets it"},
    {"client.id", "it is the program's name"},
    {"group.id", "it names the marks of what this service has done"},
    {"enable.idempotence", "order and single storage of messages need it"},
    {"acks", "a fact counts as stored when all replicas have it"},
    {"request.required.acks", "a fact counts as stored when all replicas have it"},
    {"message.timeout.ms", "messages wait for the broker however long it is away"},
    {"delivery.timeout.ms", "messages wait for the broker however long it is away"},
    {"partitioner", "the partition of a key decides which shard owns it"},
    {"enable.auto.commit", "offsets are kept in the store"},
    {"enable.auto.offset.store", "offsets are kept in the store"},
    {"auto.offset.reset", "a gap is shown, not skipped"},
    {"smallest.offset", "a gap is shown, not skipped"},
    {"log.queue", "log lines are forwarded at once"},
};

absl::Status ValidateNotFixed(absl::string_view name) {
  for (const auto& [fixed, why] : kFixed) {
    if (name == fixed) return absl::InvalidArgumentError(absl::StrCat("--kafka-config: '", name, "' is fixed: ", why));
  }
  return absl::OkStatus();
}

absl::Status Set(rd_kafka_conf_t* conf, const Setting& setting) {
  const auto& [name, value] = setting;
  std::array<char, 512> error{};
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error.data(), error.size()) != RD_KAFKA_CONF_OK) {
    // librdkafka's text may name the setting by another of its names. It quotes numbers and words of a choice, no
    // secret.
    return absl::InvalidArgumentError(
        absl::StrCat("--kafka-config: '", name, "': ", absl::StripAsciiWhitespace(absl::string_view(error.data()))));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckBrokers(absl::string_view brokers) {
  for (absl::string_view address : absl::StrSplit(brokers, ',')) {
    if (absl::Status status = CheckBroker(absl::StripAsciiWhitespace(address)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ValidateKafkaConfig(const KafkaConfig& config) {
  absl::StatusOr<ConfHandle> conf = NewConf(config, {{"enable.idempotence", "true"}});
  if (!conf.ok()) return conf.status();
  // What does not fit together librdkafka finds only when it builds a client; without addresses it contacts nobody.
  rd_kafka_conf_set(conf->get(), "bootstrap.servers", nullptr, nullptr, 0);
  const absl::Status status =
      NewClient(RD_KAFKA_PRODUCER, *std::move(conf), std::make_shared<ClientEvents>("check", nullptr)).status();
  return status.ok() ? status : absl::InvalidArgumentError(absl::StrCat("--kafka-config: ", status.message()));
}

absl::StatusOr<ConfHandle> NewConf(const KafkaConfig& config, const std::vector<Setting>& own) {
  if (const absl::Status status = CheckBrokers(config.brokers); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--kafka-brokers: ", status.message()));
  }
  if (config.client_id.empty() || config.client_id.size() > kMaxClientId) {
    return absl::InvalidArgumentError(absl::StrCat("kafka client id '", config.client_id, "' has ",
                                                   config.client_id.size(), " characters, expected 1 to ",
                                                   kMaxClientId));
  }
  std::vector<Setting> settings = {
      {"bootstrap.servers", config.brokers}, {"client.id", config.client_id}, {"socket.keepalive.enable", "true"},
      {"socket.nagle.disable", "true"},      {"reconnect.backoff.ms", "50"},  {"reconnect.backoff.max.ms", "1000"},
  };
  settings.insert(settings.end(), own.begin(), own.end());
  for (const Setting& setting : config.extra) {
    if (absl::Status status = ValidateNotFixed(setting.first); !status.ok()) return status;
    settings.push_back(setting);
  }
  ConfHandle conf(rd_kafka_conf_new());
  for (const Setting& setting : settings) {
    if (absl::Status status = Set(conf.get(), setting); !status.ok()) return status;
  }
  return conf;
}

absl::StatusOr<Setting> ParseSetting(absl::string_view text) {
  const std::size_t equals = text.find('=');
  const absl::string_view key = absl::StripAsciiWhitespace(text.substr(0, equals));
  if (equals == absl::string_view::npos || key.empty()) {
    // Not the text itself: it may be a secret with its name forgotten.
    return absl::InvalidArgumentError("--kafka-config: takes key=value, and got something else (not shown)");
  }
  return Setting(std::string(key), std::string(text.substr(equals + 1)));
}

}  // namespace ev::kafka
