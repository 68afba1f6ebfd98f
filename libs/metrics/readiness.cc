#include "metrics/readiness.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ev::metrics {
namespace {

constexpr Health kAllHealth[] = {Health::kReady, Health::kDegraded, Health::kNotReady};

// As a label: words joined by underscores.
std::string Label(Health health) {
  return health == Health::kNotReady ? "not_ready" : std::string(ToString(health));
}

std::string Join(const Report& report, absl::string_view separator) {
  std::string out;
  for (const auto& [name, condition] : report.conditions) {
    if (condition.health == Health::kReady) continue;
    absl::StrAppend(&out, out.empty() ? "" : separator, name, ": ", condition.reason);
  }
  return out;
}

}  // namespace

absl::string_view ToString(Health health) {
  switch (health) {
    case Health::kReady:
      return "ready";
    case Health::kDegraded:
      return "degraded";
    case Health::kNotReady:
      return "not ready";
  }
  return "not ready";
}

Health WorstOf(const Conditions& conditions) {
  Health worst = Health::kReady;
  for (const auto& [name, condition] : conditions) worst = std::max(worst, condition.health);
  return worst;
}

std::string Report::ToText() const {
  const std::string reasons = Join(*this, "\n");
  return absl::StrCat(ToString(health), "\n", reasons, reasons.empty() ? "" : "\n");
}

std::string Report::Reasons() const {
  return Join(*this, "; ");
}

Readiness::Readiness(Registry& registry, const std::vector<std::string>& conditions)
    : ready_(registry.AddGauge("ev_ready", "1 when the process takes requests, degraded or not.")) {
  MutexLock lock(mutex_);
  for (const std::string& name : conditions) {
    conditions_[name] = {.health = Health::kNotReady, .reason = "starting"};
    for (Health health : kAllHealth) {
      gauges_[name][health] = registry.AddGauge("ev_condition", "1 for the present state of each condition.",
                                                {{"condition", name}, {"state", Label(health)}});
    }
  }
  Export();
}

void Readiness::SetReady(const std::string& condition) {
  Set(condition, {.health = Health::kReady, .reason = ""});
}

void Readiness::SetDegraded(const std::string& condition, absl::string_view reason) {
  Set(condition, {.health = Health::kDegraded, .reason = std::string(reason)});
}

void Readiness::SetNotReady(const std::string& condition, absl::string_view reason) {
  Set(condition, {.health = Health::kNotReady, .reason = std::string(reason)});
}

void Readiness::Stop() {
  {
    MutexLock lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    Export();
  }
  Notify();
}

Report Readiness::Get() const {
  MutexLock lock(mutex_);
  return GetLocked();
}

Readiness::Token Readiness::OnChange(std::function<void()> listener) {
  auto token = std::make_shared<const std::function<void()>>(std::move(listener));
  MutexLock lock(mutex_);
  std::erase_if(listeners_, [](const auto& weak) { return weak.expired(); });
  listeners_.push_back(token);
  return token;
}

void Readiness::Set(const std::string& condition, Condition next) {
  {
    MutexLock lock(mutex_);
    const auto it = conditions_.find(condition);
    assert(it != conditions_.end());
    if (it == conditions_.end() || it->second == next) return;
    it->second = std::move(next);
    Export();
  }
  Notify();
}

Report Readiness::GetLocked() const {
  Report report{.health = Health::kReady, .conditions = conditions_, .is_stopping = stopping_};
  if (stopping_) report.conditions["process"] = {.health = Health::kNotReady, .reason = "stopping"};
  report.health = WorstOf(report.conditions);
  return report;
}

void Readiness::Export() {
  for (const auto& [name, condition] : conditions_) {
    for (Health health : kAllHealth) gauges_[name][health].Set(condition.health == health ? 1 : 0);
  }
  ready_.Set(GetLocked().health == Health::kNotReady ? 0 : 1);
}

void Readiness::Notify() {
  std::vector<Token> listeners;
  {
    MutexLock lock(mutex_);
    for (const auto& weak : listeners_) {
      if (Token token = weak.lock()) listeners.push_back(std::move(token));
    }
  }
  for (const Token& listener : listeners) (*listener)();
}

}  // namespace ev::metrics
