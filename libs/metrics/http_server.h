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
// Each answer closes its connection. One that is not asked and answered 2 s after it was accepted, or 250 ms while four
// others are open, is closed; so is one whose request is longer than 4 KiB. At most 12 are open at once, and 64 more
// wait in the kernel: clients that are slow on purpose, n of them, hold up another by n / 32 s. The destructor stops
// accepting and waits for no client: an answer under way is sent as far as the kernel takes it.
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
