#ifndef EV_RPC_OBSERVER_H_
#define EV_RPC_OBSERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "metrics/registry.h"

namespace grpc::experimental {
class ServerInterceptorFactoryInterface;
}

namespace ev::rpc {

// What a server notes about each call: the metrics grpc_server_started_total, grpc_server_handled_total (by code),
// grpc_server_msg_received_total, grpc_server_msg_sent_total and grpc_server_handling_seconds, named and labelled as
// go-grpc-prometheus does, and a debug record with its trace. A call that the server never answered counts as Canceled.
//
// A call without a valid `traceparent` is given one, so that its record and all that comes of it have the same trace.
//
// Unary calls without a deadline end with DEADLINE_EXCEEDED after `default_deadline`.
class CallObserver {
 public:
  CallObserver(metrics::Registry& registry, absl::Duration default_deadline);
  ~CallObserver();

  // Exports the series of all methods of these services (full names) at 0. Before the first call.
  void AddServices(const std::vector<std::string>& services);

  // For grpc::ServerBuilder. The observer must outlive the server.
  std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeFactory();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ev::rpc

#endif  // EV_RPC_OBSERVER_H_
