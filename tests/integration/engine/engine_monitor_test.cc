// The Engine and its Monitor over real gRPC, against Central's end of the link played by the test.

#include <grpcpp/channel.h>

#include "base/error_detail.h"
#include "evcharging/engine/v1/engine_service.grpc.pb.h"
#include "evcharging/events/v1/facts.pb.h"
#include "evcharging/monitor/v1/monitor_service.grpc.pb.h"
#include "events/inmemory/inmemory_publisher.h"
#include "events/murmur2.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "journal/inmemory/memory_fact_log.h"
#include "rpc/call.h"
#include "rpc/channel.h"
#include "rpc/client_streams.h"
#include "services/engine/adapters/engine_host.h"
#include "services/engine/adapters/engine_rpc.h"
#include "services/engine/adapters/fact_pump.h"
#include "services/engine/adapters/simulated_meter.h"
#include "services/monitor/adapters/monitor_host.h"
#include "tests/integration/engine/fake_central.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ev {
namespace {

namespace common = evcharging::common::v1;
namespace engine_pb = evcharging::engine::v1;
namespace monitor_pb = evcharging::monitor::v1;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(30);

// ev-engine without main(): its parts on free ports. The log and the broker outlive it.
class EngineUnderTest {
 public:
  EngineUnderTest(const std::string& meter_file, journal::FactLog& log, Publisher& publisher, int port,
                  engine::EngineOptions options) {
    meter_ = *engine::SimulatedMeter::Open(meter_file, {.power_w = 11'000, .full_after = absl::Hours(1)});
    pump_ = std::make_unique<engine::FactPump>(
        engine::PumpOptions{.data_topic = "charging_session_data", .complete_topic = "charging_session_complete"}, log,
        publisher, registry_);
    rpc_ = std::make_unique<engine::EngineRpc>(streams_, clock_, [] { return std::string(); });
    host_ = *engine::EngineHost::Start(
        options,
        {.on_status = [this](const engine::Status& s, bool changed) { rpc_->OnStatus(s, changed); },
         .on_request = [this](const PointRequest& request) { rpc_->OnRequest(request); },
         .on_note = nullptr,
         .on_kept = [this](const journal::LogWrite&) { pump_->Wake(); },
         .on_produce_again = [this] { pump_->ProduceAgain(); }},
        *meter_, log, clock_, std::make_unique<RandomIdSource>());
    rpc_->Serve(*host_);
    server_ = *rpc::Server::Start({.port = port}, {rpc_->service()}, registry_, readiness_, streams_);
  }
  ~EngineUnderTest() { server_->Drain(absl::Seconds(2)); }

  int port() const { return server_->port(); }
  std::string address() const { return server_->address(); }
  engine::EngineHost& host() { return *host_; }

 private:
  SystemClock clock_;
  metrics::Registry registry_{"ev-engine", "0"};
  metrics::Readiness readiness_{registry_, {}};
  rpc::LiveStreams streams_;
  std::unique_ptr<engine::SimulatedMeter> meter_;
  std::unique_ptr<engine::FactPump> pump_;
  std::unique_ptr<engine::EngineRpc> rpc_;
  std::unique_ptr<engine::EngineHost> host_;
  std::unique_ptr<rpc::Server> server_;
};

class MonitorUnderTest {
 public:
  MonitorUnderTest(const std::string& engine, const std::string& central) {
    host_ = std::make_unique<monitor::MonitorHost>(monitor::HostOptions{.core = {.cp = CpId("cp_001")},
                                                                        .engine_address = engine,
                                                                        .central_address = central,
                                                                        .location = "Harbour 4",
                                                                        .site = "harbour"},
                                                   clock_, 7, streams_, nullptr);
    server_ = *rpc::Server::Start({}, {host_->service()}, registry_, readiness_, streams_);
  }
  ~MonitorUnderTest() { server_->Drain(absl::Seconds(2)); }

  std::string address() const { return server_->address(); }
  monitor::MonitorHost& host() { return *host_; }

 private:
  SystemClock clock_;
  metrics::Registry registry_{"ev-monitor", "0"};
  metrics::Readiness readiness_{registry_, {}};
  rpc::LiveStreams streams_;
  std::unique_ptr<monitor::MonitorHost> host_;
  std::unique_ptr<rpc::Server> server_;
};

class EngineMonitorTest : public ::testing::Test {
 protected:
  EngineMonitorTest() {
    options.plug_in_delay = absl::Milliseconds(50);
    for (const TopicConfig& topic : Topics().All()) EXPECT_THAT(broker.CreateTopic(topic), IsOk());
    StartEngine(0);
  }

  void StartEngine(int port) {
    engine = std::make_unique<EngineUnderTest>(dir.File("meter"), log, publisher, port, options);
    channel = rpc::MakeChannel({.target = engine->address(), .retried = {}});
    stub = engine_pb::EngineService::NewStub(channel);
  }
  void StartMonitor() { monitor = std::make_unique<MonitorUnderTest>(engine->address(), central.address()); }

  bool WaitForBeat(std::function<bool(const central_pb::Beat&)> matches) {
    return central.WaitFor(kPatience, [&](const central_pb::LinkUp& m) { return m.has_beat() && matches(m.beat()); });
  }
  bool WaitConfigured(std::int64_t epoch) {
    return WaitForBeat([&](const central_pb::Beat& b) { return b.report().configured_link_epoch() == epoch; });
  }
  central_pb::CommandAnswer WaitForAnswer() {
    central_pb::CommandAnswer answer;
    EXPECT_TRUE(central.WaitFor(kPatience, [&](const central_pb::LinkUp& m) {
      if (m.has_command_answer()) answer = m.command_answer();
      return m.has_command_answer();
    }));
    return answer;
  }
  // Linked, configured, idle.
  void Connect() {
    StartMonitor();
    ASSERT_TRUE(WaitConfigured(1));
  }
  // A running charge under grant 1.
  void StartCharge() {
    Connect();
    central.Send(central.Prepare(1));
    ASSERT_TRUE(WaitForBeat([](const central_pb::Beat& b) {
      return b.report().occupancy().phase() == common::OCCUPANCY_PHASE_CHARGING &&
             b.report().occupancy().energy_mwh() > 0;
    }));
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (engine_pb::EngineService::StubInterface::*method)(grpc::ClientContext*,
                                                                                                const Request&,
                                                                                                Response*),
                                const std::type_identity_t<Request>& request) {
    return rpc::Call(*stub, method, request, kPatience);
  }

  // All facts that the broker has of one topic.
  std::vector<evcharging::events::v1::Fact> Stored(const std::string& topic) {
    std::vector<evcharging::events::v1::Fact> facts;
    const auto slice = broker.Read({topic, PartitionFor("cp_001", 12)}, 0, 10'000);
    if (!slice.ok()) return facts;
    for (const StoredMessage& message : slice->messages) {
      EXPECT_EQ(message.key, "cp_001");
      EXPECT_TRUE(facts.emplace_back().ParseFromString(message.value));
    }
    return facts;
  }

  TempDir dir;
  journal::MemoryFactLog log{"0123456789abcdef0123456789abcdef", 10'000};
  InMemoryLog broker;
  InMemoryPublisher publisher{broker};
  FakeCentral central;
  engine::EngineOptions options;
  std::unique_ptr<EngineUnderTest> engine;
  std::unique_ptr<MonitorUnderTest> monitor;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<engine_pb::EngineService::Stub> stub;
};

TEST_F(EngineMonitorTest, AWholeChargeFromTheGrantToTheSettledFinal) {
  StartMonitor();
  ASSERT_TRUE(central.WaitFor(kPatience, [](const central_pb::LinkUp& m) {
    return m.has_hello() && m.hello().charging_point_id() == "cp_001" && m.hello().location() == "Harbour 4";
  }));
  ASSERT_TRUE(WaitConfigured(1));

  central.Send(central.Prepare(1, /*target_mwh=*/4000));
  const central_pb::CommandAnswer answer = WaitForAnswer();
  EXPECT_EQ(answer.command_id(), "prepare-1");
  ASSERT_TRUE(answer.has_prepared());
  EXPECT_FALSE(answer.prepared().has_denial());
  EXPECT_EQ(answer.prepared().grant_mark(), 1);

  ASSERT_TRUE(WaitForBeat(
      [](const central_pb::Beat& b) { return b.report().occupancy().phase() == common::OCCUPANCY_PHASE_CHARGING; }));
  ASSERT_TRUE(WaitForBeat([](const central_pb::Beat& b) {
    return b.has_report() && !b.report().has_occupancy() && b.report().unsettled_size() == 1 &&
           b.report().unsettled(0).final_unsettled();
  }));

  ASSERT_TRUE(Eventually(kPatience, [&] { return Stored("charging_session_complete").size() == 1; }));
  const auto final = Stored("charging_session_complete")[0];
  EXPECT_EQ(final.energy_mwh(), 4000);
  EXPECT_EQ(final.amount_micros(), 1400);
  EXPECT_EQ(final.session_final().end_reason(), common::END_REASON_TARGET_REACHED);
  EXPECT_EQ(final.session_final().grant().signature(), "signed");
  const auto data = Stored("charging_session_data");
  ASSERT_GE(data.size(), 2u);
  EXPECT_TRUE(data[0].has_session_start());
  EXPECT_TRUE(data[1].has_sample());
  EXPECT_EQ(final.session_final().register_mwh() - data[0].session_start().register_mwh(), 4000);

  central_pb::LinkDown settled;
  settled.mutable_settlement()->set_session_id(FakeCentral::SessionOf(1));
  settled.mutable_settlement()->set_settles_start(true);
  settled.mutable_settlement()->set_settles_final(true);
  settled.mutable_settlement()->set_verdict(common::SETTLEMENT_VERDICT_BOOKED);
  central.Send(settled);
  EXPECT_TRUE(
      WaitForBeat([](const central_pb::Beat& b) { return b.has_report() && b.report().unsettled_size() == 0; }));
  EXPECT_EQ(log.Stats().starts_and_finals, 0);
}

TEST_F(EngineMonitorTest, AStopFromCentralEndsTheChargeAndItsAnswerComesAfterTheFinal) {
  StartCharge();
  central_pb::LinkDown stop;
  stop.mutable_command()->set_command_id("stop");
  stop.mutable_command()->mutable_time_left()->set_seconds(5);
  stop.mutable_command()->mutable_stop_session()->set_session_id(FakeCentral::SessionOf(1));
  stop.mutable_command()->mutable_stop_session()->set_reason(common::END_REASON_OPERATOR_STOP);
  central.Send(stop);
  central_pb::CommandAnswer answer = WaitForAnswer();
  if (answer.command_id() != "stop") answer = WaitForAnswer();
  EXPECT_EQ(answer.stopped().fate(), common::STOP_FATE_STOPPED);
  EXPECT_EQ(log.Stats().starts_and_finals, 2);
}

TEST_F(EngineMonitorTest, UnsettledFactsAreProducedAgainWithTheSameIdsAtALinkUp) {
  StartCharge();
  (void)Call(&engine_pb::EngineService::StubInterface::Unplug, {});
  ASSERT_TRUE(Eventually(kPatience, [&] { return Stored("charging_session_complete").size() == 1; }));
  central.CloseLink(absl::UnavailableError("Central restarts"));
  ASSERT_TRUE(Eventually(kPatience, [&] { return Stored("charging_session_complete").size() == 2; }));
  const auto finals = Stored("charging_session_complete");
  EXPECT_EQ(finals[0].SerializeAsString(), finals[1].SerializeAsString());
}

TEST_F(EngineMonitorTest, WhenCentralIsSilentOnAnOpenStreamTheMonitorDialsAgainAndTheChargeGoesOn) {
  StartCharge();
  central.SetBeats(false);
  ASSERT_TRUE(Eventually(kPatience, [&] { return central.epoch() >= 2; }));
  central.SetBeats(true);
  EXPECT_TRUE(WaitForBeat([&](const central_pb::Beat& b) {
    return b.report().configured_link_epoch() >= 2 &&
           b.report().occupancy().phase() == common::OCCUPANCY_PHASE_CHARGING;
  }));
}

TEST_F(EngineMonitorTest, WhenTheMonitorDiesTheChargeEndsAndNoNewOneStartsUntilOneIsBack) {
  StartCharge();
  monitor.reset();
  ASSERT_TRUE(Eventually(kPatience, [&] { return Stored("charging_session_complete").size() == 1; }));
  EXPECT_EQ(Stored("charging_session_complete")[0].session_final().end_reason(), common::END_REASON_MONITOR_LOST);
  engine_pb::RequestSessionRequest request;
  request.set_driver_id("driver_001");
  const auto denied = Call(&engine_pb::EngineService::StubInterface::RequestSession, request);
  EXPECT_THAT(denied, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(DetailOf(denied.status()).reason, "MONITOR_MISSING");
  StartMonitor();
  EXPECT_TRUE(WaitForBeat([](const central_pb::Beat& b) {
    return b.engine_health() == common::ENGINE_HEALTH_HEALTHY && b.report().configured_link_epoch() == 2;
  }));
}

TEST_F(EngineMonitorTest, AnEngineThatIsGoneIsReportedAndTheNextOneIsConfiguredAndClosesTheSession) {
  StartCharge();
  const int port = engine->port();
  engine.reset();
  ASSERT_TRUE(WaitForBeat([](const central_pb::Beat& b) { return b.engine_health() == common::ENGINE_HEALTH_SILENT; }));

  central.Send(central.Prepare(2));
  central_pb::CommandAnswer answer = WaitForAnswer();
  if (answer.command_id() != "prepare-2") answer = WaitForAnswer();
  ASSERT_TRUE(answer.has_undelivered());
  EXPECT_EQ(answer.undelivered().cause(), central_pb::UNDELIVERED_CAUSE_NOT_SENT);

  StartEngine(port);
  ASSERT_TRUE(WaitForBeat([](const central_pb::Beat& b) {
    return b.engine_health() == common::ENGINE_HEALTH_HEALTHY && b.report().configured_link_epoch() == 1;
  }));
  ASSERT_TRUE(Eventually(kPatience, [&] { return Stored("charging_session_complete").size() == 1; }));
  const auto final = Stored("charging_session_complete")[0];
  EXPECT_EQ(final.session_final().end_reason(), common::END_REASON_ENGINE_RESTARTED);
  EXPECT_GT(final.energy_mwh(), 0);
}

TEST_F(EngineMonitorTest, AFaultIsReportedEndsTheChargeAndIsClearedAgain) {
  StartCharge();
  engine_pb::InjectFaultRequest fault;
  fault.set_fault("ground fault");
  const auto faulted = Call(&engine_pb::EngineService::StubInterface::InjectFault, fault);
  ASSERT_THAT(faulted, IsOk());
  EXPECT_EQ(faulted->report().health(), common::ENGINE_HEALTH_FAULTED);
  EXPECT_FALSE(faulted->energy_flows());
  EXPECT_TRUE(WaitForBeat([](const central_pb::Beat& b) {
    return b.engine_health() == common::ENGINE_HEALTH_FAULTED && b.fault() == "ground fault";
  }));
  EXPECT_THAT(Call(&engine_pb::EngineService::StubInterface::ClearFault, {}), IsOk());
  EXPECT_TRUE(
      WaitForBeat([](const central_pb::Beat& b) { return b.engine_health() == common::ENGINE_HEALTH_HEALTHY; }));
}

TEST_F(EngineMonitorTest, ARequestMadeAtThePointGoesToCentralAndItsAnswerComesBack) {
  Connect();
  engine_pb::RequestSessionRequest request;
  request.set_request_id("r1");
  request.set_driver_id("driver_009");
  request.mutable_target()->set_energy_mwh(1000);
  absl::StatusOr<engine_pb::RequestSessionResponse> response;
  std::jthread person([&] { response = Call(&engine_pb::EngineService::StubInterface::RequestSession, request); });
  ASSERT_TRUE(central.WaitFor(kPatience, [](const central_pb::LinkUp& m) {
    return m.has_session_request() && m.session_request().request_id() == "r1" &&
           m.session_request().driver_id() == "driver_009" && m.session_request().target().energy_mwh() == 1000;
  }));
  central_pb::LinkDown answer;
  answer.mutable_session_request_answer()->set_request_id("r1");
  answer.mutable_session_request_answer()->mutable_denial()->set_reason(common::DENIAL_REASON_POINT_STOPPED);
  answer.mutable_session_request_answer()->mutable_denial()->set_text("out of service");
  central.Send(answer);
  person.join();
  EXPECT_THAT(response, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("out of service")));
  EXPECT_EQ(DetailOf(response.status()).reason, "POINT_STOPPED");
}

TEST_F(EngineMonitorTest, WithoutCentralARequestMadeAtThePointIsDeniedAtOnce) {
  Connect();
  central.SetBeats(false);
  central.SetConfigures(false);
  ASSERT_TRUE(Eventually(kPatience, [&] {
    const auto status = engine->host().GetStatus();
    return !status.central_age || *status.central_age > absl::Seconds(3);
  }));
  engine_pb::RequestSessionRequest request;
  request.set_driver_id("driver_001");
  EXPECT_FALSE(Call(&engine_pb::EngineService::StubInterface::RequestSession, request).ok());
}

TEST_F(EngineMonitorTest, BadFieldsAreNamed) {
  const auto field = [](const absl::Status& status) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    const ErrorDetail detail = DetailOf(status);
    return detail.fields.empty() ? std::string() : detail.fields[0].field;
  };
  using Stub = engine_pb::EngineService::StubInterface;
  EXPECT_EQ(field(Call(&Stub::PrepareSession, {}).status()), "grant.session_id");
  EXPECT_EQ(field(Call(&Stub::CancelGrant, {}).status()), "grant_number");
  EXPECT_EQ(field(Call(&Stub::StopSession, {}).status()), "session_id");
  EXPECT_EQ(field(Call(&Stub::RequestSession, {}).status()), "driver_id");
  engine_pb::InjectFaultRequest fault;
  fault.set_fault(std::string(201, 'x'));
  EXPECT_EQ(field(Call(&Stub::InjectFault, fault).status()), "fault");
  engine_pb::StopSessionRequest stop;
  stop.set_session_id(FakeCentral::SessionOf(1));
  EXPECT_EQ(field(Call(&Stub::StopSession, stop).status()), "reason");
}

TEST_F(EngineMonitorTest, ACommandOfAnOlderLinkIsRefused) {
  Connect();
  central.CloseLink(absl::UnavailableError("again"));
  ASSERT_TRUE(WaitConfigured(2));
  engine_pb::CancelGrantRequest cancel;
  cancel.set_link_epoch(1);
  cancel.set_grant_number(5);
  const auto refused = Call(&engine_pb::EngineService::StubInterface::CancelGrant, cancel);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(DetailOf(refused.status()).reason, "LINK_OUTDATED");
  EXPECT_EQ(engine->host().GetStatus().report.mark, GrantNumber());
  cancel.set_link_epoch(2);
  const auto cancelled = Call(&engine_pb::EngineService::StubInterface::CancelGrant, cancel);
  ASSERT_THAT(cancelled, IsOk());
  EXPECT_EQ(cancelled->fate(), common::GRANT_FATE_NEVER_SEEN);
  EXPECT_EQ(cancelled->grant_mark(), 5);
}

// A Monitor's stream by hand.
class AttachClient {
 public:
  AttachClient(engine_pb::EngineService::Stub& stub) {
    stream_ =
        Stream::Start(streams_, 16,
                      {.on_message = [](const engine_pb::AttachDown&) {},
                       .on_closed =
                           [this](const absl::Status& status) {
                             MutexLock lock(mutex_);
                             closed_ = status;
                           }},
                      [&](grpc::ClientContext* context, auto* reactor) { stub.async()->Attach(context, reactor); });
  }
  ~AttachClient() {
    stream_->Cancel();
    streams_.WaitUntilEmpty(kPatience);
  }
  void Say(const std::string& cp, std::int64_t epoch) {
    engine_pb::AttachUp up;
    up.set_charging_point_id(cp);
    up.set_link_epoch(epoch);
    stream_->Write(up);
  }
  absl::Status WaitClosed() {
    EXPECT_TRUE(Eventually(kPatience, [&] {
      MutexLock lock(mutex_);
      return closed_.has_value();
    }));
    MutexLock lock(mutex_);
    return closed_.value_or(absl::OkStatus());
  }

 private:
  using Stream = rpc::ClientBidi<engine_pb::AttachUp, engine_pb::AttachDown>;
  rpc::LiveStreams streams_;
  std::shared_ptr<Stream> stream_;
  Mutex mutex_;
  std::optional<absl::Status> closed_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(EngineMonitorTest, AnotherChargingPointsMonitorIsRefused) {
  Connect();
  AttachClient stranger(*stub);
  stranger.Say("cp_002", 9);
  const absl::Status closed = stranger.WaitClosed();
  EXPECT_THAT(closed, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(DetailOf(closed).reason, "WRONG_POINT");
  EXPECT_EQ(engine->host().GetStatus().cp, CpId("cp_001"));
}

TEST_F(EngineMonitorTest, AnOlderMonitorsStreamEndsAsSuperseded) {
  AttachClient older(*stub);
  older.Say("cp_001", 3);
  ASSERT_TRUE(Eventually(kPatience, [&] { return engine->host().GetStatus().link_epoch == LinkEpoch(3); }));
  AttachClient newer(*stub);
  newer.Say("cp_001", 4);
  const absl::Status closed = older.WaitClosed();
  EXPECT_THAT(closed, StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(DetailOf(closed).reason, "SUPERSEDED");
}

TEST_F(EngineMonitorTest, AWatcherGetsTheSnapshotAMarkerAndThenChanges) {
  Mutex mutex;
  std::vector<engine_pb::WatchStatusResponse> seen;
  rpc::LiveStreams streams;
  auto watch = rpc::ClientWatch<engine_pb::WatchStatusResponse>::Start(
      streams,
      {.on_message =
           [&](const engine_pb::WatchStatusResponse& event) {
             MutexLock lock(mutex);
             if (!event.has_heartbeat()) seen.push_back(event);
           },
       .on_closed = nullptr},
      [&, request = engine_pb::WatchStatusRequest()](grpc::ClientContext* context, auto* reactor) {
        stub->async()->WatchStatus(context, &request, reactor);
      });
  EXPECT_TRUE(Eventually(kPatience, [&] {
    MutexLock lock(mutex);
    return seen.size() >= 2;
  }));
  EXPECT_THAT(Call(&engine_pb::EngineService::StubInterface::PlugIn, {}), IsOk());
  EXPECT_TRUE(Eventually(kPatience, [&] {
    MutexLock lock(mutex);
    return seen.size() >= 3;
  }));
  watch->Cancel();
  EXPECT_TRUE(streams.WaitUntilEmpty(kPatience));
  MutexLock lock(mutex);
  EXPECT_TRUE(seen[0].has_status());
  EXPECT_TRUE(seen[1].has_snapshot_complete());
  ASSERT_TRUE(seen[2].has_changed());
  EXPECT_EQ(seen[2].changed().plug_state(), engine_pb::PLUG_STATE_PLUGGED_IN);
}

TEST_F(EngineMonitorTest, TheMonitorTellsHowItsLinkAndItsEngineAre) {
  Connect();
  auto monitor_channel = rpc::MakeChannel({.target = monitor->address(), .retried = {}});
  auto monitor_stub = monitor_pb::MonitorService::NewStub(monitor_channel);
  const auto status = rpc::Call(*monitor_stub, &monitor_pb::MonitorService::StubInterface::GetStatus, {}, kPatience);
  ASSERT_THAT(status, IsOk());
  EXPECT_EQ(status->charging_point_id(), "cp_001");
  EXPECT_EQ(status->link().state(), monitor_pb::LINK_STATE_CONNECTED);
  EXPECT_EQ(status->link().link_epoch(), 1);
  EXPECT_EQ(status->engine_health(), common::ENGINE_HEALTH_HEALTHY);
  EXPECT_EQ(status->engine_status().charging_point_id(), "cp_001");
  EXPECT_EQ(status->forwarded().configurations(), 1);

  Mutex mutex;
  std::vector<monitor_pb::WatchStatusResponse> seen;
  rpc::LiveStreams streams;
  auto watch = rpc::ClientWatch<monitor_pb::WatchStatusResponse>::Start(
      streams,
      {.on_message =
           [&](const monitor_pb::WatchStatusResponse& event) {
             MutexLock lock(mutex);
             if (!event.has_heartbeat()) seen.push_back(event);
           },
       .on_closed = nullptr},
      [&, request = monitor_pb::WatchStatusRequest()](grpc::ClientContext* context, auto* reactor) {
        monitor_stub->async()->WatchStatus(context, &request, reactor);
      });
  EXPECT_TRUE(Eventually(kPatience, [&] {
    MutexLock lock(mutex);
    return seen.size() >= 2;
  }));
  engine_pb::InjectFaultRequest fault;
  EXPECT_THAT(Call(&engine_pb::EngineService::StubInterface::InjectFault, fault), IsOk());
  EXPECT_TRUE(Eventually(kPatience, [&] {
    MutexLock lock(mutex);
    return seen.size() >= 3 && seen.back().changed().engine_health() == common::ENGINE_HEALTH_FAULTED;
  }));
  watch->Cancel();
  EXPECT_TRUE(streams.WaitUntilEmpty(kPatience));
  MutexLock lock(mutex);
  EXPECT_TRUE(seen[0].has_status());
  EXPECT_TRUE(seen[1].has_snapshot_complete());
}

}  // namespace
}  // namespace ev
