#include "domain/charging_point.h"

#include <algorithm>
#include <utility>

namespace ev {

PointState ShownState(const PointConditions& c) {
  // The order is the rule: what makes the rest unknowable comes first, and energy that flows is never hidden.
  if (!c.link_fresh) return PointState::kDisconnected;
  if (!c.engine_healthy) return PointState::kFaulted;
  if (c.charging) return PointState::kCharging;
  if (c.out_of_service) return PointState::kStopped;
  if (c.reserved) return PointState::kReserved;
  return PointState::kAvailable;
}

bool SetCause(std::vector<OutOfService>& causes, OutOfService entry) {
  const auto same = [&](const OutOfService& c) { return c.cause == entry.cause; };
  if (std::any_of(causes.begin(), causes.end(), same)) return false;
  causes.push_back(std::move(entry));
  return true;
}

bool ClearCause(std::vector<OutOfService>& causes, Cause cause) {
  return std::erase_if(causes, [&](const OutOfService& c) { return c.cause == cause; }) > 0;
}

absl::string_view Name(PointState state) {
  switch (state) {
    case PointState::kAvailable:
      return "AVAILABLE";
    case PointState::kReserved:
      return "RESERVED";
    case PointState::kCharging:
      return "CHARGING";
    case PointState::kStopped:
      return "STOPPED";
    case PointState::kFaulted:
      return "FAULTED";
    case PointState::kDisconnected:
      return "DISCONNECTED";
  }
  return "UNKNOWN";
}

absl::string_view Name(EngineHealth health) {
  switch (health) {
    case EngineHealth::kUnknown:
      return "UNKNOWN";
    case EngineHealth::kHealthy:
      return "HEALTHY";
    case EngineHealth::kFaulted:
      return "FAULTED";
    case EngineHealth::kSilent:
      return "SILENT";
  }
  return "UNKNOWN";
}

absl::string_view Name(Cause cause) {
  switch (cause) {
    case Cause::kOperator:
      return "OPERATOR";
    case Cause::kWeather:
      return "WEATHER";
    case Cause::kCredentials:
      return "CREDENTIALS";
  }
  return "UNKNOWN";
}

}  // namespace ev
