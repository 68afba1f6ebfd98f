#include "kafka/reachability.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace ev::kafka {

Reachability::Reachability(std::string client, std::string brokers, std::string connected_line)
    : client_(std::move(client)), brokers_(std::move(brokers)), connected_line_(std::move(connected_line)) {}

std::optional<std::string> Reachability::OnAnswer(absl::string_view cluster_id, absl::Time now) {
  if (!cluster_id.empty()) health_.cluster_id = std::string(cluster_id);
  if (health_.connected) return std::nullopt;
  health_.connected = true;
  health_.degraded_reason.clear();
  health_.since = now;
  is_outage_said_ = false;
  return connected_line_;
}

std::optional<std::string> Reachability::OnSilence(absl::string_view reason, absl::Time now) {
  std::string line = absl::StrCat("Kafka ", client_, " cannot reach ", brokers_, ": ", reason);
  health_.degraded_reason = line;
  if (health_.connected || !is_outage_said_) health_.since = now;
  health_.connected = false;
  if (std::exchange(is_outage_said_, true)) return std::nullopt;
  return line;
}

}  // namespace ev::kafka
