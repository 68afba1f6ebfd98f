// ev-monitor: watches one charging point's Engine and holds its link to Central.

#include <memory>
#include <string>

#include "absl/hash/hash.h"
#include "base/clock.h"
#include "base/id_source.h"
#include "log/log.h"
#include "metrics/http_server.h"
#include "process/line_reader.h"
#include "process/listen.h"
#include "process/service_manager.h"
#include "process/stop_signal.h"
#include "process/version.h"
#include "rpc/server.h"
#include "services/monitor/adapters/monitor_host.h"
#include "services/monitor/adapters/monitor_metrics.h"
#include "services/monitor/options.h"

namespace {

int Failed(const absl::Status& status) {
  ev::log::Error("cannot start", {{"reason", status.message()}});
  return 1;
}

int Run(const ev::monitor::Options& options, ev::process::StopSignal& stop) {
  using namespace ev;  // NOLINT(google-build-using-namespace): a list of parts reads better without the prefix.
  const config::ServiceOptions& service = options.service;
  const CpId& cp = options.host.core.cp;
  const SystemClock clock;
  metrics::Registry registry("ev-monitor", process::Version());
  metrics::Readiness readiness(registry, {"central", "engine"});
  readiness.SetDegraded("central", "connecting");
  readiness.SetDegraded("engine", "connecting");

  rpc::LiveStreams streams;
  monitor::MonitorHost host(options.host, clock, absl::HashOf(RandomIdSource().NewRandomHex()), streams,
                            [&](const monitor::MonitorStatus& status) {
                              status.link == monitor::LinkState::kConnected
                                  ? readiness.SetReady("central")
                                  : readiness.SetDegraded("central", status.link_error);
                              status.health == EngineHealth::kHealthy
                                  ? readiness.SetReady("engine")
                                  : readiness.SetDegraded("engine", status.engine_fault);
                            });
  const auto exported = monitor::ExportMonitor(registry, host);

  auto http = process::ListenOrMove(service.http_port, service.http_port_is_default, [&](int port) {
    return metrics::HttpServer::Start({.listen = service.listen, .port = port}, registry, readiness);
  });
  if (!http.ok()) return Failed(http.status());
  auto server = process::ListenOrMove(service.grpc_port, service.grpc_port_is_default, [&](int port) {
    return rpc::Server::Start({.listen = service.listen, .port = port, .insecure = service.insecure}, {host.service()},
                              registry, readiness, streams);
  });
  if (!server.ok()) return Failed(server.status());
  log::Info(
      "listening",
      {{"grpc", (*server)->address()}, {"http", process::HostPort(service.listen, (*http)->port())}, {"cp_id", cp}});
  const process::ServiceManager manager(readiness);

  auto prompt = std::make_unique<process::LineReader>(
      process::LineReader::Options{.prompt = "monitor> ", .complete = nullptr, .history_file = ""},
      [&](const std::string& line) {
        if (line == "status") return process::PrintLine(monitor::Describe(host.GetStatus(), cp));
        if (line == "quit" || line == "exit") return stop.RequestStop("quit");
        process::PrintLine(line == "help" ? "status, help, quit" : "unknown command: " + line + " (try: help)");
      },
      nullptr);

  log::Info("stopping", {{"why", stop.Wait()}});
  readiness.Stop();
  prompt.reset();
  (*server)->Drain(service.shutdown_timeout / 2);
  log::Info("stopped");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  ev::process::StopSignal stop;  // First: threads inherit its mask.
  ev::monitor::Options options;
  if (auto exit_code = ev::monitor::ParseOptions(argc, argv, options)) return *exit_code;
  return Run(options, stop);
}
