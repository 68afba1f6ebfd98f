#include "services/engine/core/monitor_link.h"

#include <algorithm>

namespace ev::engine {

void MonitorLink::Begin(LinkEpoch epoch) {
  newest_ = epoch;
  // What an older link heard of Central says nothing about this one.
  central_heard_ = -absl::InfiniteDuration();
}

bool MonitorLink::Hear(LinkEpoch epoch, std::optional<absl::Duration> central_age, absl::Duration monotonic) {
  if (epoch != LinkEpoch() && epoch < newest_) return false;
  if (epoch > newest_) Begin(epoch);
  monitor_heard_ = std::max(monitor_heard_, monotonic);
  if (epoch == newest_ && epoch != LinkEpoch() && central_age) {
    central_heard_ = std::max(central_heard_, monotonic - std::max(*central_age, absl::ZeroDuration()));
  }
  return true;
}

bool MonitorLink::Configure(const Configuration& configuration) {
  if (configuration.epoch == LinkEpoch() || configuration.epoch < newest_) return false;
  if (configuration.epoch > newest_) Begin(configuration.epoch);
  configured_epoch_ = configuration.epoch;
  configuration_ = configuration;
  return true;
}

void MonitorLink::ExtendTo(absl::Duration monotonic) {
  monitor_heard_ = std::max(monitor_heard_, monotonic - silence_limit_);
}

bool MonitorLink::MonitorPresent(absl::Duration monotonic) const {
  return monotonic - monitor_heard_ < silence_limit_;
}

bool MonitorLink::CentralHeard(absl::Duration monotonic) const {
  return monotonic - central_heard_ < silence_limit_;
}

std::optional<absl::Duration> MonitorLink::CentralAge(absl::Duration monotonic) const {
  if (central_heard_ == -absl::InfiniteDuration()) return std::nullopt;
  return monotonic - central_heard_;
}

}  // namespace ev::engine
