#ifndef EV_SERVICES_CENTRAL_ADAPTERS_SESSION_SERVICE_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_SESSION_SERVICE_H_

#include <memory>

#include "services/central/adapters/shard_host.h"
#include "services/central/adapters/watch_hub.h"

namespace grpc {
class Service;
}

namespace ev::central {

// central.v1.SessionService. Both must outlive the server that it is registered with.
std::unique_ptr<grpc::Service> MakeSessionService(ShardHost& host, WatchHub& watches);

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_SESSION_SERVICE_H_
