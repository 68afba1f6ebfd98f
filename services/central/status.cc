#include "services/central/status.h"

#include <string>

namespace ev::central {
namespace {

PartStatus StatusOf(const metrics::Report& report) {
  switch (report.health) {
    case metrics::Health::kReady:
      return {};
    case metrics::Health::kDegraded:
      return {PartHealth::kDegraded, report.Reasons()};
    case metrics::Health::kNotReady:
      return {PartHealth::kFailed, report.Reasons()};
  }
  return {};
}

}  // namespace

Surroundings CentralStatus::Now() {
  Surroundings now;
  metrics::Report report = readiness_.Get();
  now.overall = StatusOf(report);
  const metrics::Condition& store = report.conditions["store"];
  now.store = StatusOf({.health = store.health, .conditions = {{"store", store}}});
  if (auto id = store_.KafkaClusterId(); id.ok()) {
    now.cluster_id = *std::move(id);
  } else {
    now.store = {PartHealth::kFailed, std::string(id.status().message())};
  }
  if (backbone_ == nullptr) {
    now.broker = {PartHealth::kOff, "switched off by --kafka-enabled=false"};
    return now;
  }
  // Of the conditions all but `store` are Kafka's.
  report.conditions.erase("store");
  report.health = metrics::WorstOf(report.conditions);
  now.broker = StatusOf(report);
  now.unaccepted_cluster_id = backbone_->waiting_cluster();
  now.lags = backbone_->lags();
  return now;
}

std::function<absl::Status(absl::string_view)> CentralStatus::accept_cluster() const {
  if (backbone_ == nullptr) return nullptr;
  return [backbone = backbone_](absl::string_view id) { return backbone->AcceptCluster(id); };
}

}  // namespace ev::central
