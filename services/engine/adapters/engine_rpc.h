#ifndef EV_SERVICES_ENGINE_ADAPTERS_ENGINE_RPC_H_
#define EV_SERVICES_ENGINE_ADAPTERS_ENGINE_RPC_H_

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "rpc/live_streams.h"
#include "services/engine/adapters/engine_host.h"

namespace grpc {
class Service;
}

namespace ev::engine {

// engine.v1.EngineService over a host: the Monitor's streams, watchers and single calls.
//
// Made before the host, because the host tells it what happens; Serve() comes before the server starts.
class EngineRpc {
 public:
  // `kafka_fault` says why the producer does not reach Kafka, empty when it does; called from any thread.
  EngineRpc(rpc::LiveStreams& streams, const Clock& clock, std::function<std::string()> kafka_fault);
  ~EngineRpc();

  // The host must outlive the server that serves this.
  void Serve(EngineHost& host);
  grpc::Service* service();

  // For HostEvents.
  void OnStatus(const Status& status, bool changed);
  void OnRequest(const PointRequest& request);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_ADAPTERS_ENGINE_RPC_H_
