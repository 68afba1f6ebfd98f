#include "services/engine/adapters/engine_metrics.h"

#include <algorithm>
#include <optional>

#include "absl/time/time.h"
#include "metrics/total.h"

namespace ev::engine {

metrics::Registry::Token ExportEngine(metrics::Registry& registry, const EngineHost& host, const journal::FactLog& log,
                                      std::int64_t log_capacity, const Clock& clock) {
  const auto facts = [&](const char* kind) {
    return registry.AddGauge("ev_journal_facts", "Facts that are kept because they are not done.", {{"kind", kind}});
  };
  const auto flag = [&](const char* name, const char* help) { return registry.AddGauge(name, help); };
  const auto session = [&](const char* phase) {
    return registry.AddGauge("ev_sessions", "Sessions on this charging point.", {{"phase", phase}});
  };
  registry.AddGauge("ev_journal_facts_bound", "The bound of ev_journal_facts.").Set(static_cast<double>(log_capacity));
  return registry.OnCollect(
      [&host, &log, &clock, kept = facts("start_or_final"), samples = facts("sample"),
       quarantined = facts("quarantined"),
       thinned =
           metrics::Total(registry.AddCounter("ev_journal_thinned_facts_total", "Samples dropped for want of room.")),
       unsettled = flag("ev_sessions_unsettled", "Sessions that Central has not settled."),
       oldest = flag("ev_oldest_unsettled_seconds",
                     "Since when the oldest start or final waits for its booking, by this clock; 0 when none does."),
       granted = session("granted"), charging = session("charging"),
       energy = flag("ev_meter_register_mwh", "The meter's register."),
       power = flag("ev_meter_power_watts", "What flows now."),
       present = flag("ev_monitor_present", "1 while the Monitor is heard."),
       faulted = flag("ev_faulted", "1 while the hardware is faulted.")]() mutable {
        const Status status = host.GetStatus();
        const journal::LogStats stats = log.Stats();
        kept.Set(static_cast<double>(stats.starts_and_finals));
        samples.Set(static_cast<double>(stats.samples));
        quarantined.Set(static_cast<double>(stats.quarantined));
        thinned.Set(static_cast<double>(stats.thinned));
        unsettled.Set(static_cast<double>(status.report.unsettled_total));
        const std::optional<absl::Time> since = status.oldest_unsettled;
        oldest.Set(since ? std::max(0.0, absl::ToDoubleSeconds(clock.Now().utc - *since)) : 0);
        const auto& occupation = status.report.occupation;
        granted.Set(occupation && occupation->phase == Phase::kGranted ? 1 : 0);
        charging.Set(occupation && occupation->phase == Phase::kCharging ? 1 : 0);
        energy.Set(static_cast<double>(status.register_mwh));
        power.Set(static_cast<double>(status.power_w));
        present.Set(status.monitor_present ? 1 : 0);
        faulted.Set(status.report.health == EngineHealth::kFaulted ? 1 : 0);
      });
}

}  // namespace ev::engine
