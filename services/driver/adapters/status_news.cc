#include "services/driver/adapters/status_news.h"

#include <string>
#include <utility>

#include "log/log.h"
#include "services/driver/adapters/codec.h"

namespace ev::driver {
namespace {

absl::StatusOr<std::optional<Charge>> Decode(const IncomingMessage& message) {
  evcharging::events::v1::StatusUpdate update;
  if (!update.ParseFromArray(message.value.data(), static_cast<int>(message.value.size()))) {
    return absl::InvalidArgumentError("not a StatusUpdate");
  }
  auto charge = FromProto(update);
  if (!charge.ok() || !charge->has_value()) return charge;
  for (const auto& [name, text] : message.headers) {
    if (name == kTraceparent) (*charge)->trace = ParseTraceparent(text);
  }
  return charge;
}

}  // namespace

StatusNews::StatusNews(const std::string& topic, Subscriber& subscriber, std::function<void(Charge)> on_charge,
                       metrics::Registry& registry)
    : subscriber_(subscriber),
      on_charge_(std::move(on_charge)),
      taken_(registry.AddCounter("ev_messages_in_total", "Messages read from Kafka, by topic and result.",
                                 {{"topic", topic}, {"result", "decoded"}})),
      bad_(registry.AddCounter("ev_messages_in_total", "", {{"topic", topic}, {"result", "undecodable"}})) {}

absl::Status StatusNews::OnCluster(absl::string_view cluster_id) {
  log::Info("following status updates", {{"cluster", cluster_id}});
  return absl::OkStatus();
}

absl::Status StatusNews::OnBatch(const IncomingBatch& batch) {
  for (const IncomingMessage& message : batch.messages) {
    auto charge = Decode(message);
    if (!charge.ok()) {
      bad_.Increment();
      if (!std::exchange(bad_said_, true)) {
        log::Warn("a status update cannot be understood; said once", {{"topic", batch.topic},
                                                                      {"partition", batch.partition},
                                                                      {"offset", message.offset},
                                                                      {"error", charge.status()}});
      }
      continue;
    }
    taken_.Increment();
    if (charge->has_value()) on_charge_(**std::move(charge));
  }
  subscriber_.CommitBehind({std::string(batch.topic), batch.partition}, batch.messages.back().offset + 1, "");
  return absl::OkStatus();
}

// Live figures and repeats are gone; how the open sessions stand is asked of Central anyway.
absl::StatusOr<std::int64_t> StatusNews::OnGap(const Gap& gap) {
  log::Warn("status updates were lost", {{"topic", gap.partition.topic},
                                         {"partition", gap.partition.partition},
                                         {"wanted", gap.wanted_next},
                                         {"low", gap.low},
                                         {"high", gap.high}});
  return gap.low;
}

}  // namespace ev::driver
