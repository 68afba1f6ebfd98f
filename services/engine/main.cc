// ev-engine: one charging point's hardware.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "journal/inmemory/memory_fact_log.h"
#include "log/log.h"
#include "metrics/http_server.h"
#include "metrics/process_metrics.h"
#include "process/data_dir.h"
#include "process/line_reader.h"
#include "process/listen.h"
#include "process/service_manager.h"
#include "process/stop_signal.h"
#include "process/version.h"
#include "rpc/server.h"
#include "services/engine/adapters/backbone.h"
#include "services/engine/adapters/engine_console.h"
#include "services/engine/adapters/engine_host.h"
#include "services/engine/adapters/engine_metrics.h"
#include "services/engine/adapters/engine_rpc.h"
#include "services/engine/adapters/simulated_meter.h"
#include "services/engine/options.h"

namespace {

int Failed(const absl::Status& status) {
  ev::log::Error("cannot start", {{"reason", status.message()}});
  return 1;
}

// The log ends with the process, so what Central has not booked may end with it too: the exit code says so. `drained`
// tells whether Kafka at least has it.
int SayWhatIsUnbooked(ev::journal::FactLog& log, const absl::Status& drained) {
  const auto contents = log.Load();
  if (!contents.ok()) {
    ev::log::Error("the fact log cannot be read", {{"error", contents.status()}});
    return 1;
  }
  const std::vector<ev::Fact> unbooked = ev::journal::UnbookedCharges(*contents);
  for (const ev::Fact& fact : unbooked) {
    const ev::log::TraceScope scope(fact.grant.trace);
    ev::log::Error("a session ends with this process and Central has not booked it",
                   {{"session_id", fact.session},
                    {"driver_id", fact.grant.driver},
                    {"energy_mwh", fact.energy_mwh},
                    {"kafka", drained.ok() ? "has its facts" : drained.message()}});
  }
  return unbooked.empty() ? 0 : 1;
}

int Run(const ev::engine::Options& options, ev::process::StopSignal& stop) {
  using namespace ev;  // NOLINT(google-build-using-namespace): a list of parts reads better without the prefix.
  const config::ServiceOptions& service = options.service;
  const SystemClock clock;
  auto ids = std::make_unique<RandomIdSource>();
  metrics::Registry registry("ev-engine", process::Version());
  metrics::Readiness readiness(registry, {"kafka", "monitor"});

  auto data = process::DataDir::Open(absl::StrCat(service.data_dir, "/engine-", service.grpc_port));
  if (!data.ok()) return Failed(data.status());
  const auto data_folder = metrics::ExportDataFolder(registry, (*data)->path());
  auto meter = engine::SimulatedMeter::Open((*data)->File("meter"), options.vehicle);
  if (!meter.ok()) return Failed(meter.status());
  journal::MemoryFactLog fact_log(ids->NewRandomHex(), options.journal_facts);

  std::unique_ptr<engine::Backbone> backbone;
  if (options.kafka_enabled) {
    auto made = engine::Backbone::Create(options.backbone, fact_log, registry, readiness);
    if (!made.ok()) return Failed(made.status());
    backbone = *std::move(made);
  } else {
    readiness.SetReady("kafka");
    log::Warn("Kafka is switched off: facts wait in memory and nothing is booked until it is on again");
  }

  rpc::LiveStreams streams;
  engine::EngineRpc engine_rpc(streams, clock, [&backbone] { return backbone ? backbone->Fault() : std::string(); });
  auto host = engine::EngineHost::Start(
      options.engine,
      {.on_status =
           [&](const engine::Status& status, bool changed) {
             engine_rpc.OnStatus(status, changed);
             if (!changed) return;
             status.monitor_present ? readiness.SetReady("monitor")
                                    : readiness.SetDegraded("monitor", "the Monitor is not heard: no charge");
           },
       .on_request = [&](const PointRequest& request) { engine_rpc.OnRequest(request); },
       .on_note = [](const Note& note) { log::Write(note); },
       .on_kept =
           [&](const journal::LogWrite& write) {
             if (backbone && !write.facts.empty()) backbone->Wake();
           },
       .on_produce_again =
           [&] {
             if (backbone) backbone->ProduceAgain();
           }},
      **meter, fact_log, clock, std::move(ids));
  if (!host.ok()) return Failed(host.status());
  engine_rpc.Serve(**host);
  const auto exported = engine::ExportEngine(registry, **host, fact_log, options.journal_facts, clock);

  auto http = process::ListenOrMove(service.http_port, service.http_port_is_default, [&](int port) {
    return metrics::HttpServer::Start({.listen = service.listen, .port = port}, registry, readiness);
  });
  if (!http.ok()) return Failed(http.status());
  auto server = rpc::Server::Start({.listen = service.listen, .port = service.grpc_port, .insecure = service.insecure},
                                   {engine_rpc.service()}, registry, readiness, streams);
  if (!server.ok()) return Failed(server.status());
  log::Info("listening", {{"grpc", (*server)->address()},
                          {"http", process::HostPort(service.listen, (*http)->port())},
                          {"data", (*data)->path()}});
  const process::ServiceManager manager(readiness);

  engine::EngineConsole console(**host, process::PrintLine, [&stop] { stop.RequestStop("quit"); });
  auto prompt = std::make_unique<process::LineReader>(
      process::LineReader::Options{.prompt = "engine> ", .complete = nullptr, .history_file = (*data)->File("history")},
      [&console](const std::string& line) { console.OnLine(line); }, nullptr);

  log::Info("stopping", {{"why", stop.Wait()}});
  readiness.Stop();
  prompt.reset();
  const absl::Duration leave_at = clock.Now().monotonic + service.shutdown_timeout * 3 / 4;
  const absl::Status ended = (*host)->EndCharge(service.shutdown_timeout / 4);
  if (!ended.ok()) log::Error("the charge's final was not kept", {{"error", ended}});
  absl::Status drained = absl::UnavailableError("Kafka is switched off");
  if (backbone) {
    drained = backbone->Drain(leave_at - clock.Now().monotonic);
    // The Monitor brings Central's word: the server still serves it.
    (*host)->AwaitSettled(leave_at - clock.Now().monotonic);
  }
  const int exit_code = SayWhatIsUnbooked(fact_log, drained);
  (*server)->Drain(service.shutdown_timeout / 4);
  log::Info("stopped");
  return ended.ok() ? exit_code : 1;
}

}  // namespace

int main(int argc, char** argv) {
  ev::process::StopSignal stop;  // First: threads inherit its mask.
  ev::engine::Options options;
  if (auto exit_code = ev::engine::ParseOptions(argc, argv, options)) return *exit_code;
  return Run(options, stop);
}
