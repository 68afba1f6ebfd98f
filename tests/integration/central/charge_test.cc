// A whole charge, over real gRPC.

#include "tests/integration/central/central_world.h"

namespace ev::central {
namespace {

using ChargeTest = CentralTest;

TEST_F(ChargeTest, AWholeChargeEndsWithOneTicketThatEqualsTheFinalFigures) {
  CentralWorld world;
  const auto monitor = Connected(world);

  auto start = world.StartRequest("driver_001", "cp_001", "r1");
  start.mutable_target()->set_energy_mwh(20'000'000);
  auto asked = world.StartAsync(start);
  const common::Grant grant = monitor->GrantNext();
  EXPECT_EQ(grant.driver_id(), "driver_001");
  EXPECT_EQ(grant.charging_point_id(), "cp_001");
  EXPECT_EQ(grant.target().energy_mwh(), 20'000'000);
  EXPECT_EQ(grant.price().micros_per_kwh(), 350'000);
  EXPECT_EQ(grant.price().currency(), "EUR");
  const auto session = asked.get();
  ASSERT_THAT(session, IsOk());
  EXPECT_EQ(session->state(), common::SESSION_STATE_GRANTED);
  EXPECT_EQ(session->grant_number(), grant.grant_number());
  EXPECT_EQ(session->target().energy_mwh(), 20'000'000);
  EXPECT_TRUE(session->has_request_time());
  EXPECT_FALSE(session->has_start_time());
  EXPECT_FALSE(session->has_ticket());

  EXPECT_TRUE(world.Becomes("cp_001", common::CHARGING_POINT_STATE_RESERVED));
  world.Deliver(world.MakeFact(FactKind::kStart, grant, 0, 0));
  world.Deliver(world.MakeFact(FactKind::kSample, grant, 1, 1'234'567));
  monitor->Occupy(grant, common::OCCUPANCY_PHASE_CHARGING);
  monitor->Beat();
  ASSERT_TRUE(world.Becomes("cp_001", common::CHARGING_POINT_STATE_CHARGING));
  const auto point = world.Get("cp_001");
  EXPECT_EQ(point->current_session().session_id(), grant.session_id());
  EXPECT_EQ(point->current_session().driver_id(), "driver_001");
  EXPECT_EQ(point->current_session().energy_mwh(), 1'234'567);
  EXPECT_EQ(point->current_session().power_w(), 11'000);
  EXPECT_EQ(point->current_session().amount_micros(), 432'098);  // 432098.45

  const Fact final = world.MakeFact(FactKind::kFinal, grant, 2, 10'000'001);
  world.Deliver(final);
  const auto settled =
      monitor->inbox().Take([](const pb::LinkDown& d) { return d.has_settlement() && d.settlement().settles_final(); });
  ASSERT_TRUE(settled.has_value());
  EXPECT_EQ(settled->settlement().session_id(), grant.session_id());
  EXPECT_EQ(settled->settlement().verdict(), common::SETTLEMENT_VERDICT_BOOKED);

  const auto done = world.GetSession(grant.session_id());
  ASSERT_THAT(done, IsOk());
  EXPECT_EQ(done->state(), common::SESSION_STATE_COMPLETED);
  EXPECT_EQ(done->end_reason(), common::END_REASON_UNPLUGGED);
  EXPECT_EQ(done->ticket().energy_mwh(), 10'000'001);
  EXPECT_EQ(done->ticket().amount_micros(), 3'500'000);  // 3500000.35
  EXPECT_EQ(done->ticket().amount_micros(), done->amount_micros());
  EXPECT_EQ(done->ticket().kind(), common::TICKET_KIND_FINAL);
  EXPECT_FALSE(done->ticket().estimated());
  EXPECT_FALSE(done->has_adjustment());

  pb::ListTicketsRequest list;
  list.set_session_id(grant.session_id());
  const auto tickets = world.Call(list);
  ASSERT_THAT(tickets, IsOk());
  ASSERT_EQ(tickets->tickets_size(), 1);
  EXPECT_EQ(tickets->tickets(0).SerializeAsString(), done->ticket().SerializeAsString());

  monitor->report().clear_occupancy();
  monitor->Beat();
  EXPECT_TRUE(world.Becomes("cp_001", common::CHARGING_POINT_STATE_AVAILABLE));
  EXPECT_FALSE(world.Get("cp_001")->has_current_session());
}

TEST_F(ChargeTest, TheChargingPointsDenialReachesTheDriverWithItsReason) {
  CentralWorld world;
  const auto monitor = Connected(world);
  auto asked = world.StartAsync(world.StartRequest("driver_001", "cp_001"));
  const auto command = monitor->TakeCommand();
  ASSERT_TRUE(command.has_value());
  EXPECT_GT(command->time_left().seconds(), 0);
  EXPECT_EQ(command->prepare_session().plug_in_time().seconds(), 30);
  pb::LinkUp up;
  up.mutable_command_answer()->set_command_id(command->command_id());
  auto* prepared = up.mutable_command_answer()->mutable_prepared();
  prepared->mutable_denial()->set_reason(common::DENIAL_REASON_MONITOR_MISSING);
  prepared->mutable_denial()->set_text("nobody\x1b[31m watches");
  prepared->set_grant_mark(command->prepare_session().grant().grant_number());
  monitor->Say(up);

  const auto session = asked.get();
  EXPECT_THAT(session, Fails(absl::StatusCode::kFailedPrecondition, "MONITOR_MISSING"));
  EXPECT_EQ(session.status().message(), "nobody [31m watches") << "control characters of a peer reach nobody";
  const ErrorDetail detail = DetailOf(session.status());
  EXPECT_EQ(detail.metadata.at("charging_point_id"), "cp_001");
  const auto denied = world.GetSession(detail.metadata.at("session_id"));
  ASSERT_THAT(denied, IsOk());
  EXPECT_EQ(denied->state(), common::SESSION_STATE_DENIED);
  EXPECT_EQ(denied->denial().reason(), common::DENIAL_REASON_MONITOR_MISSING);
}

TEST_F(ChargeTest, AnAnswerThatDoesNotComeLeavesTheSessionUnconfirmedAndThePointReserved) {
  CentralWorld world;
  const auto monitor = Connected(world);
  auto asked = world.StartAsync(world.StartRequest("driver_001", "cp_001"));
  ASSERT_TRUE(monitor->TakeCommand().has_value());
  world.clock().Advance(absl::Seconds(31));
  const auto session = asked.get();
  ASSERT_THAT(session, IsOk());
  EXPECT_EQ(session->state(), common::SESSION_STATE_UNCONFIRMED);
  EXPECT_THAT(world.StartCharge(world.StartRequest("driver_002", "cp_001")),
              Fails(absl::StatusCode::kFailedPrecondition, "POINT_BUSY"));
}

TEST_F(ChargeTest, AnUndeliveredCommandIsNoDenial) {
  CentralWorld world;
  const auto monitor = Connected(world);
  auto asked = world.StartAsync(world.StartRequest("driver_001", "cp_001"));
  const auto command = monitor->TakeCommand();
  ASSERT_TRUE(command.has_value());
  pb::LinkUp up;
  up.mutable_command_answer()->set_command_id(command->command_id());
  up.mutable_command_answer()->mutable_undelivered()->set_cause(pb::UNDELIVERED_CAUSE_UNKNOWN);
  monitor->Say(up);
  const auto session = asked.get();
  ASSERT_THAT(session, IsOk());
  EXPECT_EQ(session->state(), common::SESSION_STATE_UNCONFIRMED);
  // The cancel that follows tells what became of it.
  const auto cancel = monitor->TakeCommand();
  ASSERT_TRUE(cancel.has_value() && cancel->has_cancel_grant());
  EXPECT_EQ(cancel->cancel_grant().session_id(), session->session_id());
  pb::LinkUp cancelled;
  cancelled.mutable_command_answer()->set_command_id(cancel->command_id());
  cancelled.mutable_command_answer()->mutable_cancelled()->set_fate(common::GRANT_FATE_NEVER_SEEN);
  cancelled.mutable_command_answer()->mutable_cancelled()->set_grant_mark(cancel->cancel_grant().grant_number());
  monitor->report().set_grant_mark(cancel->cancel_grant().grant_number());
  monitor->Say(cancelled);
  EXPECT_TRUE(Eventually(
      kPatience, [&] { return world.GetSession(session->session_id())->state() == common::SESSION_STATE_DENIED; }));
}

TEST_F(ChargeTest, APersonAtTheChargingPointIsAnsweredDownTheLink) {
  CentralWorld world;
  const auto monitor = Connected(world);
  pb::LinkUp up;
  up.mutable_session_request()->set_request_id("button-1");
  up.mutable_session_request()->set_driver_id("driver_007");
  monitor->Say(up);
  const common::Grant grant = monitor->GrantNext();
  EXPECT_EQ(grant.driver_id(), "driver_007");
  const auto is_answer = [](const pb::LinkDown& d) { return d.has_session_request_answer(); };
  const auto answer = monitor->inbox().Take(is_answer);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->session_request_answer().request_id(), "button-1");
  EXPECT_EQ(answer->session_request_answer().session_id(), grant.session_id());
  EXPECT_TRUE(world.GetSession(grant.session_id())->requested_at_point());

  // The same request again is the same session; another one finds the point busy.
  monitor->Say(up);
  EXPECT_EQ(monitor->inbox().Take(is_answer)->session_request_answer().session_id(), grant.session_id());
  up.mutable_session_request()->set_request_id("button-2");
  monitor->Say(up);
  EXPECT_EQ(monitor->inbox().Take(is_answer)->session_request_answer().denial().reason(),
            common::DENIAL_REASON_POINT_BUSY);
}

// B152
TEST_F(ChargeTest, ARequestMadeAtThePointUnderAnIdThatWasUsedForAnotherIsToldSo) {
  CentralWorld world;
  const auto monitor = Connected(world);
  pb::LinkUp up;
  up.mutable_session_request()->set_request_id("button-1");
  up.mutable_session_request()->set_driver_id("driver_007");
  monitor->Say(up);
  monitor->GrantNext();
  const auto is_answer = [](const pb::LinkDown& d) { return d.has_session_request_answer(); };
  ASSERT_TRUE(monitor->inbox().Take(is_answer).has_value());
  up.mutable_session_request()->mutable_target()->set_energy_mwh(1000);
  monitor->Say(up);
  EXPECT_EQ(monitor->inbox().Take(is_answer)->session_request_answer().denial().reason(),
            common::DENIAL_REASON_REQUEST_ID_REUSED);
}

TEST_F(ChargeTest, WhatAPersonMistypedIsDeniedAndTheLinkStays) {
  CentralWorld world;
  const auto monitor = Connected(world);
  pb::LinkUp up;
  up.mutable_session_request()->set_request_id("button-1");
  up.mutable_session_request()->set_driver_id("driver\n007");
  monitor->Say(up);
  const auto answer = monitor->inbox().Take([](const pb::LinkDown& d) { return d.has_session_request_answer(); });
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->session_request_answer().denial().reason(), common::DENIAL_REASON_INVALID_FIELD);
  EXPECT_EQ(world.links().size(), 1u);
  EXPECT_EQ(world.Get("cp_001")->state(), common::CHARGING_POINT_STATE_AVAILABLE);
}

TEST_F(ChargeTest, AStopReachesTheChargingPointAndItsRealAnswerComesBack) {
  CentralWorld world;
  const auto monitor = Connected(world);
  const common::Grant grant = Granted(world, *monitor);
  world.Deliver(world.MakeFact(FactKind::kStart, grant, 0, 0));
  monitor->Occupy(grant, common::OCCUPANCY_PHASE_CHARGING);
  monitor->Beat();
  ASSERT_TRUE(world.Becomes("cp_001", common::CHARGING_POINT_STATE_CHARGING));

  EXPECT_THAT(world.StopAsync(grant.session_id(), "driver_002").get(),
              Fails(absl::StatusCode::kPermissionDenied, "NOT_YOUR_SESSION"));

  auto stopping = world.StopAsync(grant.session_id(), "driver_001");
  const auto command = monitor->TakeCommand();
  ASSERT_TRUE(command.has_value() && command->has_stop_session());
  EXPECT_EQ(command->stop_session().session_id(), grant.session_id());
  EXPECT_EQ(command->stop_session().reason(), common::END_REASON_DRIVER_STOP);
  pb::LinkUp up;
  up.mutable_command_answer()->set_command_id(command->command_id());
  up.mutable_command_answer()->mutable_stopped()->set_fate(common::STOP_FATE_STOPPED);
  up.mutable_command_answer()->mutable_stopped()->set_end_reason(common::END_REASON_DRIVER_STOP);
  monitor->Say(up);
  const auto stopped = stopping.get();
  ASSERT_THAT(stopped, IsOk());
  EXPECT_EQ(stopped->state(), common::SESSION_STATE_AWAITING_FINAL);

  world.Deliver(world.MakeFact(FactKind::kFinal, grant, 1, 5'000'000));
  ASSERT_TRUE(Eventually(
      kPatience, [&] { return world.GetSession(grant.session_id())->state() == common::SESSION_STATE_COMPLETED; }));
  // A stop of what is over returns it, ticket and all.
  const auto again = world.StopAsync(grant.session_id()).get();
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->ticket().energy_mwh(), 5'000'000);
}

// B78
TEST_F(ChargeTest, AStopThatMeetsAChargeWhichHasJustEndedIsAnsweredThatItAwaitsItsFinal) {
  CentralWorld world;
  const auto monitor = Connected(world);
  const common::Grant grant = Granted(world, *monitor);
  world.Deliver(world.MakeFact(FactKind::kStart, grant, 0, 0));
  monitor->Occupy(grant, common::OCCUPANCY_PHASE_CHARGING);
  monitor->Beat();
  ASSERT_TRUE(world.Becomes("cp_001", common::CHARGING_POINT_STATE_CHARGING));
  auto stopping = world.StopAsync(grant.session_id());
  const auto command = monitor->TakeCommand();
  ASSERT_TRUE(command.has_value() && command->has_stop_session());
  pb::LinkUp up;
  up.mutable_command_answer()->set_command_id(command->command_id());
  up.mutable_command_answer()->mutable_stopped()->set_fate(common::STOP_FATE_NOT_RUNNING);
  up.mutable_command_answer()->mutable_stopped()->set_end_reason(common::END_REASON_UNPLUGGED);
  monitor->Say(up);
  const auto stopped = stopping.get();
  ASSERT_THAT(stopped, IsOk());
  EXPECT_EQ(stopped->state(), common::SESSION_STATE_AWAITING_FINAL);
}

TEST_F(ChargeTest, AGrantThatIsStoppedBeforePlugInIsCancelledAtThePoint) {
  CentralWorld world;
  const auto monitor = Connected(world);
  const common::Grant grant = Granted(world, *monitor);
  auto stopping = world.StopAsync(grant.session_id());
  const auto command = monitor->TakeCommand();
  ASSERT_TRUE(command.has_value() && command->has_cancel_grant());
  EXPECT_EQ(command->cancel_grant().grant_number(), grant.grant_number());
  pb::LinkUp up;
  up.mutable_command_answer()->set_command_id(command->command_id());
  up.mutable_command_answer()->mutable_cancelled()->set_fate(common::GRANT_FATE_RELEASED);
  up.mutable_command_answer()->mutable_cancelled()->set_grant_mark(grant.grant_number());
  monitor->Say(up);
  const auto stopped = stopping.get();
  ASSERT_THAT(stopped, IsOk());
  EXPECT_EQ(stopped->state(), common::SESSION_STATE_EXPIRED);
  EXPECT_EQ(stopped->denial().reason(), common::DENIAL_REASON_CANCELLED);
  const auto again = world.StopAsync(grant.session_id()).get();
  ASSERT_THAT(again, IsOk()) << "it is at its end, which is what was asked for";
  EXPECT_EQ(again->state(), common::SESSION_STATE_EXPIRED);
}

TEST_F(ChargeTest, TheOpenSessionAndTheOperatorsStopOutliveARestartOfCentral) {
  CentralWorld world;
  auto monitor = Connected(world);
  const common::Grant grant = Granted(world, *monitor);
  pb::StopChargingPointRequest stop;
  stop.set_charging_point_id("cp_001");
  stop.set_reason("cable damaged");
  stop.set_requested_by("anna");
  ASSERT_THAT(world.Call(stop), IsOk());
  const std::int64_t old_epoch = monitor->epoch();
  const common::Revision before = world.Get("cp_001")->revision();
  monitor.reset();
  world.Restart();

  EXPECT_EQ(world.Get("cp_001")->state(), common::CHARGING_POINT_STATE_DISCONNECTED);
  EXPECT_EQ(world.GetSession(grant.session_id())->state(), common::SESSION_STATE_GRANTED);
  EXPECT_GT(world.Get("cp_001")->revision().incarnation(), before.incarnation());
  FakeMonitor again(world, "cp_001");
  again.Occupy(grant, common::OCCUPANCY_PHASE_CHARGING);
  again.Connect();
  EXPECT_GT(again.epoch(), old_epoch);
  ASSERT_TRUE(world.Becomes("cp_001", common::CHARGING_POINT_STATE_CHARGING));
  const auto point = world.Get("cp_001");
  ASSERT_EQ(point->causes_size(), 1);
  EXPECT_EQ(point->causes(0).cause(), common::OUT_OF_SERVICE_CAUSE_OPERATOR);
  EXPECT_EQ(point->causes(0).requested_by(), "anna");
  EXPECT_EQ(point->causes(0).reason(), "cable damaged");
  EXPECT_FALSE(point->causes(0).network_wide());
}

}  // namespace
}  // namespace ev::central
