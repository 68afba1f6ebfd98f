#ifndef EV_RPC_SERVER_H_
#define EV_RPC_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "rpc/live_streams.h"

namespace grpc {
class Service;
}

namespace ev::rpc {

struct ServerOptions {
  std::string listen = "127.0.0.1";
  int port = 0;                                         // 0: any free one.
  bool insecure = false;                                // Allows an address that other machines reach, without TLS.
  absl::Duration default_deadline = absl::Seconds(30);  // For unary calls that come without one.
  int max_message_bytes = 1 << 20;                      // Received; a larger one is RESOURCE_EXHAUSTED.
  int max_streams_per_connection = 1000;
  // After this age a connection takes no new calls, so that clients look the name up again and meet new replicas. Calls
  // and streams on it go on.
  absl::Duration max_connection_age = absl::Minutes(30);
  absl::Duration keepalive_time = absl::Seconds(10);  // A peer that answers no ping for another 5 s is gone.
};

// A gRPC server for callback services, with reflection, health (health_service.h), the log level (logging_service.h),
// metrics, request log and a limit for calls without a deadline (observer.h).
//
// The services, `registry`, `readiness` and `streams` must outlive it. The destructor is Drain(0).
class Server {
 public:
  // InvalidArgument when `listen` can be reached from other machines without `insecure`; Unavailable, naming it, when
  // the port is taken.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       const std::vector<grpc::Service*>& services,
                                                       metrics::Registry& registry, metrics::Readiness& readiness,
                                                       LiveStreams& streams);
  ~Server();

  int port() const;
  // host:port, for people and for clients.
  std::string address() const;

  // Takes no new calls, ends all streams with UNAVAILABLE, and waits until the other calls are answered; after `limit`
  // those are cancelled. Returns when none is left. The first call counts.
  void Drain(absl::Duration limit);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace ev::rpc

#endif  // EV_RPC_SERVER_H_
