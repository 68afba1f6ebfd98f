// ev-driver: asks for charges, follows them and shows their tickets.

#include <grpcpp/impl/service_type.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/id_source.h"
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
#include "services/driver/adapters/agent.h"
#include "services/driver/adapters/backbone.h"
#include "services/driver/adapters/central_client.h"
#include "services/driver/adapters/console.h"
#include "services/driver/adapters/driver_service.h"
#include "services/driver/adapters/printer.h"
#include "services/driver/options.h"

namespace {

int Failed(const absl::Status& status) {
  ev::log::Error("cannot start", {{"reason", status.message()}});
  return 1;
}

int Run(const ev::driver::Options& options, ev::process::StopSignal& stop) {
  using namespace ev;  // NOLINT(google-build-using-namespace): a list of parts reads better without the prefix.
  const config::ServiceOptions& service = options.service;
  const bool is_interactive = !options.requests && ::isatty(0) == 1;
  const SystemClock clock;
  RandomIdSource ids;
  metrics::Registry registry("ev-driver", process::Version());
  metrics::Readiness readiness(
      registry, {driver::Agent::kCondition, driver::Backbone::kCondition, driver::Backbone::kConsumerCondition});

  auto data = process::DataDir::Open(absl::StrCat(service.data_dir, "/driver-", options.driver.value()));
  if (!data.ok()) return Failed(data.status());
  const auto data_folder = metrics::ExportDataFolder(registry, (*data)->path());

  driver::CentralClient central(options.central);
  driver::Agent agent({.core = {.stuck = options.stuck_timeout}, .asks = options.backbone.has_value()}, central, clock,
                      ids, registry, readiness);
  std::unique_ptr<driver::Backbone> backbone;
  if (options.backbone) {
    auto made = driver::Backbone::Create(
        *options.backbone, [&agent](driver::Charge charge) { agent.OnNews(std::move(charge)); }, registry, readiness);
    if (!made.ok()) return Failed(made.status());
    backbone = *std::move(made);
  } else {
    for (const char* condition : {driver::Backbone::kCondition, driver::Backbone::kConsumerCondition}) {
      readiness.SetReady(condition);
    }
  }
  rpc::LiveStreams streams;
  const auto driver_service =
      driver::MakeDriverService({.default_driver = options.driver, .pause = options.pause}, agent, central, streams);
  auto http = process::ListenOrMove(service.http_port, service.http_port_is_default, [&](int port) {
    return metrics::HttpServer::Start({.listen = service.listen, .port = port}, registry, readiness);
  });
  if (!http.ok()) return Failed(http.status());
  auto server = process::ListenOrMove(service.grpc_port, service.grpc_port_is_default, [&](int port) {
    return rpc::Server::Start({.listen = service.listen, .port = port, .insecure = service.insecure},
                              {driver_service.get()}, registry, readiness, streams);
  });
  if (!server.ok()) return Failed(server.status());
  log::Info("listening", {{"grpc", (*server)->address()},
                          {"http", process::HostPort(service.listen, (*http)->port())},
                          {"driver_id", options.driver},
                          {"follows", options.backbone ? "Kafka" : "Central"},
                          {"central", options.central.target}});
  const process::ServiceManager manager(readiness);

  driver::Printer printer({.has_prompt = is_interactive, .live_interval = options.live_interval});
  if (printer.has_screen() && ::isatty(2) == 1) {
    if (auto status = log::RedirectToFile((*data)->File("log")); !status.ok()) return Failed(status);
    printer.Line(absl::StrCat("log: ", (*data)->File("log")));
  }
  driver::Console console({.driver = options.driver,
                           .is_interactive = is_interactive,
                           .pause = options.pause,
                           .charge_limit = options.charge_timeout},
                          agent, central, printer, [&stop] { stop.RequestStop("nothing left to do"); });
  console.Begin();
  std::unique_ptr<process::LineReader> prompt;
  if (is_interactive) console.Greet();
  if (options.requests) {
    console.RunRequests(*options.requests);
  } else {
    prompt = std::make_unique<process::LineReader>(
        process::LineReader::Options{.prompt = "driver> ",
                                     .complete = [&](auto line, auto word) { return console.Complete(line, word); },
                                     .history_file = (*data)->File("history")},
        [&console](const std::string& line) { console.OnLine(line); }, [&console] { console.OnEnd(); });
  }

  log::Info("stopping", {{"why", stop.Wait()}});
  readiness.Stop();
  console.Stop();
  prompt.reset();
  backbone.reset();
  (*server)->Drain(service.shutdown_timeout / 2);
  agent.Shutdown();
  log::Info("stopped");
  return console.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  ev::process::StopSignal stop;  // First: threads inherit its mask.
  ev::driver::Options options;
  if (auto exit_code = ev::driver::ParseOptions(argc, argv, options)) return *exit_code;
  return Run(options, stop);
}
