#ifndef EV_DOMAIN_CHARGING_POINT_H_
#define EV_DOMAIN_CHARGING_POINT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "domain/ids.h"
#include "domain/money.h"

namespace ev {

// The numbers of the enums below are the wire's and the store's: never reuse one.

enum class PointState {
  kAvailable = 1,
  kReserved = 2,
  kCharging = 3,
  kStopped = 4,
  kFaulted = 5,
  kDisconnected = 6,
};
inline constexpr int kPointStates = 6;

enum class EngineHealth { kUnknown = 1, kHealthy = 2, kFaulted = 3, kSilent = 4 };

// Why a charging point is out of service. Each is set and cleared on its own.
enum class Cause { kOperator = 1, kWeather = 2, kCredentials = 3 };

absl::string_view Name(PointState state);
absl::string_view Name(EngineHealth health);
absl::string_view Name(Cause cause);

struct OutOfService {
  Cause cause = Cause::kOperator;
  std::string who;
  std::string reason;
  absl::Time since;

  friend bool operator==(const OutOfService&, const OutOfService&) = default;
};

// At most one entry a cause. Set keeps who set it first; both return whether something changed.
bool SetCause(std::vector<OutOfService>& causes, OutOfService entry);
bool ClearCause(std::vector<OutOfService>& causes, Cause cause);

// The independent facts from which the shown state follows, so that one cause never hides or clears another.
struct PointConditions {
  bool link_fresh = false;  // A beat that counts (made after its link's configuration) was heard within the limit.
  bool engine_healthy = false;
  bool out_of_service = false;
  bool reserved = false;
  bool charging = false;
};

PointState ShownState(const PointConditions& conditions);

// What the ledger keeps about a charging point.
struct ChargingPoint {
  CpId id;
  std::string location;
  std::string site;
  Price price;
  std::vector<OutOfService> causes;
  LinkEpoch link_epoch;        // The newest given out.
  GrantNumber highest_grant;   // The highest given out.
  GrantNumber booked_through;  // No session at or below it is open.
  absl::Time registered;
  absl::Time last_seen = absl::InfinitePast();  // Written with link changes, not with every beat.
  std::string journal_id;

  friend bool operator==(const ChargingPoint&, const ChargingPoint&) = default;
};

}  // namespace ev

#endif  // EV_DOMAIN_CHARGING_POINT_H_
