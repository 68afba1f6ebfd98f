#ifndef EV_SERVICES_CENTRAL_STATUS_H_
#define EV_SERVICES_CENTRAL_STATUS_H_

#include <functional>

#include "services/central/adapters/backbone.h"
#include "services/central/adapters/server_service.h"
#include "store/store.h"

namespace ev::central {

// What GetServerInfo tells about broker and store. Thread-safe.
class CentralStatus final : public ServerStatus {
 public:
  // `backbone` may be null: Kafka is off. Both must outlive it.
  CentralStatus(store::Store& store, Backbone* backbone) : store_(store), backbone_(backbone) {}

  Surroundings Now() override;
  // For ServerInfoOptions.
  std::function<absl::Status(absl::string_view)> accept_cluster() const;

 private:
  store::Store& store_;
  Backbone* const backbone_;
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_STATUS_H_
