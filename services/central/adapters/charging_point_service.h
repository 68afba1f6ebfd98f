#ifndef EV_SERVICES_CENTRAL_ADAPTERS_CHARGING_POINT_SERVICE_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_CHARGING_POINT_SERVICE_H_

#include <memory>

#include "services/central/adapters/shard_host.h"
#include "services/central/adapters/watch_hub.h"

namespace grpc {
class Service;
}

namespace ev::central {

// central.v1.ChargingPointService. Both must outlive the server that it is registered with.
std::unique_ptr<grpc::Service> MakeChargingPointService(ShardHost& host, WatchHub& watches);

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_CHARGING_POINT_SERVICE_H_
