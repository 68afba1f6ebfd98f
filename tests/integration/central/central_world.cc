#include "tests/integration/central/central_world.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "evcharging/central/v1/charging_point_service.grpc.pb.h"
#include "evcharging/central/v1/link_service.grpc.pb.h"
#include "evcharging/central/v1/server_service.grpc.pb.h"
#include "evcharging/central/v1/session_service.grpc.pb.h"
#include "evcharging/central/v1/ticket_service.grpc.pb.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "rpc/call.h"
#include "rpc/server.h"
#include "services/central/adapters/charging_point_service.h"
#include "services/central/adapters/session_service.h"
#include "services/central/adapters/ticket_service.h"

namespace ev::central {

// --- Central ---------------------------------------------------------------------------------------------------------

struct CentralWorld::Parts {
  metrics::Registry registry{"ev-central", "test"};
  metrics::Readiness readiness{registry, {"store", "outbox"}};
  rpc::LiveStreams streams;
  std::unique_ptr<ShardHost> host;
  std::unique_ptr<LinkHub> links;
  std::unique_ptr<WatchHub> watches;
  std::vector<std::unique_ptr<grpc::Service>> services;
  std::unique_ptr<rpc::Server> server;
  std::string address;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<pb::ChargingPointService::Stub> points;
  std::unique_ptr<pb::SessionService::Stub> sessions;
  std::unique_ptr<pb::TicketService::Stub> tickets;
  std::unique_ptr<pb::ServerService::Stub> servers;
};

CentralWorld::CentralWorld(WorldOptions options)
    : options_(std::move(options)), memory_(3, "5700000000000000000000000000001d", absl::Now()), store_(memory_) {
  Start();
}

CentralWorld::~CentralWorld() {
  Stop();
}

void CentralWorld::Start() {
  parts_ = std::make_unique<Parts>();
  auto host = ShardHost::Create(
      {.shard = options_.shard,
       .backlog_bound = options_.backlog_bound,
       .calls_bound = options_.calls_bound,
       .tick = absl::Milliseconds(20)},
      store_, clock_, [](const OutboxItem&) { return store::OutboxRecord{}; }, parts_->registry);
  ASSERT_THAT(host, IsOk());
  parts_->host = *std::move(host);
  ShardHost& shards = *parts_->host;
  parts_->watches = std::make_unique<WatchHub>(options_.watch, shards, clock_, parts_->streams);
  parts_->links = std::make_unique<LinkHub>(options_.link, shards, clock_, parts_->streams);
  shards.AddObserver(*parts_->watches);
  shards.SetLinks(*parts_->links);
  shards.SetReadiness(parts_->readiness);
  parts_->services.push_back(MakeChargingPointService(shards, *parts_->watches));
  parts_->services.push_back(MakeSessionService(shards, *parts_->watches));
  parts_->services.push_back(MakeTicketService(store_));
  parts_->services.push_back(MakeServerService(
      {.version = "1.2.3",
       .owner = "test",
       .started = absl::Now(),
       .accept_cluster =
           [this](absl::string_view id) {
             return id == Now().unaccepted_cluster_id ? store_.SetKafkaClusterId(id)
                                                      : absl::FailedPreconditionError("no such cluster waits");
           },
       .copy_store = options_.copy_store,
       .backup = options_.backup},
      shards, *this, clock_, parts_->streams));
  shards.Start();
  std::vector<grpc::Service*> services{&parts_->links->service()};
  for (const auto& service : parts_->services) services.push_back(service.get());
  auto server = rpc::Server::Start({}, services, parts_->registry, parts_->readiness, parts_->streams);
  ASSERT_THAT(server, IsOk());
  parts_->server = *std::move(server);
  parts_->address = parts_->server->address();
  parts_->channel = grpc::CreateChannel(parts_->address, grpc::InsecureChannelCredentials());
  parts_->points = pb::ChargingPointService::NewStub(parts_->channel);
  parts_->sessions = pb::SessionService::NewStub(parts_->channel);
  parts_->tickets = pb::TicketService::NewStub(parts_->channel);
  parts_->servers = pb::ServerService::NewStub(parts_->channel);
}

void CentralWorld::Stop() {
  if (parts_->server == nullptr) return;
  store_.Release();
  parts_->server->Drain(absl::Seconds(1));
  EXPECT_TRUE(parts_->streams.WaitUntilEmpty(kPatience));
  parts_->host->Stop(absl::Seconds(5));
  parts_->server.reset();
  parts_->services.clear();
  // The hubs are told of nothing more; calls of a client that has not noticed yet still find their stubs.
  parts_->watches.reset();
  parts_->links.reset();
  parts_->host.reset();
}

ShardHost& CentralWorld::host() {
  return *parts_->host;
}
LinkHub& CentralWorld::links() {
  return *parts_->links;
}
metrics::Report CentralWorld::Readiness() const {
  return parts_->readiness.Get();
}
std::string CentralWorld::Metrics() const {
  return parts_->registry.RenderText();
}
std::string CentralWorld::address() const {
  return parts_->address;
}
std::shared_ptr<grpc::Channel> CentralWorld::channel() {
  return parts_->channel;
}

absl::StatusOr<pb::ChargingPoint> CentralWorld::Call(const pb::CreateChargingPointRequest& request) {
  return rpc::Call(*parts_->points, &pb::ChargingPointService::Stub::CreateChargingPoint, request, kPatience);
}
absl::StatusOr<pb::ChargingPoint> CentralWorld::Call(const pb::GetChargingPointRequest& request) {
  return rpc::Call(*parts_->points, &pb::ChargingPointService::Stub::GetChargingPoint, request, kPatience);
}
absl::StatusOr<pb::ListChargingPointsResponse> CentralWorld::Call(const pb::ListChargingPointsRequest& request) {
  return rpc::Call(*parts_->points, &pb::ChargingPointService::Stub::ListChargingPoints, request, kPatience);
}
absl::StatusOr<pb::ChargingPoint> CentralWorld::Call(const pb::UpdateChargingPointRequest& request) {
  return rpc::Call(*parts_->points, &pb::ChargingPointService::Stub::UpdateChargingPoint, request, kPatience);
}
absl::StatusOr<google::protobuf::Empty> CentralWorld::Call(const pb::DeleteChargingPointRequest& request) {
  return rpc::Call(*parts_->points, &pb::ChargingPointService::Stub::DeleteChargingPoint, request, kPatience);
}
absl::StatusOr<pb::StopChargingPointResponse> CentralWorld::Call(const pb::StopChargingPointRequest& request) {
  return rpc::Call(*parts_->points, &pb::ChargingPointService::Stub::StopChargingPoint, request, kPatience);
}
absl::StatusOr<pb::ResumeChargingPointResponse> CentralWorld::Call(const pb::ResumeChargingPointRequest& request) {
  return rpc::Call(*parts_->points, &pb::ChargingPointService::Stub::ResumeChargingPoint, request, kPatience);
}
absl::StatusOr<pb::Session> CentralWorld::Call(const pb::StartSessionRequest& request, absl::Duration timeout) {
  return rpc::Call(*parts_->sessions, &pb::SessionService::Stub::StartSession, request, timeout);
}
absl::StatusOr<pb::Session> CentralWorld::Call(const pb::StopSessionRequest& request) {
  return rpc::Call(*parts_->sessions, &pb::SessionService::Stub::StopSession, request, kPatience);
}
absl::StatusOr<pb::Session> CentralWorld::Call(const pb::GetSessionRequest& request) {
  return rpc::Call(*parts_->sessions, &pb::SessionService::Stub::GetSession, request, kPatience);
}
absl::StatusOr<pb::ListSessionsResponse> CentralWorld::Call(const pb::ListSessionsRequest& request) {
  return rpc::Call(*parts_->sessions, &pb::SessionService::Stub::ListSessions, request, kPatience);
}
absl::StatusOr<pb::Session> CentralWorld::Call(const pb::WriteOffSessionRequest& request) {
  return rpc::Call(*parts_->sessions, &pb::SessionService::Stub::WriteOffSession, request, kPatience);
}
absl::StatusOr<common::Ticket> CentralWorld::Call(const pb::GetTicketRequest& request) {
  return rpc::Call(*parts_->tickets, &pb::TicketService::Stub::GetTicket, request, kPatience);
}
absl::StatusOr<pb::ListTicketsResponse> CentralWorld::Call(const pb::ListTicketsRequest& request) {
  return rpc::Call(*parts_->tickets, &pb::TicketService::Stub::ListTickets, request, kPatience);
}
absl::StatusOr<pb::ServerInfo> CentralWorld::Call(const pb::GetServerInfoRequest& request) {
  return rpc::Call(*parts_->servers, &pb::ServerService::Stub::GetServerInfo, request, kPatience);
}
absl::StatusOr<pb::ListGapsResponse> CentralWorld::Call(const pb::ListGapsRequest& request) {
  return rpc::Call(*parts_->servers, &pb::ServerService::Stub::ListGaps, request, kPatience);
}
absl::StatusOr<pb::AcceptClusterResponse> CentralWorld::Call(const pb::AcceptClusterRequest& request) {
  return rpc::Call(*parts_->servers, &pb::ServerService::Stub::AcceptCluster, request, kPatience);
}
absl::StatusOr<pb::PruneStoreResponse> CentralWorld::Call(const pb::PruneStoreRequest& request) {
  return rpc::Call(*parts_->servers, &pb::ServerService::Stub::PruneStore, request, kPatience);
}
absl::Status CentralWorld::Backup(const std::function<bool(const pb::BackupPart&)>& on_part) {
  grpc::ClientContext context;
  return Backup(on_part, context);
}
absl::Status CentralWorld::Backup(const std::function<bool(const pb::BackupPart&)>& on_part,
                                  grpc::ClientContext& context) {
  rpc::SetTimeout(context, kPatience);
  const auto reader = parts_->servers->BackupStore(&context, pb::BackupStoreRequest());
  pb::BackupPart part;
  while (reader->Read(&part)) {
    if (!on_part(part)) context.TryCancel();
  }
  return rpc::FromGrpc(reader->Finish());
}
absl::StatusOr<pb::ChargingPoint> CentralWorld::GetWithoutDeadline(const std::string& cp) {
  grpc::ClientContext context;
  pb::GetChargingPointRequest request;
  request.set_charging_point_id(cp);
  pb::ChargingPoint point;
  const grpc::Status status = parts_->points->GetChargingPoint(&context, request, &point);
  if (!status.ok()) return rpc::FromGrpc(status);
  return point;
}

void CentralWorld::Deliver(const Fact& fact) {
  const int shard = host().ShardOf(fact.cp);
  const std::int64_t offset = offsets_[shard]++;
  const std::string key = fact.cp.value();
  const IncomingFact in{.fact = &fact, .error = {}, .offset = offset, .key = key, .body = "body"};
  RowKeys rows;
  rows.sessions.push_back(fact.session);
  EV_ASSERT_OK(host().Apply(shard, rows, [&](Shard& at, const Moment& now, Effects& out) {
    at.ApplyFacts(now,
                  {.topic = "charging_session_data",
                   .partition = shard,
                   .base = offset,
                   .next = offset + 1,
                   .facts = absl::MakeSpan(&in, 1)},
                  out);
  }));
}
Fact CentralWorld::MakeFact(FactKind kind, const common::Grant& grant, std::int64_t sequence, std::int64_t energy_mwh) {
  const absl::Time now = absl::Now();
  Fact fact{.message_id = ids_.NewMessageId(now),
            .kind = kind,
            .cp = CpId(grant.charging_point_id()),
            .session = SessionId(grant.session_id()),
            .sequence = sequence,
            .time = now,
            .energy_mwh = energy_mwh,
            .power_w = kind == FactKind::kSample ? 11'000 : 0,
            .amount_micros = AmountMicros(energy_mwh, grant.price().micros_per_kwh()),
            .grant = {},
            .register_mwh = 1'000'000 + energy_mwh,
            .start = now - absl::Seconds(60),
            .end = now};
  fact.grant = Grant{.session = fact.session,
                     .cp = fact.cp,
                     .number = GrantNumber(grant.grant_number()),
                     .driver = DriverId(grant.driver_id()),
                     .price = {grant.price().micros_per_kwh(), grant.price().currency()},
                     .target = {},
                     .authorised = now,
                     .key_id = {},
                     .signature = {}};
  if (kind == FactKind::kFinal) fact.end_reason = EndReason::kUnplugged;
  return fact;
}

// --- watchers --------------------------------------------------------------------------------------------------------

namespace {

template <typename Message>
class ReadingWatcher final : public FakeWatcher<Message> {
 public:
  template <typename Open>
  explicit ReadingWatcher(Open open) : reader_(open(&context_)) {
    thread_ = std::jthread([this] {
      Message message;
      while (reader_->Read(&message)) this->inbox().Put(message);
      this->inbox().End(rpc::FromGrpc(reader_->Finish()));
    });
  }
  ~ReadingWatcher() override {
    context_.TryCancel();
    thread_.join();  // It writes to the base's inbox.
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<Message>> reader_;
  std::jthread thread_;
};

}  // namespace

std::unique_ptr<FakeWatcher<pb::WatchSessionsResponse>> WatchSessions(CentralWorld& world,
                                                                      const pb::WatchSessionsRequest& request) {
  const auto stub = pb::SessionService::NewStub(world.channel());
  return std::make_unique<ReadingWatcher<pb::WatchSessionsResponse>>(
      [&](grpc::ClientContext* context) { return stub->WatchSessions(context, request); });
}

std::unique_ptr<FakeWatcher<pb::WatchChargingPointsResponse>> WatchPoints(
    CentralWorld& world, const pb::WatchChargingPointsRequest& request) {
  const auto stub = pb::ChargingPointService::NewStub(world.channel());
  return std::make_unique<ReadingWatcher<pb::WatchChargingPointsResponse>>(
      [&](grpc::ClientContext* context) { return stub->WatchChargingPoints(context, request); });
}

struct StuckReader::Impl {
  std::shared_ptr<grpc::Channel> channel;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<pb::WatchChargingPointsResponse>> reader;
  bool finished = false;
};

StuckReader::StuckReader(CentralWorld& world) : impl_(std::make_unique<Impl>()) {
  // The transport takes in 64 KB for a reader that does not read, and does not learn to take more.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 << 10);
  impl_->channel = grpc::CreateCustomChannel(world.address(), grpc::InsecureChannelCredentials(), arguments);
  impl_->reader = pb::ChargingPointService::NewStub(impl_->channel)->WatchChargingPoints(&impl_->context, {});
}
StuckReader::~StuckReader() {
  impl_->context.TryCancel();
  if (!impl_->finished) (void)Finish();
}
bool StuckReader::Read(pb::WatchChargingPointsResponse& message) {
  return impl_->reader->Read(&message);
}
absl::Status StuckReader::Finish() {
  impl_->finished = true;
  pb::WatchChargingPointsResponse rest;
  while (impl_->reader->Read(&rest)) {
  }
  return rpc::FromGrpc(impl_->reader->Finish());
}

// --- a Monitor -------------------------------------------------------------------------------------------------------

struct FakeMonitor::Impl {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<pb::LinkUp, pb::LinkDown>> stream;
  Mutex mutex;  // One write at a time.
  std::jthread thread;
};

FakeMonitor::FakeMonitor(CentralWorld& world, std::string cp) : cp_(std::move(cp)), impl_(std::make_unique<Impl>()) {
  impl_->stream = pb::LinkService::NewStub(world.channel())->Link(&impl_->context);
  impl_->thread = std::jthread([this] {
    pb::LinkDown message;
    while (impl_->stream->Read(&message)) inbox_.Put(message);
    inbox_.End(rpc::FromGrpc(impl_->stream->Finish()));
  });
}
FakeMonitor::~FakeMonitor() {
  Cancel();
  impl_->thread.join();
}

void FakeMonitor::Connect() {
  SayHello();
  const auto welcome = inbox_.TakeAny();
  ASSERT_TRUE(welcome.has_value() && welcome->has_welcome());
  epoch_ = welcome->welcome().link_epoch();
  const auto down = inbox_.TakeAny();
  ASSERT_TRUE(down.has_value() && down->has_configuration());
  configuration_ = down->configuration();
  ASSERT_EQ(configuration_.link_epoch(), epoch_);
  report_.set_configured_link_epoch(epoch_);
  report_.set_grant_mark(std::max(report_.grant_mark(), configuration_.highest_grant_number()));
  Beat();
}

void FakeMonitor::SayHello() {
  report_.set_health(common::ENGINE_HEALTH_HEALTHY);
  report_.set_journal_id("0000000000000000000000000000000a");
  report_.set_journal_room_facts(1000);
  pb::LinkUp up;
  up.mutable_hello()->set_charging_point_id(cp_);
  up.mutable_hello()->set_location("Calle Mayor 1, Alicante");
  up.mutable_hello()->set_site("centre");
  up.mutable_hello()->set_monitor_version("9.9");
  up.mutable_hello()->set_engine_health(common::ENGINE_HEALTH_HEALTHY);
  *up.mutable_hello()->mutable_report() = report_;
  Say(up);
}

void FakeMonitor::Beat(common::EngineHealth health) {
  pb::LinkUp up;
  up.mutable_beat()->set_engine_health(health);
  if (health != common::ENGINE_HEALTH_SILENT) *up.mutable_beat()->mutable_report() = report_;
  Say(up);
}

void FakeMonitor::Say(const pb::LinkUp& up) {
  MutexLock lock(impl_->mutex);
  impl_->stream->Write(up);
}

void FakeMonitor::CloseUp() {
  impl_->stream->WritesDone();
}

void FakeMonitor::Cancel() {
  impl_->context.TryCancel();
}

std::optional<pb::Command> FakeMonitor::TakeCommand(absl::Duration limit) {
  const auto down = inbox_.Take([](const pb::LinkDown& d) { return d.has_command(); }, limit);
  if (!down.has_value()) return std::nullopt;
  return down->command();
}

common::Grant FakeMonitor::GrantNext() {
  const auto command = TakeCommand();
  if (!command.has_value() || !command->has_prepare_session()) {
    ADD_FAILURE() << "no PrepareSession came";
    return {};
  }
  const common::Grant grant = command->prepare_session().grant();
  Occupy(grant, common::OCCUPANCY_PHASE_GRANTED);
  pb::LinkUp up;
  up.mutable_command_answer()->set_command_id(command->command_id());
  up.mutable_command_answer()->mutable_prepared()->set_grant_mark(grant.grant_number());
  Say(up);
  return grant;
}

void FakeMonitor::Occupy(const common::Grant& grant, common::OccupancyPhase phase) {
  report_.set_grant_mark(grant.grant_number());
  report_.mutable_occupancy()->set_session_id(grant.session_id());
  report_.mutable_occupancy()->set_grant_number(grant.grant_number());
  report_.mutable_occupancy()->set_driver_id(grant.driver_id());
  report_.mutable_occupancy()->set_phase(phase);
}

}  // namespace ev::central
