#ifndef EV_SERVICES_DRIVER_ADAPTERS_AGENT_METRICS_H_
#define EV_SERVICES_DRIVER_ADAPTERS_AGENT_METRICS_H_

#include <cstddef>
#include <map>

#include "domain/session.h"
#include "metrics/registry.h"
#include "metrics/total.h"
#include "services/driver/core/effects.h"

namespace ev::driver {

// What an Agent counts. Every series is there from the start.
struct AgentMetrics {
  AgentMetrics(metrics::Registry& registry, std::size_t backlog_bound);

  // A session that came to a new state, and denials that made none.
  void Count(const Told& told) const;

  std::map<SessionState, metrics::Counter> sessions;
  metrics::Counter denials;
  metrics::Counter starts, stops;  // Attempts.
  metrics::Counter watches;        // Opened.
  metrics::Counter dropped;        // Live figures that nobody took in time.
  metrics::Total undecodable;      // Messages of Central.
  metrics::Gauge drivers, calls, lists, charges, backlog, reachable;
};

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_ADAPTERS_AGENT_METRICS_H_
