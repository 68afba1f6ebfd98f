#ifndef EV_SERVICES_MONITOR_ADAPTERS_MONITOR_METRICS_H_
#define EV_SERVICES_MONITOR_ADAPTERS_MONITOR_METRICS_H_

#include <string>

#include "metrics/registry.h"
#include "services/monitor/adapters/monitor_host.h"

namespace ev::monitor {

// Exports what the Monitor sees and has passed on, read when asked for, until the token goes. `host` must outlive it.
[[nodiscard]] metrics::Registry::Token ExportMonitor(metrics::Registry& registry, const MonitorHost& host);

// The Monitor's state in one line, for people.
std::string Describe(const MonitorStatus& status, const CpId& cp);

}  // namespace ev::monitor

#endif  // EV_SERVICES_MONITOR_ADAPTERS_MONITOR_METRICS_H_
