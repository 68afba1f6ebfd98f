#ifndef EV_METRICS_PROCESS_METRICS_H_
#define EV_METRICS_PROCESS_METRICS_H_

#include <string>

#include "metrics/registry.h"

namespace ev::metrics {

// What Prometheus' client libraries say of their process, under the names that they agreed on
// (https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics), until the token goes.
[[nodiscard]] Registry::Token ExportProcess(Registry& registry);

// ev_data_free_bytes and ev_data_size_bytes: what this user may still write to the file system of `folder`, and how
// large that is; NaN while it cannot be asked. Until the token goes.
[[nodiscard]] Registry::Token ExportDataFolder(Registry& registry, const std::string& folder);

}  // namespace ev::metrics

#endif  // EV_METRICS_PROCESS_METRICS_H_
