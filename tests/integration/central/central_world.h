#ifndef EV_TESTS_INTEGRATION_CENTRAL_CENTRAL_WORLD_H_
#define EV_TESTS_INTEGRATION_CENTRAL_CENTRAL_WORLD_H_

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
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
#include "evcharging/central/v1/charging_point_service.pb.h"
#include "evcharging/central/v1/link_service.pb.h"
#include "evcharging/central/v1/server_service.pb.h"
#include "evcharging/central/v1/session_service.pb.h"
#include "evcharging/central/v1/ticket_service.pb.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "rpc/live_streams.h"
#include "services/central/adapters/link_hub.h"
#include "services/central/adapters/server_service.h"
#include "services/central/adapters/shard_host.h"
#include "services/central/adapters/watch_hub.h"
#include "store/inmemory/inmemory_store.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace grpc {
class Channel;
}

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
  // Runs before each look-up of a session. Set it before any.
  void OnFindSession(std::function<void()> hook) { on_find_session_ = std::move(hook); }
  void LoseOutbox() { is_outbox_lost_ = true; }
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
  absl::StatusOr<Session> FindSession(const SessionId& id) override {
    if (on_find_session_) on_find_session_();
    return inner_.FindSession(id);
  }
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
  absl::StatusOr<std::int64_t> OutboxSize() override {
    if (is_outbox_lost_) return absl::UnavailableError("the outbox cannot be read");
    return inner_.OutboxSize();
  }
  absl::Status DeleteRequestsBefore(absl::Time time) override { return inner_.DeleteRequestsBefore(time); }
  absl::StatusOr<store::Pruned> Prune(absl::Time time, int limit, bool dry_run) override {
    return inner_.Prune(time, limit, dry_run);
  }
  absl::Status CheckMedium() override { return inner_.CheckMedium(); }
  absl::Status CheckIntegrity() override { return inner_.CheckIntegrity(); }

 private:
  store::Store& inner_;
  std::function<void()> on_find_session_;
  std::atomic<bool> is_outbox_lost_ = false;
  Mutex mutex_;
  CondVar changed_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_waiting_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<store::GapRecord> gaps_;
};

// The system's clock, and more when a test says so: nobody waits for a limit to pass.
class AdvancingClock final : public Clock {
 public:
  void Advance(absl::Duration time) {
    MutexLock lock(mutex_);
    ahead_ += time;
  }
  Moment Now() const override {
    MutexLock lock(mutex_);
    const Moment now = system_.Now();
    return {.utc = now.utc + ahead_, .monotonic = now.monotonic + ahead_};
  }

 private:
  const SystemClock system_{};
  mutable Mutex mutex_;
  absl::Duration ahead_ ABSL_GUARDED_BY(mutex_);
};

struct WorldOptions {
  ShardConfig shard;
  LinkOptions link{.version = "test"};
  WatchOptions watch;
  CopyStore copy_store;
  BackupLimits backup;
  std::int64_t backlog_bound = HostOptions().backlog_bound;
  std::int64_t calls_bound = HostOptions().calls_bound;

  WorldOptions() {
    // No test meets a limit by chance: those that are about one advance the clock.
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
  explicit CentralWorld(WorldOptions options = {});
  ~CentralWorld() override;

  // What is not committed is lost, and a new Central opens the same store.
  void Restart() {
    Stop();
    memory_.Restart(absl::Now());
    Start();
  }

  // Ends everything, callers and streams too.
  void Stop();

  ShardHost& host();
  HeldStore& store() { return store_; }
  AdvancingClock& clock() { return clock_; }
  LinkHub& links();
  std::string Metrics() const;
  metrics::Report Readiness() const;
  std::shared_ptr<grpc::Channel> channel();
  std::string address() const;

  Surroundings Now() override {
    MutexLock lock(mutex_);
    return surroundings_;
  }
  void Set(Surroundings surroundings) {
    MutexLock lock(mutex_);
    surroundings_ = std::move(surroundings);
  }

  // One call over the wire; which one the request says.
  absl::StatusOr<pb::ChargingPoint> Call(const pb::CreateChargingPointRequest& request);
  absl::StatusOr<pb::ChargingPoint> Call(const pb::GetChargingPointRequest& request);
  absl::StatusOr<pb::ListChargingPointsResponse> Call(const pb::ListChargingPointsRequest& request);
  absl::StatusOr<pb::ChargingPoint> Call(const pb::UpdateChargingPointRequest& request);
  absl::StatusOr<google::protobuf::Empty> Call(const pb::DeleteChargingPointRequest& request);
  absl::StatusOr<pb::StopChargingPointResponse> Call(const pb::StopChargingPointRequest& request);
  absl::StatusOr<pb::ResumeChargingPointResponse> Call(const pb::ResumeChargingPointRequest& request);
  absl::StatusOr<pb::Session> Call(const pb::StartSessionRequest& request, absl::Duration timeout = kPatience);
  absl::StatusOr<pb::Session> Call(const pb::StopSessionRequest& request);
  absl::StatusOr<pb::Session> Call(const pb::GetSessionRequest& request);
  absl::StatusOr<pb::ListSessionsResponse> Call(const pb::ListSessionsRequest& request);
  absl::StatusOr<pb::Session> Call(const pb::WriteOffSessionRequest& request);
  absl::StatusOr<common::Ticket> Call(const pb::GetTicketRequest& request);
  absl::StatusOr<pb::ListTicketsResponse> Call(const pb::ListTicketsRequest& request);
  absl::StatusOr<pb::ServerInfo> Call(const pb::GetServerInfoRequest& request);
  absl::StatusOr<pb::ListGapsResponse> Call(const pb::ListGapsRequest& request);
  absl::StatusOr<pb::AcceptClusterResponse> Call(const pb::AcceptClusterRequest& request);
  absl::StatusOr<pb::PruneStoreResponse> Call(const pb::PruneStoreRequest& request);
  // Reads a backup: `on_part` is called for each part; false: leave.
  absl::Status Backup(const std::function<bool(const pb::BackupPart&)>& on_part);
  absl::Status Backup(const std::function<bool(const pb::BackupPart&)>& on_part, grpc::ClientContext& context);
  absl::StatusOr<pb::ChargingPoint> GetWithoutDeadline(const std::string& cp);

  absl::StatusOr<pb::ChargingPoint> Create(const std::string& cp, const std::string& request_id = "") {
    pb::CreateChargingPointRequest request;
    request.mutable_charging_point()->set_charging_point_id(cp);
    request.mutable_charging_point()->set_location("Harbour 4");
    request.set_request_id(request_id);
    return Call(request);
  }
  absl::StatusOr<pb::ChargingPoint> Get(const std::string& cp) {
    pb::GetChargingPointRequest request;
    request.set_charging_point_id(cp);
    return Call(request);
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
    return Call(request, timeout);
  }
  std::future<absl::StatusOr<pb::Session>> StartAsync(const pb::StartSessionRequest& request,
                                                      absl::Duration timeout = kPatience) {
    return std::async(std::launch::async, [this, request, timeout] { return StartCharge(request, timeout); });
  }
  std::future<absl::StatusOr<pb::Session>> StopAsync(const std::string& session, const std::string& driver = "") {
    pb::StopSessionRequest request;
    request.set_session_id(session);
    request.set_driver_id(driver);
    return std::async(std::launch::async, [this, request] { return Call(request); });
  }
  absl::StatusOr<pb::Session> GetSession(const std::string& session) {
    pb::GetSessionRequest request;
    request.set_session_id(session);
    return Call(request);
  }

  // --- facts, as they come from Kafka ---
  void Deliver(const Fact& fact);
  Fact MakeFact(FactKind kind, const common::Grant& grant, std::int64_t sequence, std::int64_t energy_mwh);

 private:
  struct Parts;

  void Start();

  const WorldOptions options_;
  AdvancingClock clock_;
  RandomIdSource ids_;
  store::InMemoryStore memory_;
  HeldStore store_;
  absl::flat_hash_map<int, std::int64_t> offsets_;
  Mutex mutex_;
  Surroundings surroundings_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<Parts> parts_;
};

inline std::string ReasonOf(const absl::Status& status) {
  return DetailOf(status).reason;
}
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
  void End(absl::Status status) {
    MutexLock lock(mutex_);
    end_ = std::move(status);
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

// A Watch stream, read by a thread of its own.
template <typename Message>
class FakeWatcher {
 public:
  virtual ~FakeWatcher() = default;
  Inbox<Message>& inbox() { return inbox_; }

 private:
  Inbox<Message> inbox_;
};
std::unique_ptr<FakeWatcher<pb::WatchSessionsResponse>> WatchSessions(CentralWorld& world,
                                                                      const pb::WatchSessionsRequest& request);
std::unique_ptr<FakeWatcher<pb::WatchChargingPointsResponse>> WatchPoints(
    CentralWorld& world, const pb::WatchChargingPointsRequest& request);

// Watches all charging points, and reads only when told to.
class StuckReader {
 public:
  explicit StuckReader(CentralWorld& world);
  ~StuckReader();
  // False: the stream has ended.
  bool Read(pb::WatchChargingPointsResponse& message);
  absl::Status Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A Monitor and its Engine as Central sees them: the test says what they say.
class FakeMonitor {
 public:
  FakeMonitor(CentralWorld& world, std::string cp);
  ~FakeMonitor();

  // Hello, Welcome, configuration, and the first beat under it.
  void Connect();

  void SayHello();
  void Beat(common::EngineHealth health = common::ENGINE_HEALTH_HEALTHY);
  void Say(const pb::LinkUp& up);
  void CloseUp();  // Says no more; hears on.
  void Cancel();

  std::optional<pb::Command> TakeCommand(absl::Duration limit = kPatience);
  // Answers the next command, which must be PrepareSession, with consent.
  common::Grant GrantNext();
  void Occupy(const common::Grant& grant, common::OccupancyPhase phase);

  Inbox<pb::LinkDown>& inbox() { return inbox_; }
  common::EngineReport& report() { return report_; }
  const common::Configuration& configuration() const { return configuration_; }
  std::int64_t epoch() const { return epoch_; }

 private:
  struct Impl;

  const std::string cp_;
  Inbox<pb::LinkDown> inbox_;
  common::EngineReport report_;
  common::Configuration configuration_;
  std::int64_t epoch_ = 0;
  std::unique_ptr<Impl> impl_;  // Last: its thread uses the rest.
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
