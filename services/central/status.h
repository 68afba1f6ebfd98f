#ifndef EV_SERVICES_CENTRAL_STATUS_H_
#define EV_SERVICES_CENTRAL_STATUS_H_

#include <functional>

#include "metrics/readiness.h"
#include "services/central/adapters/backbone.h"
#include "services/central/adapters/server_service.h"
#include "store/store.h"

namespace ev::central {

// What GetServerInfo tells about Central, broker and store: what `readyz` says, by part. Thread-safe.
class CentralStatus final : public ServerStatus {
 public:
  // `backbone` may be null: Kafka is off. All must outlive it.
  CentralStatus(store::Store& store, Backbone* backbone, const metrics::Readiness& readiness)
      : store_(store), backbone_(backbone), readiness_(readiness) {}

  Surroundings Now() override;
  // For ServerInfoOptions.
  std::function<absl::Status(absl::string_view)> accept_cluster() const;

 private:
  store::Store& store_;
  Backbone* const backbone_;
  const metrics::Readiness& readiness_;
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_STATUS_H_
