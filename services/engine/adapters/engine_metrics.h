#ifndef EV_SERVICES_ENGINE_ADAPTERS_ENGINE_METRICS_H_
#define EV_SERVICES_ENGINE_ADAPTERS_ENGINE_METRICS_H_

#include <cstdint>

#include "base/clock.h"
#include "journal/fact_log.h"
#include "metrics/registry.h"
#include "services/engine/adapters/engine_host.h"

namespace ev::engine {

// Exports what the Engine and its log are like, read when asked for, until the token goes. Both must outlive it.
[[nodiscard]] metrics::Registry::Token ExportEngine(metrics::Registry& registry, const EngineHost& host,
                                                    const journal::FactLog& log, std::int64_t log_capacity,
                                                    const Clock& clock);

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_ADAPTERS_ENGINE_METRICS_H_
