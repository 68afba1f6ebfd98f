// ev-central: knows every charging point, authorises charges, books energy and money.

#include <grpcpp/impl/service_type.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "log/log.h"
#include "metrics/http_server.h"
#include "metrics/process_metrics.h"
#include "process/data_dir.h"
#include "process/listen.h"
#include "process/service_manager.h"
#include "process/stop_signal.h"
#include "process/version.h"
#include "rpc/live_streams.h"
#include "rpc/server.h"
#include "services/central/adapters/backbone.h"
#include "services/central/adapters/change_log.h"
#include "services/central/adapters/charging_point_service.h"
#include "services/central/adapters/link_hub.h"
#include "services/central/adapters/server_service.h"
#include "services/central/adapters/session_service.h"
#include "services/central/adapters/shard_host.h"
#include "services/central/adapters/ticket_service.h"
#include "services/central/adapters/watch_hub.h"
#include "services/central/console/console.h"
#include "services/central/options.h"
#include "services/central/status.h"
#include "store/sqlite/sqlite_store.h"

namespace {

constexpr absl::Duration kRequestsKept = absl::Hours(24);

int Failed(const absl::Status& status) {
  ev::log::Error("cannot start", {{"reason", status.message()}});
  return 1;
}

// For operators: 0 when the store is sound.
int CheckStore(ev::store::Store& store, const std::string& file) {
  const absl::Status status = store.CheckIntegrity();
  if (!status.ok()) {
    ev::log::Error("the store is damaged: restore a copy, or ask for help with this file",
                   {{"file", file}, {"reason", status}});
    return 1;
  }
  std::printf("%s is sound\n", file.c_str());
  return 0;
}

int Run(ev::central::Options& options, ev::process::StopSignal& stop) {
  using namespace ev;  // NOLINT(google-build-using-namespace): a list of parts reads better without the prefix.
  const SystemClock clock;
  const absl::Time started = clock.Now().utc;
  RandomIdSource ids;
  metrics::Registry registry("ev-central", process::Version());
  metrics::Readiness readiness(registry, {"store", "outbox", "kafka", "topics", "kafka_consumer"});

  absl::StatusOr<std::string> root = options.service.data_dir;
  if (root->empty()) root = process::DefaultDataRoot();
  if (!root.ok()) return Failed(root.status());
  auto data = process::DataDir::Open(*root + "/central");
  if (!data.ok()) return Failed(data.status());
  const auto data_folder = metrics::ExportDataFolder(registry, (*data)->path());
  const std::string file = (*data)->File("central.db");
  if (std::error_code ignored; options.check_store && !std::filesystem::exists(file, ignored)) {
    return Failed(absl::NotFoundError(absl::StrCat("there is no store ", file, ": see --data-dir")));
  }
  auto store =
      store::SqliteStore::Open(file, {.shards = options.backbone.topics.session_data.partitions}, started, ids);
  if (!store.ok()) return Failed(store.status());
  if (options.check_store) return CheckStore(**store, file);
  if ((*store)->is_new()) {
    log::Warn("a new store was made: no charging points, sessions or tickets are known", {{"file", file}});
  }

  central::Console console(
      {.panel = options.panel, .log_file = (*data)->File("log"), .history_file = (*data)->File("history")},
      [&stop] { stop.RequestStop("quit"); });
  const central::OutboxCodec codec(options.backbone.topics);
  auto host = central::ShardHost::Create(
      options.host, **store, clock, [&codec](const central::OutboxItem& item) { return codec.Encode(item); }, registry);
  if (!host.ok()) return Failed(host.status());
  absl::Status failure;
  (*host)->OnFailure([&](const absl::Status& status) {
    failure = status;
    stop.RequestStop("the store failed");
  });
  central::ChangeLog change_log;
  (*host)->SetReadiness(readiness);
  (*host)->AddObserver(change_log);
  (*host)->AddObserver(console);

  std::unique_ptr<central::Backbone> backbone;
  if (options.kafka_enabled) {
    auto made = central::Backbone::Create(options.backbone, codec, **host, clock, registry, readiness);
    if (!made.ok()) return Failed(made.status());
    backbone = *std::move(made);
  } else {
    for (const char* condition : {"kafka", "topics", "kafka_consumer"}) readiness.SetReady(condition);
    log::Warn("Kafka is switched off: nothing is booked until it is on again");
  }

  rpc::LiveStreams streams;
  central::LinkHub links({.version = std::string(process::Version())}, **host, clock, streams);
  (*host)->SetLinks(links);
  central::WatchHub watches({}, **host, clock, streams);
  (*host)->AddObserver(watches);
  central::CentralStatus status(**store, backbone.get(), readiness);
  const auto points = central::MakeChargingPointService(**host, watches);
  const auto sessions = central::MakeSessionService(**host, watches);
  const auto tickets = central::MakeTicketService(**store);
  const auto server_info = central::MakeServerService(
      {.version = std::string(process::Version()),
       .owner = options.host.owner,
       .started = started,
       .accept_cluster = status.accept_cluster(),
       .copy_store = [&store = **store](const store::MayGoOn& may_go_on) { return store.Copy(may_go_on); }},
      **host, status, clock, streams);
  (*host)->Start();
  // However this ends: the committer calls much of what stands above.
  const absl::Cleanup stop_host = [&] {
    if (backbone != nullptr) backbone->StopReading();
    (*host)->Stop(absl::ZeroDuration());
  };
  if (backbone != nullptr) backbone->Start();

  auto http = process::ListenOrMove(options.service.http_port, options.service.http_port_is_default, [&](int port) {
    return metrics::HttpServer::Start({.listen = options.service.listen, .port = port}, registry, readiness);
  });
  if (!http.ok()) return Failed(http.status());
  auto server = rpc::Server::Start(
      {.listen = options.service.listen, .port = options.service.grpc_port, .insecure = options.service.insecure},
      {points.get(), sessions.get(), tickets.get(), server_info.get(), &links.service()}, registry, readiness, streams);
  if (!server.ok()) return Failed(server.status());
  log::Info("listening", {{"grpc", (*server)->address()},
                          {"http", process::HostPort(options.service.listen, (*http)->port())},
                          {"data", (*data)->path()}});
  const process::ServiceManager manager(readiness);
  console.Start(**host, absl::StrCat("EVCharge Central ", (*server)->address()));

  std::optional<std::string> why;
  while (!(why = stop.WaitFor(absl::Hours(1))).has_value()) {
    if (auto pruned = (*store)->DeleteRequestsBefore(clock.Now().utc - kRequestsKept); !pruned.ok()) {
      log::Error("old requests could not be forgotten", {{"reason", pruned}});
    }
  }
  console.Stop();
  log::Info("stopping", {{"why", *why}});
  readiness.Stop();
  if (backbone != nullptr) backbone->StopReading();
  (*server)->Drain(options.service.shutdown_timeout / 2);
  (*host)->Stop(options.service.shutdown_timeout / 4);
  if (backbone != nullptr) backbone->Stop(options.service.shutdown_timeout / 4);
  if (!failure.ok()) {
    log::Error("the store failed; the next start reads what is true", {{"reason", failure}});
    return 1;
  }
  log::Info("stopped");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  ev::process::StopSignal stop;  // First: threads inherit its mask.
  ev::central::Options options;
  if (auto exit_code = ev::central::ParseOptions(argc, argv, options)) return *exit_code;
  return Run(options, stop);
}
