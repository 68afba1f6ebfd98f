#ifndef EV_RPC_HEALTH_SERVICE_H_
#define EV_RPC_HEALTH_SERVICE_H_

#include <memory>

#include "metrics/readiness.h"
#include "rpc/live_streams.h"

namespace grpc {
class Service;
}

namespace ev::rpc {

// grpc.health.v1.Health over a Readiness: `liveness` is always SERVING; `readiness` and the empty name are SERVING
// unless not ready (degraded serves). The reasons go out as initial metadata `ev-reason`, which `grpcurl -v` prints.
// Both must outlive the service.
std::unique_ptr<grpc::Service> MakeHealthService(metrics::Readiness& readiness, LiveStreams& streams);

}  // namespace ev::rpc

#endif  // EV_RPC_HEALTH_SERVICE_H_
