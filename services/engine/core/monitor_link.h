#ifndef EV_SERVICES_ENGINE_CORE_MONITOR_LINK_H_
#define EV_SERVICES_ENGINE_CORE_MONITOR_LINK_H_

#include <optional>

#include "absl/time/time.h"
#include "base/clock.h"
#include "domain/ids.h"
#include "domain/link.h"

namespace ev::engine {

// What a Monitor says every second.
struct MonitorBeat {
  CpId cp;
  LinkEpoch epoch;                            // 0: this Monitor has had no link to Central yet.
  std::optional<absl::Duration> central_age;  // Of Central's last beat; nothing: Central has not been heard.
};

// Whose word counts: the newest link's. An older link's beats and configurations change nothing. A Monitor without a
// link (epoch 0) shows that somebody watches, and nothing about Central.
class MonitorLink {
 public:
  explicit MonitorLink(absl::Duration silence_limit) : silence_limit_(silence_limit) {}

  // False: the beat is of an older link.
  bool Hear(LinkEpoch epoch, std::optional<absl::Duration> central_age, absl::Duration monotonic);
  // False: the configuration is of an older link.
  bool Configure(const Configuration& configuration);
  // Counts the Monitor as present until then: this process did not run for a while, and what was said meanwhile may
  // still be on its way.
  void ExtendTo(absl::Duration monotonic);

  bool MonitorPresent(absl::Duration monotonic) const;
  bool CentralHeard(absl::Duration monotonic) const;
  // Nothing: not heard on this link.
  std::optional<absl::Duration> CentralAge(absl::Duration monotonic) const;
  // This link's configuration has arrived.
  bool configured() const { return configured_epoch_ > LinkEpoch() && configured_epoch_ == newest_; }
  LinkEpoch configured_epoch() const { return configured_epoch_; }
  LinkEpoch newest() const { return newest_; }
  const Configuration& configuration() const { return configuration_; }

 private:
  void Begin(LinkEpoch epoch);

  absl::Duration silence_limit_;
  LinkEpoch newest_;
  LinkEpoch configured_epoch_;
  Configuration configuration_;
  absl::Duration monitor_heard_ = -absl::InfiniteDuration();
  absl::Duration central_heard_ = -absl::InfiniteDuration();
};

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_CORE_MONITOR_LINK_H_
