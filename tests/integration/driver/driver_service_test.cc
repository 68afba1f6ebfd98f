#include <gmock/gmock.h>

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "rpc/call.h"
#include "tests/integration/driver/driver_world.h"
#include "tests/support/status_matchers.h"

namespace ev::driver {
namespace {

namespace central_pb = evcharging::central::v1;
namespace common_pb = evcharging::common::v1;
namespace driver_pb = evcharging::driver::v1;

using driver_pb::DriverService;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string ReasonOf(const absl::Status& status) {
  return DetailOf(status).reason;
}

class DriverServiceTest : public DriverWorld {
 protected:
  using DriverWorld::DriverWorld;

  absl::StatusOr<central_pb::Session> StartCharge(const std::string& cp, const std::string& request_id = "",
                                                  absl::Duration timeout = absl::Seconds(20),
                                                  const std::string& driver = "") {
    driver_pb::StartChargeRequest request;
    request.set_driver_id(driver);
    request.set_charging_point_id(cp);
    request.set_request_id(request_id);
    return rpc::Call(*stub_, &DriverService::StubInterface::StartCharge, request, timeout);
  }

  absl::StatusOr<driver_pb::DriverStatus> GetStatus(const std::string& driver = "") {
    driver_pb::GetStatusRequest request;
    request.set_driver_id(driver);
    return rpc::Call(*stub_, &DriverService::StubInterface::GetStatus, request, absl::Seconds(20));
  }

  // Runs `body` while the driver's clock goes on.
  template <typename Body>
  void WhileTimePasses(Body body) {
    std::jthread time([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        clock_.Advance(absl::Milliseconds(100));
        Eventually(absl::Milliseconds(20), [&] { return stop.stop_requested(); });
      }
    });
    body();
  }
};

// B158
TEST_F(DriverServiceTest, AStartIsAnsweredWithCentralsSession) {
  const auto session = StartCharge("cp_001");
  EV_ASSERT_OK(session);
  EXPECT_EQ(session->state(), common_pb::SESSION_STATE_GRANTED);
  EXPECT_EQ(session->driver_id(), "driver_001");
  EXPECT_EQ(session->price().micros_per_kwh(), 350'000);
  EXPECT_THAT(central_.starts(), SizeIs(1));
  EXPECT_THAT(central_.starts()[0].request_id(), SizeIs(32));
}

TEST_F(DriverServiceTest, CallsDoNotWaitBehindTheWatchesOfManyDrivers) {
  central_.StopServing();
  central_.Serve(/*max_streams=*/2);
  Connect();
  for (int i = 0; i < 10; ++i) {
    EV_EXPECT_OK(StartCharge(absl::StrCat("cp_", i), "", absl::Seconds(20), absl::StrCat("ann_", i)));
  }
}

TEST_F(DriverServiceTest, ARetryAfterUnavailableHasTheSameRequestIdAndMakesOneSession) {
  Connect();
  central_.LoseAnswers(3);
  WhileTimePasses([&] { EV_EXPECT_OK(StartCharge("cp_001")); });
  const auto starts = central_.starts();
  ASSERT_THAT(starts, SizeIs(4));
  for (const auto& start : starts) EXPECT_EQ(start.request_id(), starts[0].request_id());
  EXPECT_THAT(central_.sessions(), SizeIs(1));
  EXPECT_EQ(starts[0].waited().seconds() + starts[0].waited().nanos(), 0);
  EXPECT_GT(starts[3].waited().seconds() * 1'000'000'000 + starts[3].waited().nanos(), 0);
}

// B165
TEST_F(DriverServiceTest, AnOverloadedCentralIsAskedAgainAfterTheWaitThatItNames) {
  Connect();
  central_.Overload(1, absl::Seconds(3));
  WhileTimePasses([&] { EV_EXPECT_OK(StartCharge("cp_001")); });
  const auto starts = central_.starts();
  ASSERT_THAT(starts, SizeIs(2));
  EXPECT_EQ(starts[1].request_id(), starts[0].request_id());
  EXPECT_GE(starts[1].waited().seconds(), 3);
}

TEST_F(DriverServiceTest, TheCallersRequestIdIsCentrals) {
  EV_EXPECT_OK(StartCharge("cp_001", "mine"));
  const auto repeat = StartCharge("cp_001", "mine");
  EV_ASSERT_OK(repeat);
  EXPECT_THAT(central_.sessions(), SizeIs(1));
  EXPECT_EQ(central_.starts()[1].request_id(), "mine");
}

TEST_F(DriverServiceTest, ADenialIsPassedOnWithItsReason) {
  central_.Deny("cp_001", "POINT_BUSY");
  const auto session = StartCharge("cp_001");
  EXPECT_THAT(session, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("says no")));
  EXPECT_EQ(ReasonOf(session.status()), "POINT_BUSY");
}

TEST_F(DriverServiceTest, WithoutCentralACallerIsToldSoBeforeItsDeadline) {
  central_.StopServing();
  WhileTimePasses([&] {
    const auto session = StartCharge("cp_001", "", absl::Seconds(20));
    EXPECT_THAT(session, StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_EQ(ReasonOf(session.status()), "CENTRAL_UNREACHABLE");
  });
  const auto status = GetStatus();
  EV_ASSERT_OK(status);
  EXPECT_FALSE(status->central_reachable());
  EXPECT_THAT(status->central_error(), HasSubstr("central cannot be reached"));
}

// B21
TEST_F(DriverServiceTest, AfterADenialTheNextRequestIsTakenAtOnce) {
  Connect();
  central_.Deny("cp_001", "POINT_FAULTED");
  EXPECT_EQ(ReasonOf(StartCharge("cp_001").status()), "POINT_FAULTED");
  EV_EXPECT_OK(StartCharge("cp_002"));  // Time stands: there is no pause to wait for.
}

// B158
TEST_F(DriverServiceTest, AStopFindsTheDriversSession) {
  EV_ASSERT_OK(StartCharge("cp_001"));
  driver_pb::StopChargeRequest request;
  const auto stopped = rpc::Call(*stub_, &DriverService::StubInterface::StopCharge, request, absl::Seconds(20));
  EV_ASSERT_OK(stopped);
  EXPECT_EQ(stopped->ticket().amount_micros(), 1'099'558);
  EXPECT_EQ(central_.stops().at(0).driver_id(), "driver_001");
  const auto again = rpc::Call(*stub_, &DriverService::StubInterface::StopCharge, request, absl::Seconds(20));
  EXPECT_EQ(ReasonOf(again.status()), "NO_OPEN_SESSION");
  EXPECT_EQ(GetStatus()->last_ticket().amount_micros(), 1'099'558);
}

// B120
TEST_F(DriverServiceTest, ADriverCannotStopTheSessionOfAnother) {
  const std::string id = central_.Open("driver_002", "cp_001", common_pb::SESSION_STATE_CHARGING);
  driver_pb::StopChargeRequest request;
  request.set_session_id(id);
  const auto stopped = rpc::Call(*stub_, &DriverService::StubInterface::StopCharge, request, absl::Seconds(20));
  EXPECT_THAT(stopped, StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(ReasonOf(stopped.status()), "NOT_YOUR_SESSION");
}

// B55 B135
TEST_F(DriverServiceTest, AReturningDriverSeesTheLiveSession) {
  const std::string id = central_.Open("driver_007", "cp_001", common_pb::SESSION_STATE_CHARGING);
  central_.Move(id, common_pb::SESSION_STATE_CHARGING, 2'000'000);
  const auto status = GetStatus("driver_007");
  EV_ASSERT_OK(status);
  ASSERT_EQ(status->open_sessions_size(), 1);
  EXPECT_EQ(status->open_sessions(0).energy_mwh(), 2'000'000);
  EXPECT_TRUE(status->central_reachable());
}

TEST_F(DriverServiceTest, BadFieldsAreNamed) {
  const auto field_of = [](const absl::Status& status) {
    const auto fields = DetailOf(status).fields;
    return fields.empty() ? std::string("none") : fields[0].field;
  };
  EXPECT_EQ(field_of(StartCharge("").status()), "charging_point_id");
  EXPECT_EQ(field_of(StartCharge("cp\n1").status()), "charging_point_id");
  EXPECT_EQ(field_of(StartCharge("cp_001", std::string(65, 'x')).status()), "request_id");
  EXPECT_EQ(field_of(StartCharge("cp_001", "a b").status()), "request_id");
  EXPECT_EQ(field_of(GetStatus("no driver").status()), "driver_id");
  driver_pb::StartChargeRequest start;
  start.set_charging_point_id("cp_001");
  start.mutable_target()->set_energy_mwh(-1);
  EXPECT_EQ(field_of(rpc::Call(*stub_, &DriverService::StubInterface::StartCharge, start, absl::Seconds(20)).status()),
            "target");
  driver_pb::StopChargeRequest stop;
  stop.set_session_id("xyz");
  EXPECT_EQ(field_of(rpc::Call(*stub_, &DriverService::StubInterface::StopCharge, stop, absl::Seconds(20)).status()),
            "session_id");
  stop.set_charging_point_id("cp_001");
  EXPECT_EQ(field_of(rpc::Call(*stub_, &DriverService::StubInterface::StopCharge, stop, absl::Seconds(20)).status()),
            "charging_point_id");
  EXPECT_THAT(central_.starts(), IsEmpty());
}

// B158
TEST_F(DriverServiceTest, HistoryIsCentrals) {
  central_.Complete(central_.Open("driver_001", "cp_001", common_pb::SESSION_STATE_CHARGING),
                    common_pb::END_REASON_UNPLUGGED);
  central_.Open("driver_001", "cp_002", common_pb::SESSION_STATE_CHARGING);
  const auto page =
      rpc::Call(*stub_, &DriverService::StubInterface::ListHistory, driver_pb::ListHistoryRequest(), absl::Seconds(20));
  EV_ASSERT_OK(page);
  ASSERT_EQ(page->sessions_size(), 1);
  EXPECT_EQ(page->sessions(0).ticket().end_reason(), common_pb::END_REASON_UNPLUGGED);
}

// --- lists ---

class RunRequestsTest : public DriverServiceTest {
 protected:
  struct Run {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<driver_pb::RunRequestsResponse>> reader;
  };

  std::unique_ptr<Run> Begin(const std::vector<std::string>& cps, const std::string& request_id = "") {
    driver_pb::RunRequestsRequest request;
    request.set_request_id(request_id);
    for (const std::string& cp : cps) request.add_charging_point_ids(cp);
    auto run = std::make_unique<Run>();
    rpc::SetTimeout(run->context, absl::Seconds(60));
    run->reader = stub_->RunRequests(&run->context, request);
    return run;
  }

  static std::vector<driver_pb::RunRequestsResponse> ReadAll(Run& run) {
    std::vector<driver_pb::RunRequestsResponse> steps;
    for (driver_pb::RunRequestsResponse step; run.reader->Read(&step);) steps.push_back(step);
    return steps;
  }
};

// B17 B21
TEST_F(RunRequestsTest, ADenialDoesNotHangTheListAndTheNextRequestComesFourSecondsLater) {
  Connect();
  central_.Deny("cp_001", "POINT_FAULTED");
  central_.CompleteAtOnce(common_pb::END_REASON_VEHICLE_FULL);
  const auto run = Begin({"cp_001", "cp_002"});
  ASSERT_TRUE(Eventually(absl::Seconds(10), [&] { return central_.starts().size() == 1; }));
  driver_pb::RunRequestsResponse step;
  ASSERT_TRUE(run->reader->Read(&step));
  EXPECT_EQ(step.conclusion().denial().reason(), common_pb::DENIAL_REASON_POINT_FAULTED);
  EXPECT_EQ(step.progress().denied_count(), 1);

  clock_.Advance(absl::Milliseconds(3999));
  // Ticks enough to notice, if it were wrong.
  EXPECT_FALSE(Eventually(absl::Milliseconds(300), [&] { return central_.starts().size() > 1; }));
  clock_.Advance(absl::Milliseconds(1));
  ASSERT_TRUE(Eventually(absl::Seconds(10), [&] { return central_.starts().size() == 2; }));
  EXPECT_EQ(central_.starts()[1].charging_point_id(), "cp_002");

  const auto rest = ReadAll(*run);
  ASSERT_FALSE(rest.empty());
  ASSERT_TRUE(rest.back().has_finished());
  EXPECT_FALSE(rest.back().finished().cancelled());
  EXPECT_EQ(rest.back().progress().completed_count(), 1);
  EXPECT_EQ(rest.back().progress().denied_count(), 1);
  EXPECT_TRUE(run->reader->Finish().ok());
}

// B158
TEST_F(RunRequestsTest, TheSessionIsSeenLiveAndConcludesWithItsTicket) {
  Connect();
  const auto run = Begin({"cp_001"});
  ASSERT_TRUE(Eventually(absl::Seconds(10), [&] { return central_.sessions().size() == 1; }));
  const std::string id = central_.sessions()[0].session_id();
  central_.Move(id, common_pb::SESSION_STATE_CHARGING, 1'000'000);
  central_.Complete(id, common_pb::END_REASON_FAULT);
  const auto steps = ReadAll(*run);
  ASSERT_GE(steps.size(), 3U);
  const auto& conclusion = steps[steps.size() - 2];
  EXPECT_EQ(conclusion.conclusion().ticket().energy_mwh(), 3'141'593);
  EXPECT_EQ(conclusion.progress().failed_count(), 1) << "a fault cut it short";
  EXPECT_TRUE(steps.back().has_finished());
}

// B158
TEST_F(RunRequestsTest, ARepeatAttachesAndAfterTheEndGetsTheSummary) {
  Connect();
  const auto first = Begin({"cp_001"}, "r1");
  ASSERT_TRUE(Eventually(absl::Seconds(10), [&] { return central_.sessions().size() == 1; }));
  const auto second = Begin({"cp_001"}, "r1");
  const auto other = Begin({"cp_001"});
  EXPECT_THAT(ReadAll(*other), IsEmpty());
  EXPECT_EQ(ReasonOf(rpc::FromGrpc(other->reader->Finish())), "RUN_IN_PROGRESS");
  central_.Complete(central_.sessions()[0].session_id(), common_pb::END_REASON_UNPLUGGED);
  EXPECT_TRUE(ReadAll(*first).back().has_finished());
  EXPECT_TRUE(ReadAll(*second).back().has_finished());
  const auto third = Begin({"cp_001"}, "r1");
  const auto summary = ReadAll(*third);
  ASSERT_THAT(summary, SizeIs(1));
  EXPECT_EQ(summary[0].progress().completed_count(), 1);
  EXPECT_THAT(central_.starts(), SizeIs(1));
}

// B81 B158
TEST_F(RunRequestsTest, CancellingTheCallEndsTheListAfterTheChargeAtHandWhichGoesOn) {
  Connect();
  auto run = Begin({"cp_001", "cp_002"});
  ASSERT_TRUE(Eventually(absl::Seconds(10), [&] { return central_.sessions().size() == 1; }));
  run->context.TryCancel();
  EXPECT_FALSE(run->reader->Finish().ok());
  central_.Complete(central_.sessions()[0].session_id(), common_pb::END_REASON_UNPLUGGED);
  ASSERT_TRUE(PassUntil(absl::Seconds(10), [&] { return !agent_.View(DriverId(kDriver)).list.has_value(); }));
  EXPECT_THAT(central_.starts(), SizeIs(1));
  EXPECT_THAT(central_.stops(), IsEmpty());
}

// B21
TEST_F(RunRequestsTest, ATimeoutLetsTheListGoOn) {
  Connect();
  driver_pb::RunRequestsRequest request;
  request.add_charging_point_ids("cp_001");
  request.add_charging_point_ids("cp_002");
  request.mutable_charge_timeout()->set_seconds(5);
  request.mutable_pause()->set_seconds(1);
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(60));
  auto reader = stub_->RunRequests(&context, request);
  WhileTimePasses([&] {
    driver_pb::RunRequestsResponse step;
    std::vector<std::string> failures;
    while (reader->Read(&step)) {
      if (step.has_conclusion()) failures.push_back(step.conclusion().failure());
    }
    EXPECT_THAT(failures, ElementsAre("no conclusion within 5s", "no conclusion within 5s"));
    EXPECT_EQ(step.progress().failed_count(), 2);
  });
}

// --- news from the event log ---

class NewsTest : public DriverServiceTest {
 protected:
  NewsTest() : DriverServiceTest(AgentOptions{.asks = true}) {}
};

TEST_F(NewsTest, WithoutStreamsTheOpenSessionsAreAskedForAndTheNewsCompleteThem) {
  const std::string id = central_.Open("driver_001", "cp_001", common_pb::SESSION_STATE_GRANTED);
  auto status = GetStatus();
  EV_ASSERT_OK(status);
  ASSERT_EQ(status->open_sessions_size(), 1);
  EXPECT_EQ(status->open_sessions(0).state(), common_pb::SESSION_STATE_GRANTED);
  agent_.OnNews({.id = SessionId(id),
                 .cp = CpId("cp_001"),
                 .driver = DriverId(kDriver),
                 .state = SessionState::kCharging,
                 .energy_mwh = 7,
                 .revision = {.incarnation = 1, .counter = 50}});
  status = GetStatus();
  EV_ASSERT_OK(status);
  EXPECT_EQ(status->open_sessions(0).energy_mwh(), 7);
  EXPECT_EQ(central_.watches(), 0);
}

TEST_F(NewsTest, WhatTheLogDidNotTellIsAskedFor) {
  const std::string id = central_.Open("driver_001", "cp_001", common_pb::SESSION_STATE_CHARGING);
  EV_ASSERT_OK(GetStatus());
  central_.Complete(id, common_pb::END_REASON_UNPLUGGED);
  EXPECT_TRUE(PassUntil(absl::Seconds(20), [&] { return agent_.View(DriverId(kDriver)).last_ticket.has_value(); }));
}

TEST_F(NewsTest, ACentralThatGoesAndReturnsIsNoticed) {
  Connect();
  central_.StopServing();
  EXPECT_TRUE(PassUntil(absl::Seconds(60), [&] { return !agent_.central().is_reachable; }));
  central_.Serve();
  EXPECT_TRUE(PassUntil(absl::Seconds(60), [&] { return agent_.central().is_reachable; }));
}

// --- events ---

class WatchEventsTest : public DriverServiceTest {
 protected:
  void Begin() {
    rpc::SetTimeout(context_, absl::Seconds(60));
    reader_ = stub_->WatchEvents(&context_, driver_pb::WatchEventsRequest());
  }
  driver_pb::WatchEventsResponse Read() {
    driver_pb::WatchEventsResponse event;
    EXPECT_TRUE(reader_->Read(&event));
    return event;
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<driver_pb::WatchEventsResponse>> reader_;
};

// B158
TEST_F(WatchEventsTest, TheSnapshotThenTheMarkerThenWhatHappens) {
  const std::string id = central_.Open("driver_001", "cp_001", common_pb::SESSION_STATE_GRANTED);
  Begin();
  EXPECT_EQ(Read().session().session_id(), id);
  EXPECT_EQ(Read().snapshot_complete().item_count(), 1);
  central_.Move(id, common_pb::SESSION_STATE_CHARGING, 5);
  EXPECT_EQ(Read().driver_event().session().energy_mwh(), 5);
  central_.Deny("cp_009", "POINT_UNKNOWN");
  EXPECT_FALSE(StartCharge("cp_009").ok());
  EXPECT_EQ(Read().driver_event().denial().reason(), common_pb::DENIAL_REASON_POINT_UNKNOWN);
  context_.TryCancel();
  reader_->Finish();
}

// B56
TEST_F(WatchEventsTest, ACentralThatGoesAndReturnsIsToldAndWhatEndedMeanwhileIsSeen) {
  const std::string id = central_.Open("driver_001", "cp_001", common_pb::SESSION_STATE_CHARGING);
  Begin();
  EXPECT_EQ(Read().session().session_id(), id);
  EXPECT_TRUE(Read().has_snapshot_complete());
  central_.StopServing();
  driver_pb::WatchEventsResponse event;
  WhileTimePasses([&] { event = Read(); });
  EXPECT_THAT(event.driver_event().notice(), HasSubstr("central cannot be reached"));
  EXPECT_TRUE(Eventually(absl::Seconds(5), [&] { return readiness_.Get().health == metrics::Health::kDegraded; }));
  central_.Complete(id, common_pb::END_REASON_VEHICLE_FULL);
  central_.Serve();
  WhileTimePasses([&] { event = Read(); });
  EXPECT_EQ(event.driver_event().notice(), "central answers again");
  EXPECT_EQ(Read().driver_event().session().ticket().energy_mwh(), 3'141'593);
  EXPECT_TRUE(Eventually(absl::Seconds(5), [&] { return readiness_.Get().health == metrics::Health::kReady; }));
  context_.TryCancel();
  reader_->Finish();
}

TEST_F(WatchEventsTest, MetricsAreThereFromTheStartAndCount) {
  EXPECT_THAT(registry_.RenderText(), HasSubstr("ev_driver_sessions_total{state=\"completed\"} 0"));
  EXPECT_THAT(registry_.RenderText(), HasSubstr("ev_driver_denials_total 0"));
  central_.CompleteAtOnce(common_pb::END_REASON_UNPLUGGED);
  EV_ASSERT_OK(StartCharge("cp_001"));
  EXPECT_TRUE(Eventually(absl::Seconds(5), [&] {
    const std::string text = registry_.RenderText();
    return text.find("ev_driver_sessions_total{state=\"completed\"} 1") != std::string::npos &&
           text.find("ev_driver_followed 1") != std::string::npos &&
           text.find("ev_driver_central_reachable 1") != std::string::npos;
  }));
}

}  // namespace
}  // namespace ev::driver
