#ifndef EV_DRIVER_ADAPTERS_STATUS_NEWS_H_
#define EV_DRIVER_ADAPTERS_STATUS_NEWS_H_

#include <functional>
#include <string>

#include "events/subscriber.h"
#include "metrics/registry.h"
#include "services/driver/core/charge.h"

namespace ev::driver {

// Reads Central's status updates from the event log. What cannot be understood is counted, logged once with its
// position, and passed over. Marks follow behind what was handed on, so that a returning driver is told what was
// missed.
class StatusNews final : public BatchHandler {
 public:
  // `on_charge` gets each update of a session, see Drivers::OnNews(), from the subscriber's thread. `subscriber` must
  // outlive this.
  StatusNews(const std::string& topic, Subscriber& subscriber, std::function<void(Charge)> on_charge,
             metrics::Registry& registry);

  absl::Status OnCluster(absl::string_view cluster_id) override;
  absl::Status OnBatch(const IncomingBatch& batch) override;
  absl::StatusOr<std::int64_t> OnGap(const Gap& gap) override;

 private:
  Subscriber& subscriber_;
  const std::function<void(Charge)> on_charge_;
  const metrics::Counter taken_;
  const metrics::Counter bad_;
  bool bad_said_ = false;
};

}  // namespace ev::driver

#endif  // EV_DRIVER_ADAPTERS_STATUS_NEWS_H_
