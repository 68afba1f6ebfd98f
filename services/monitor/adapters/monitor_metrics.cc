#include "services/monitor/adapters/monitor_metrics.h"

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "metrics/total.h"

namespace ev::monitor {
namespace {

absl::string_view Word(LinkState state) {
  switch (state) {
    case LinkState::kConnecting:
      return "connecting";
    case LinkState::kConnected:
      return "connected";
    case LinkState::kRefused:
      return "refused";
    case LinkState::kSuperseded:
      return "superseded";
  }
  return "unknown";
}

}  // namespace

metrics::Registry::Token ExportMonitor(metrics::Registry& registry, const MonitorHost& host) {
  const auto passed = [&](const char* kind) {
    return metrics::Total(
        registry.AddCounter("ev_forwarded_messages_total", "What has passed through.", {{"kind", kind}}));
  };
  registry.AddGauge("ev_commands_waiting_bound", "The bound of ev_commands_waiting.").Set(kMaxCommands);
  registry.AddGauge("ev_session_requests_waiting_bound", "The bound of ev_session_requests_waiting.").Set(kMaxRequests);
  return registry.OnCollect(
      [&host, linked = registry.AddGauge("ev_link_connected", "1 while linked to Central."),
       healthy = registry.AddGauge("ev_engine_healthy", "1 while the Engine is healthy."),
       waiting = registry.AddGauge("ev_commands_waiting", "Central's commands that wait for the Engine."),
       asked =
           registry.AddGauge("ev_session_requests_waiting", "Requests at the charging point that wait for Central."),
       beats = passed("beat"), commands = passed("command"), undelivered = passed("undelivered_command"),
       configurations = passed("configuration"), settlements = passed("settlement"),
       requests = passed("session_request")]() mutable {
        const MonitorStatus status = host.GetStatus();
        linked.Set(status.link == LinkState::kConnected ? 1 : 0);
        healthy.Set(status.health == EngineHealth::kHealthy ? 1 : 0);
        waiting.Set(static_cast<double>(status.commands_waiting));
        asked.Set(static_cast<double>(status.requests_waiting));
        beats.Set(static_cast<double>(status.forwarded.beats));
        commands.Set(static_cast<double>(status.forwarded.commands));
        undelivered.Set(static_cast<double>(status.forwarded.commands_undelivered));
        configurations.Set(static_cast<double>(status.forwarded.configurations));
        settlements.Set(static_cast<double>(status.forwarded.settlements));
        requests.Set(static_cast<double>(status.forwarded.requests));
      });
}

std::string Describe(const MonitorStatus& status, const CpId& cp) {
  std::string text = absl::StrCat(cp.value(), "  Central: ", Word(status.link), ", epoch ", status.epoch.value());
  if (!status.link_error.empty()) absl::StrAppend(&text, " (", status.link_error, ")");
  absl::StrAppend(&text, "  Engine: ", Name(status.health));
  if (!status.engine_fault.empty()) absl::StrAppend(&text, " (", status.engine_fault, ")");
  if (status.report && status.report->occupation) {
    absl::StrAppend(&text, "  session ", status.report->occupation->session.value());
  }
  return Printable(text);
}

}  // namespace ev::monitor
