// Charges and failures, as Central sees them.

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/engine/engine_monitor_world.h"

namespace ev {
namespace {

using ::testing::HasSubstr;

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

// B90
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

// B50
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
  ASSERT_TRUE(Eventually(kPatience, [&] { return !Stored("charging_session_complete").empty(); }));
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
  struct Answer {
    const char* id;
    common::DenialReason reason;
    absl::StatusCode code;
  };
  for (const auto& [id, reason, code] :
       {Answer{"r1", common::DENIAL_REASON_POINT_STOPPED, absl::StatusCode::kFailedPrecondition},
        Answer{"r2", common::DENIAL_REASON_REQUEST_ID_REUSED, absl::StatusCode::kInvalidArgument},
        Answer{"r3", common::DENIAL_REASON_INVALID_FIELD, absl::StatusCode::kInvalidArgument}}) {
    engine_pb::RequestSessionRequest request;
    request.set_request_id(id);
    request.set_driver_id("driver_009");
    request.mutable_target()->set_energy_mwh(1000);
    absl::StatusOr<engine_pb::RequestSessionResponse> response;
    std::jthread person([&] { response = Call(&engine_pb::EngineService::StubInterface::RequestSession, request); });
    ASSERT_TRUE(central.WaitFor(kPatience, [id = id](const central_pb::LinkUp& m) {
      return m.has_session_request() && m.session_request().request_id() == id &&
             m.session_request().driver_id() == "driver_009" && m.session_request().target().energy_mwh() == 1000;
    }));
    central_pb::LinkDown answer;
    answer.mutable_session_request_answer()->set_request_id(id);
    answer.mutable_session_request_answer()->mutable_denial()->set_reason(reason);
    answer.mutable_session_request_answer()->mutable_denial()->set_text("because");
    central.Send(answer);
    person.join();
    EXPECT_THAT(response, StatusIs(code, HasSubstr("because")));
    EXPECT_EQ("DENIAL_REASON_" + DetailOf(response.status()).reason, common::DenialReason_Name(reason));
  }
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
  const auto denied = Call(&engine_pb::EngineService::StubInterface::RequestSession, request);
  EXPECT_EQ(DetailOf(denied.status()).reason, "CENTRAL_UNREACHABLE") << denied.status();
}

}  // namespace
}  // namespace ev
