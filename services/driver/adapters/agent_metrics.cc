#include "services/driver/adapters/agent_metrics.h"

#include <string>

#include "absl/strings/ascii.h"

namespace ev::driver {

AgentMetrics::AgentMetrics(metrics::Registry& registry, std::size_t backlog_bound)
    : denials(registry.AddCounter("ev_driver_denials_total", "Requests that were denied, with a session or without.")),
      starts(registry.AddCounter("ev_driver_attempts_total", "Requests sent to Central, repeats too.",
                                 {{"method", "StartSession"}})),
      stops(registry.AddCounter("ev_driver_attempts_total", "", {{"method", "StopSession"}})),
      watches(registry.AddCounter("ev_driver_watches_opened_total", "Streams opened to Central, again too.")),
      dropped(registry.AddCounter("ev_driver_live_dropped_total", "Live figures dropped because the queue was full.")),
      undecodable(
          registry.AddCounter("ev_driver_undecodable_total", "Sessions from Central that could not be understood.")),
      drivers(registry.AddGauge("ev_driver_followed", "Drivers that are followed.")),
      calls(registry.AddGauge("ev_driver_calls", "Requests that wait for Central's answer.")),
      lists(registry.AddGauge("ev_driver_lists", "Lists of requests that run.")),
      charges(registry.AddGauge("ev_driver_open_sessions", "Sessions that are not at their end.")),
      backlog(registry.AddGauge("ev_driver_backlog", "Effects that wait to be carried out.")),
      reachable(registry.AddGauge("ev_driver_central_reachable", "1 while Central answers.")) {
  registry.AddGauge("ev_driver_backlog_bound", "The bound of ev_driver_backlog: beyond it calls are refused.")
      .Set(static_cast<double>(backlog_bound));
  for (int i = 1; i <= kSessionStates; ++i) {
    const auto state = static_cast<SessionState>(i);
    sessions[state] = registry.AddCounter("ev_driver_sessions_total", "Sessions that came to a state.",
                                          {{"state", absl::AsciiStrToLower(Name(state))}});
  }
}

void AgentMetrics::Count(const Told& told) const {
  if (std::holds_alternative<DenialTold>(told.event)) {
    if (told.is_news) denials.Increment();
    return;
  }
  const auto* change = std::get_if<ChargeChange>(&told.event);
  if (change == nullptr || (change->before && change->before->state == change->charge.state)) return;
  if (change->charge.state == SessionState::kDenied && told.is_news) denials.Increment();
  if (const auto it = sessions.find(change->charge.state); it != sessions.end()) it->second.Increment();
}

}  // namespace ev::driver
