#ifndef EV_SERVICES_MONITOR_ADAPTERS_MONITOR_HOST_H_
#define EV_SERVICES_MONITOR_ADAPTERS_MONITOR_HOST_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "rpc/live_streams.h"
#include "services/monitor/core/monitor.h"

namespace grpc {
class Service;
}

namespace ev::monitor {

struct HostOptions {
  MonitorOptions core;
  std::string engine_address;
  std::string central_address;
  std::string location;  // For a charging point that Central does not know yet.
  std::string site;
};

// Runs the Monitor's core: dials Central and the Engine, and serves monitor.v1.MonitorService.
//
// One lock around the core; what it decides is done in order on the host's own thread. The destructor hangs up and
// waits for the streams and calls to end; the server that serves service() must be drained first. Thread-safe.
class MonitorHost {
 public:
  // `seed` spreads the attempts of many Monitors in time. `streams` and `clock` must outlive the host; `on_status` is
  // told what has changed, from the host's thread.
  MonitorHost(HostOptions options, const Clock& clock, std::uint64_t seed, rpc::LiveStreams& streams,
              std::function<void(const MonitorStatus&)> on_status);
  ~MonitorHost();

  grpc::Service* service();
  MonitorStatus GetStatus() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ev::monitor

#endif  // EV_SERVICES_MONITOR_ADAPTERS_MONITOR_HOST_H_
