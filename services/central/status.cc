#include "services/central/status.h"

#include <string>

namespace ev::central {

Surroundings CentralStatus::Now() {
  Surroundings now;
  if (auto id = store_.KafkaClusterId(); id.ok()) {
    now.cluster_id = *std::move(id);
  } else {
    now.store = {PartHealth::kFailed, std::string(id.status().message())};
  }
  if (backbone_ == nullptr) {
    now.broker = {PartHealth::kOff, "switched off by --kafka-enabled=false"};
    return now;
  }
  const BackboneHealth health = backbone_->Health();
  if (!health.connected) now.broker = {PartHealth::kDegraded, health.degraded_reason};
  now.unaccepted_cluster_id = backbone_->waiting_cluster();
  now.lag = backbone_->lag();
  return now;
}

std::function<absl::Status(absl::string_view)> CentralStatus::accept_cluster() const {
  if (backbone_ == nullptr) return nullptr;
  return [backbone = backbone_](absl::string_view id) { return backbone->AcceptCluster(id); };
}

}  // namespace ev::central
