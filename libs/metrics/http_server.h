#ifndef EV_METRICS_HTTP_SERVER_H_
#define EV_METRICS_HTTP_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"

namespace ev::metrics {

struct HttpOptions {
  std::string listen = "127.0.0.1";
  int port = 0;  // 0: any free one.
};

// The HTTP side of a process:
//   /metrics  the registry as text
//   /livez    200 while this server answers
//   /readyz   200 "ready" or "degraded", 503 "not ready", each with its reasons
//
// A fixed number of threads; a request that is not there within 2 s loses its connection. The destructor stops
// accepting and waits for answers under way.
class HttpServer {
 public:
  // Unavailable when the port is taken or the address is not of this machine. `registry` and `readiness` must outlive
  // the server.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HttpOptions& options, const Registry& registry,
                                                           const Readiness& readiness);
  ~HttpServer();

  int port() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace ev::metrics

#endif  // EV_METRICS_HTTP_SERVER_H_
