#ifndef EV_TESTS_INTEGRATION_CENTRAL_CENTRAL_WORLD_H_
#define EV_TESTS_INTEGRATION_CENTRAL_CENTRAL_WORLD_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/error_detail.h"
#include "base/mutex.h"
#include "domain/fact.h"
#include "evcharging/central/v1/charging_point_service.grpc.pb.h"
#include "evcharging/central/v1/link_service.grpc.pb.h"
#include "evcharging/central/v1/server_service.grpc.pb.h"
#include "evcharging/central/v1/session_service.grpc.pb.h"
#include "evcharging/central/v1/ticket_service.grpc.pb.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "rpc/call.h"
#include "rpc/live_streams.h"
#include "rpc/server.h"
#include "services/central/adapters/charging_point_service.h"
#include "services/central/adapters/link_hub.h"
#include "services/central/adapters/server_service.h"
#include "services/central/adapters/session_service.h"
#include "services/central/adapters/shard_host.h"
#include "services/central/adapters/ticket_service.h"
#include "services/central/adapters/watch_hub.h"
#include "store/inmemory/inmemory_store.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace ev::central {

namespace pb = evcharging::central::v1;
namespace common = evcharging::common::v1;

// Longer than anything takes, also on a machine that is busy with something else.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

// A store whose commits wait while they are held.
class HeldStore final : public store::Store {
 public:
  explicit HeldStore(store::Store& inner) : inner_(inner) {}

  void Hold() {
    MutexLock lock(mutex_);
    held_ = true;
  }
  void Release() {
    MutexLock lock(mutex_);
    held_ = false;
    changed_.SignalAll();
  }
  // Whether a commit came and waits, within kPatience.
  bool WaitForCommit() {
    const absl::Time end = absl::Now() + kPatience;
    MutexLock lock(mutex_);
    while (!is_waiting_ && absl::Now() < end) changed_.WaitFor(mutex_, end - absl::Now());
    return is_waiting_;
  }
  void AddGap(store::GapRecord gap) { gaps_.insert(gaps_.begin(), std::move(gap)); }

  std::vector<absl::Status> Commit(absl::Span<const store::ShardBatch> batches) override {
    {
      MutexLock lock(mutex_);
      is_waiting_ = held_;
      changed_.SignalAll();
      const absl::Time end = absl::Now() + kPatience;
      while (held_ && absl::Now() < end) changed_.WaitFor(mutex_, end - absl::Now());
      is_waiting_ = false;
    }
    return inner_.Commit(batches);
  }
  std::string id() const override { return inner_.id(); }
  int shards() const override { return inner_.shards(); }
  std::int64_t incarnation() const override { return inner_.incarnation(); }
  absl::StatusOr<std::string> KafkaClusterId() override { return inner_.KafkaClusterId(); }
  absl::Status SetKafkaClusterId(absl::string_view id) override { return inner_.SetKafkaClusterId(id); }
  absl::StatusOr<std::vector<store::ShardState>> TakeShards(absl::string_view owner,
                                                            absl::string_view address) override {
    return inner_.TakeShards(owner, address);
  }
  absl::StatusOr<Session> FindSession(const SessionId& id) override { return inner_.FindSession(id); }
  absl::StatusOr<store::RequestRecord> FindRequest(absl::string_view key) override { return inner_.FindRequest(key); }
  absl::StatusOr<Ticket> FindTicket(absl::string_view id) override { return inner_.FindTicket(id); }
  absl::StatusOr<std::vector<store::RefusalRecord>> FindRefusals(const SessionId& id) override {
    return inner_.FindRefusals(id);
  }
  absl::StatusOr<store::Page<Session>> ListSessions(const store::SessionFilter& filter) override {
    return inner_.ListSessions(filter);
  }
  absl::StatusOr<store::Page<Ticket>> ListTickets(const store::TicketFilter& filter) override {
    return inner_.ListTickets(filter);
  }
  absl::StatusOr<std::vector<store::GapRecord>> ListGaps() override { return gaps_; }
  absl::StatusOr<std::vector<store::StoredOutboxRecord>> ReadOutbox(std::int64_t after, int limit) override {
    return inner_.ReadOutbox(after, limit);
  }
  absl::Status DeleteOutbox(absl::Span<const std::int64_t> positions) override {
    return inner_.DeleteOutbox(positions);
  }
  absl::StatusOr<std::int64_t> OutboxSize() override { return inner_.OutboxSize(); }
  absl::Status DeleteRequestsBefore(absl::Time time) override { return inner_.DeleteRequestsBefore(time); }
  absl::Status CheckIntegrity() override { return inner_.CheckIntegrity(); }

 private:
  store::Store& inner_;
  Mutex mutex_;
  CondVar changed_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_waiting_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<store::GapRecord> gaps_;
};

struct WorldOptions {
  ShardConfig shard;
  LinkOptions link{.version = "test"};
  WatchOptions watch;

  WorldOptions() {
    // No test waits for a limit by chance; those that are about one set it.
    shard.kafka_enabled = false;
    shard.command_deadline = kPatience;
    shard.link_silence = absl::Minutes(10);
    shard.request_max_age = absl::Seconds(10);
    watch.heartbeat = absl::Minutes(10);
  }
};

// Central in this process, on a store in memory, with its services on a free port.
class CentralWorld final : public ServerStatus {
 public:
  explicit CentralWorld(WorldOptions options = {})
      : options_(std::move(options)), memory_(3, "5700000000000000000000000000001d", absl::Now()), store_(memory_) {
    Start();
  }
  ~CentralWorld() override { Stop(); }

  // What is not committed is lost, and a new Central opens the same store.
  void Restart() {
    Stop();
    memory_.Restart(absl::Now());
    Start();
  }

  void Stop() {
    if (server_ == nullptr) return;
    store_.Release();
    server_->Drain(absl::Seconds(1));
    EXPECT_TRUE(streams_->WaitUntilEmpty(kPatience));
    host_->Stop(absl::Seconds(5));
    server_.reset();
    services_.clear();
    watches_.reset();
    links_.reset();
    host_.reset();
  }

  ShardHost& host() { return *host_; }
  HeldStore& store() { return store_; }
  LinkHub& links() { return *links_; }
  WatchHub& watches() { return *watches_; }
  std::shared_ptr<grpc::Channel> channel() { return channel_; }

  Surroundings Now() override {
    MutexLock lock(mutex_);
    return surroundings_;
  }
  void Set(Surroundings surroundings) {
    MutexLock lock(mutex_);
    surroundings_ = std::move(surroundings);
  }

  // One call: Call(&pb::SessionService::StubInterface::GetSession, request).
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (pb::ChargingPointService::StubInterface::*method)(grpc::ClientContext*,
                                                                                               const Request&,
                                                                                               Response*),
                                const std::type_identity_t<Request>& request, absl::Duration timeout = kPatience) {
    return rpc::Call(*points_, method, request, timeout);
  }
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (pb::SessionService::StubInterface::*method)(grpc::ClientContext*,
                                                                                         const Request&, Response*),
                                const std::type_identity_t<Request>& request, absl::Duration timeout = kPatience) {
    return rpc::Call(*sessions_, method, request, timeout);
  }
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (pb::TicketService::StubInterface::*method)(grpc::ClientContext*,
                                                                                        const Request&, Response*),
                                const std::type_identity_t<Request>& request, absl::Duration timeout = kPatience) {
    return rpc::Call(*tickets_, method, request, timeout);
  }
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (pb::ServerService::StubInterface::*method)(grpc::ClientContext*,
                                                                                        const Request&, Response*),
                                const std::type_identity_t<Request>& request, absl::Duration timeout = kPatience) {
    return rpc::Call(*servers_, method, request, timeout);
  }

  absl::StatusOr<pb::ChargingPoint> Create(const std::string& cp, const std::string& request_id = "") {
    pb::CreateChargingPointRequest request;
    request.mutable_charging_point()->set_charging_point_id(cp);
    request.mutable_charging_point()->set_location("Harbour 4");
    request.set_request_id(request_id);
    return Call(&pb::ChargingPointService::StubInterface::CreateChargingPoint, request);
  }
  absl::StatusOr<pb::ChargingPoint> Get(const std::string& cp) {
    pb::GetChargingPointRequest request;
    request.set_charging_point_id(cp);
    return Call(&pb::ChargingPointService::StubInterface::GetChargingPoint, request);
  }
  bool Becomes(const std::string& cp, common::ChargingPointState state) {
    return Eventually(kPatience, [&] {
      const auto point = Get(cp);
      return point.ok() && point->state() == state;
    });
  }
  static pb::StartSessionRequest StartRequest(const std::string& driver, const std::string& cp,
                                              const std::string& request_id = "") {
    pb::StartSessionRequest request;
    request.set_driver_id(driver);
    request.set_charging_point_id(cp);
    request.set_request_id(request_id);
    return request;
  }
  absl::StatusOr<pb::Session> StartCharge(const pb::StartSessionRequest& request, absl::Duration timeout = kPatience) {
    return Call(&pb::SessionService::StubInterface::StartSession, request, timeout);
  }
  std::future<absl::StatusOr<pb::Session>> StartAsync(const pb::StartSessionRequest& request,
                                                      absl::Duration timeout = kPatience) {
    return std::async(std::launch::async, [this, request, timeout] { return StartCharge(request, timeout); });
  }
  std::future<absl::StatusOr<pb::Session>> StopAsync(const std::string& session, const std::string& driver = "") {
    pb::StopSessionRequest request;
    request.set_session_id(session);
    request.set_driver_id(driver);
    return std::async(std::launch::async,
                      [this, request] { return Call(&pb::SessionService::StubInterface::StopSession, request); });
  }
  absl::StatusOr<pb::Session> GetSession(const std::string& session) {
    pb::GetSessionRequest request;
    request.set_session_id(session);
    return Call(&pb::SessionService::StubInterface::GetSession, request);
  }

  // --- facts, as they come from Kafka ---
  void Deliver(const Fact& fact) {
    const int shard = host_->ShardOf(fact.cp);
    const std::int64_t offset = offsets_[shard]++;
    const std::string key = fact.cp.value();
    const IncomingFact in{.fact = &fact, .error = {}, .offset = offset, .key = key, .body = "body"};
    RowKeys rows;
    rows.sessions.push_back(fact.session);
    EV_ASSERT_OK(host_->Apply(shard, rows, [&](Shard& at, const Moment& now, Effects& out) {
      at.ApplyFacts(now,
                    {.topic = "charging_session_data",
                     .partition = shard,
                     .base = offset,
                     .next = offset + 1,
                     .facts = absl::MakeSpan(&in, 1)},
                    out);
    }));
  }
  Fact MakeFact(FactKind kind, const common::Grant& grant, std::int64_t sequence, std::int64_t energy_mwh) {
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

 private:
  void Start() {
    registry_ = std::make_unique<metrics::Registry>("ev-central", "test");
    readiness_ = std::make_unique<metrics::Readiness>(*registry_, std::vector<std::string>{});
    streams_ = std::make_unique<rpc::LiveStreams>();
    auto host = ShardHost::Create({.shard = options_.shard, .tick = absl::Milliseconds(20)}, store_, clock_,
                                  [](const OutboxItem&) { return store::OutboxRecord{}; }, *registry_);
    ASSERT_THAT(host, IsOk());
    host_ = *std::move(host);
    watches_ = std::make_unique<WatchHub>(options_.watch, *host_, clock_, *streams_);
    links_ = std::make_unique<LinkHub>(options_.link, *host_, clock_, *streams_);
    host_->AddObserver(*watches_);
    host_->SetLinks(*links_);
    services_.push_back(MakeChargingPointService(*host_, *watches_));
    services_.push_back(MakeSessionService(*host_, *watches_));
    services_.push_back(MakeTicketService(store_));
    services_.push_back(MakeServerService(
        {.version = "1.2.3",
         .owner = "test",
         .started = absl::Now(),
         .accept_cluster =
             [this](absl::string_view id) {
               return id == Now().unaccepted_cluster_id ? store_.SetKafkaClusterId(id)
                                                        : absl::FailedPreconditionError("no such cluster waits");
             }},
        *host_, *this, clock_));
    host_->Start();
    std::vector<grpc::Service*> services{&links_->service()};
    for (const auto& service : services_) services.push_back(service.get());
    auto server = rpc::Server::Start({}, services, *registry_, *readiness_, *streams_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    channel_ = grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->port()), grpc::InsecureChannelCredentials());
    points_ = pb::ChargingPointService::NewStub(channel_);
    sessions_ = pb::SessionService::NewStub(channel_);
    tickets_ = pb::TicketService::NewStub(channel_);
    servers_ = pb::ServerService::NewStub(channel_);
  }

  const WorldOptions options_;
  SystemClock clock_;
  RandomIdSource ids_;
  store::InMemoryStore memory_;
  HeldStore store_;
  absl::flat_hash_map<int, std::int64_t> offsets_;
  Mutex mutex_;
  Surroundings surroundings_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<metrics::Registry> registry_;
  std::unique_ptr<metrics::Readiness> readiness_;
  std::unique_ptr<rpc::LiveStreams> streams_;
  std::unique_ptr<ShardHost> host_;
  std::unique_ptr<LinkHub> links_;
  std::unique_ptr<WatchHub> watches_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<rpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<pb::ChargingPointService::StubInterface> points_;
  std::unique_ptr<pb::SessionService::StubInterface> sessions_;
  std::unique_ptr<pb::TicketService::StubInterface> tickets_;
  std::unique_ptr<pb::ServerService::StubInterface> servers_;
};

inline std::string ReasonOf(const absl::Status& status) { return DetailOf(status).reason; }
inline std::string FieldOf(const absl::Status& status) {
  const ErrorDetail detail = DetailOf(status);
  return detail.fields.size() == 1 ? detail.fields[0].field : "";
}
template <typename T>
std::string ReasonOf(const absl::StatusOr<T>& result) {
  return ReasonOf(result.status());
}
template <typename T>
std::string FieldOf(const absl::StatusOr<T>& result) {
  return FieldOf(result.status());
}

// EXPECT_THAT(result, Fails(absl::StatusCode::kNotFound, "POINT_UNKNOWN"));
MATCHER_P2(Fails, code, reason, absl::StrCat(absl::StatusCodeToString(code), " because of ", reason)) {
  *result_listener << StatusOf(arg) << " " << ReasonOf(StatusOf(arg));
  return StatusOf(arg).code() == code && ReasonOf(StatusOf(arg)) == reason;
}
// EXPECT_THAT(result, FailsAtField("driver_id"));
MATCHER_P(FailsAtField, field, absl::StrCat("INVALID_ARGUMENT at the field ", field)) {
  *result_listener << StatusOf(arg) << " " << FieldOf(StatusOf(arg));
  return absl::IsInvalidArgument(StatusOf(arg)) && FieldOf(StatusOf(arg)) == field;
}

// The messages of a stream that is being read by a thread of its own.
template <typename Message>
class Inbox {
 public:
  void Put(Message message) {
    MutexLock lock(mutex_);
    messages_.push_back(std::move(message));
    changed_.SignalAll();
  }
  void End(grpc::Status status) {
    MutexLock lock(mutex_);
    end_ = rpc::FromGrpc(status);
    changed_.SignalAll();
  }

  // The first message not taken yet for which `wanted` is true; those before it are taken too.
  template <typename Wanted>
  std::optional<Message> Take(Wanted wanted, absl::Duration limit = kPatience) {
    const absl::Time end = absl::Now() + limit;
    MutexLock lock(mutex_);
    while (true) {
      while (next_ < messages_.size()) {
        if (wanted(messages_[next_++])) return messages_[next_ - 1];
      }
      if (end_.has_value() || absl::Now() >= end) return std::nullopt;
      changed_.WaitFor(mutex_, end - absl::Now());
    }
  }
  std::optional<Message> TakeAny(absl::Duration limit = kPatience) {
    return Take([](const Message&) { return true; }, limit);
  }

  // Unset: it has not ended within kPatience.
  std::optional<absl::Status> WaitForEnd() {
    const absl::Time end = absl::Now() + kPatience;
    MutexLock lock(mutex_);
    while (!end_.has_value() && absl::Now() < end) changed_.WaitFor(mutex_, end - absl::Now());
    return end_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<Message> messages_ ABSL_GUARDED_BY(mutex_);
  std::size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

// A Watch stream.
template <typename Message>
class FakeWatcher {
 public:
  template <typename Open>
  explicit FakeWatcher(Open open) : reader_(open(&context_)) {
    thread_ = std::jthread([this] {
      Message message;
      while (reader_->Read(&message)) inbox_.Put(message);
      inbox_.End(reader_->Finish());
    });
  }
  ~FakeWatcher() { context_.TryCancel(); }

  Inbox<Message>& inbox() { return inbox_; }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderInterface<Message>> reader_;
  Inbox<Message> inbox_;
  std::jthread thread_;  // Last: it uses the rest.
};

inline std::unique_ptr<FakeWatcher<pb::WatchSessionsResponse>> WatchSessions(CentralWorld& world,
                                                                             const pb::WatchSessionsRequest& request) {
  auto stub = pb::SessionService::NewStub(world.channel());
  return std::make_unique<FakeWatcher<pb::WatchSessionsResponse>>(
      [&](grpc::ClientContext* context) { return stub->WatchSessions(context, request); });
}
inline std::unique_ptr<FakeWatcher<pb::WatchChargingPointsResponse>> WatchPoints(
    CentralWorld& world, const pb::WatchChargingPointsRequest& request) {
  auto stub = pb::ChargingPointService::NewStub(world.channel());
  return std::make_unique<FakeWatcher<pb::WatchChargingPointsResponse>>(
      [&](grpc::ClientContext* context) { return stub->WatchChargingPoints(context, request); });
}

// A Monitor and its Engine as Central sees them: the test says what they say.
class FakeMonitor {
 public:
  FakeMonitor(CentralWorld& world, std::string cp) : cp_(std::move(cp)) {
    auto stub = pb::LinkService::NewStub(world.channel());
    stream_ = stub->Link(&context_);
    thread_ = std::jthread([this] {
      pb::LinkDown message;
      while (stream_->Read(&message)) inbox_.Put(message);
      inbox_.End(stream_->Finish());
    });
  }
  ~FakeMonitor() { context_.TryCancel(); }

  // Hello, Welcome, configuration, and the first beat under it.
  void Connect() {
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

  void SayHello() {
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
  void Beat(common::EngineHealth health = common::ENGINE_HEALTH_HEALTHY) {
    pb::LinkUp up;
    up.mutable_beat()->set_engine_health(health);
    if (health != common::ENGINE_HEALTH_SILENT) *up.mutable_beat()->mutable_report() = report_;
    Say(up);
  }
  void Say(const pb::LinkUp& up) {
    MutexLock lock(mutex_);
    stream_->Write(up);
  }
  void CloseUp() { stream_->WritesDone(); }
  void Cancel() { context_.TryCancel(); }

  std::optional<pb::Command> TakeCommand(absl::Duration limit = kPatience) {
    const auto down = inbox_.Take([](const pb::LinkDown& d) { return d.has_command(); }, limit);
    if (!down.has_value()) return std::nullopt;
    return down->command();
  }
  // Answers the next command, which must be PrepareSession, with consent.
  common::Grant GrantNext() {
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
  void Occupy(const common::Grant& grant, common::OccupancyPhase phase) {
    report_.set_grant_mark(grant.grant_number());
    report_.mutable_occupancy()->set_session_id(grant.session_id());
    report_.mutable_occupancy()->set_grant_number(grant.grant_number());
    report_.mutable_occupancy()->set_driver_id(grant.driver_id());
    report_.mutable_occupancy()->set_phase(phase);
  }

  Inbox<pb::LinkDown>& inbox() { return inbox_; }
  common::EngineReport& report() { return report_; }
  const common::Configuration& configuration() const { return configuration_; }
  std::int64_t epoch() const { return epoch_; }

 private:
  const std::string cp_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriterInterface<pb::LinkUp, pb::LinkDown>> stream_;
  Mutex mutex_;  // One write at a time.
  Inbox<pb::LinkDown> inbox_;
  common::EngineReport report_;
  common::Configuration configuration_;
  std::int64_t epoch_ = 0;
  std::jthread thread_;  // Last: it uses the rest.
};

class CentralTest : public ::testing::Test {
 protected:
  // A connected charging point that can be charged at.
  std::unique_ptr<FakeMonitor> Connected(CentralWorld& world, const std::string& cp = "cp_001") {
    auto monitor = std::make_unique<FakeMonitor>(world, cp);
    monitor->Connect();
    EXPECT_TRUE(world.Becomes(cp, common::CHARGING_POINT_STATE_AVAILABLE));
    return monitor;
  }
  // A granted session.
  common::Grant Granted(CentralWorld& world, FakeMonitor& monitor, const std::string& cp = "cp_001",
                        const std::string& driver = "driver_001") {
    auto session = world.StartAsync(CentralWorld::StartRequest(driver, cp));
    const common::Grant grant = monitor.GrantNext();
    EXPECT_THAT(session.get(), IsOk());
    return grant;
  }
};

}  // namespace ev::central

#endif  // EV_TESTS_INTEGRATION_CENTRAL_CENTRAL_WORLD_H_
