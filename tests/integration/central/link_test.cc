// LinkService: hellos, epochs, what is refused, what an old link may no longer do.

#include <gmock/gmock.h>

#include "tests/integration/central/central_world.h"

namespace ev::central {
namespace {

using LinkTest = CentralTest;

pb::LinkUp HelloOf(const std::string& cp) {
  pb::LinkUp up;
  up.mutable_hello()->set_charging_point_id(cp);
  return up;
}

TEST_F(LinkTest, AHelloRegistersThePointAndIsWelcomedFirst) {
  CentralWorld world;
  FakeMonitor monitor(world, "cp_001");
  monitor.SayHello();
  const auto welcome = monitor.inbox().TakeAny();
  ASSERT_TRUE(welcome.has_value() && welcome->has_welcome());
  EXPECT_GT(welcome->welcome().link_epoch(), 0);
  EXPECT_EQ(welcome->welcome().central_version(), "test");
  const auto configuration = monitor.inbox().TakeAny();
  ASSERT_TRUE(configuration.has_value() && configuration->has_configuration());
  EXPECT_EQ(configuration->configuration().link_epoch(), welcome->welcome().link_epoch());
  EXPECT_EQ(configuration->configuration().price().micros_per_kwh(), 350'000);
  const auto point = world.Get("cp_001");
  ASSERT_THAT(point, IsOk());
  EXPECT_EQ(point->location(), "Calle Mayor 1, Alicante");
  EXPECT_EQ(point->site(), "centre");
  EXPECT_EQ(point->connection().link_epoch(), welcome->welcome().link_epoch());
}

TEST_F(LinkTest, CentralBeatsDownTheLink) {
  CentralWorld world;
  const auto monitor = Connected(world);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(monitor->inbox().Take([](const pb::LinkDown& d) { return d.has_beat(); }).has_value());
  }
}

TEST_F(LinkTest, APointThatIsNotRegisteredIsRefusedWhenRegistrationIsOff) {
  WorldOptions options;
  options.shard.auto_register = false;
  CentralWorld world(options);
  FakeMonitor monitor(world, "cp_001");
  monitor.SayHello();
  const auto end = monitor.inbox().WaitForEnd();
  ASSERT_TRUE(end.has_value());
  EXPECT_THAT(*end, Fails(absl::StatusCode::kPermissionDenied, "POINT_NOT_REGISTERED"));
  ASSERT_THAT(world.Create("cp_001"), IsOk());
  FakeMonitor again(world, "cp_001");
  again.Connect();
  EXPECT_TRUE(world.Becomes("cp_001", common::CHARGING_POINT_STATE_AVAILABLE));
}

TEST_F(LinkTest, WithoutAHelloTheLinkEnds) {
  CentralWorld world;
  FakeMonitor silent(world, "cp_001");
  ASSERT_TRUE(Eventually(kPatience, [&] { return world.links().size() == 1; }));
  world.clock().Advance(absl::Seconds(6));
  ASSERT_TRUE(silent.inbox().WaitForEnd().has_value());
  EXPECT_THAT(*silent.inbox().WaitForEnd(), Fails(absl::StatusCode::kFailedPrecondition, "HELLO_MISSING"));
  FakeMonitor hasty(world, "cp_001");
  hasty.Beat();
  EXPECT_THAT(*hasty.inbox().WaitForEnd(), Fails(absl::StatusCode::kFailedPrecondition, "HELLO_MISSING"));
}

// B160
TEST_F(LinkTest, BadHellosAreRefusedByField) {
  CentralWorld world;
  const auto refused = [&](auto change) {
    FakeMonitor monitor(world, "cp_001");
    pb::LinkUp up = HelloOf("cp_001");
    change(*up.mutable_hello());
    monitor.Say(up);
    return monitor.inbox().WaitForEnd().value_or(absl::OkStatus());
  };
  using Hello = pb::Hello;
  EXPECT_THAT(refused([](Hello& h) { h.set_charging_point_id(""); }), FailsAtField("hello.charging_point_id"));
  EXPECT_THAT(refused([](Hello& h) { h.set_charging_point_id("cp\x7f"); }), FailsAtField("hello.charging_point_id"));
  EXPECT_THAT(refused([](Hello& h) { h.set_location(std::string(201, 'x')); }), FailsAtField("hello.location"));
  EXPECT_THAT(refused([](Hello& h) { h.set_site("a\nb"); }), FailsAtField("hello.site"));
  EXPECT_THAT(refused([](Hello& h) { h.mutable_report()->set_grant_mark(-1); }), FailsAtField("report.grant_mark"));
  EXPECT_THAT(refused([](Hello& h) { h.mutable_report()->set_grant_mark(INT64_MAX); }),
              FailsAtField("report.grant_mark"));
  EXPECT_THAT(refused([](Hello& h) { h.mutable_report()->set_journal_id("x"); }), FailsAtField("report.journal_id"));
  EXPECT_THAT(refused([](Hello& h) { h.mutable_report()->mutable_occupancy()->set_session_id("x"); }),
              FailsAtField("report.occupancy.session_id"));
  EXPECT_THAT(world.Get("cp_001"), Fails(absl::StatusCode::kNotFound, "POINT_UNKNOWN"));
}

TEST_F(LinkTest, NonsenseAfterTheHelloEndsTheLink) {
  CentralWorld world;
  const auto ended = [&](auto change) {
    FakeMonitor monitor(world, "cp_001");
    monitor.Connect();
    pb::LinkUp up;
    change(up);
    monitor.Say(up);
    return monitor.inbox().WaitForEnd().value_or(absl::OkStatus());
  };
  using Up = pb::LinkUp;
  EXPECT_THAT(ended([](Up& u) { u = HelloOf("cp_001"); }), Fails(absl::StatusCode::kInvalidArgument, "HELLO_REPEATED"));
  EXPECT_THAT(ended([](Up& u) { u.mutable_beat()->mutable_report()->set_unsettled_total(-1); }),
              FailsAtField("report.unsettled_total"));
  EXPECT_THAT(ended([](Up& u) { u.mutable_beat()->set_engine_health(static_cast<common::EngineHealth>(9)); }),
              FailsAtField("beat.engine_health"));
  EXPECT_THAT(ended([](Up& u) {
                for (int i = 0; i < 65; ++i) {
                  u.mutable_beat()->mutable_report()->add_unsettled()->set_session_id(std::string(32, 'a'));
                }
                u.mutable_beat()->mutable_report()->set_unsettled_total(65);
              }),
              FailsAtField("report.unsettled"));
  EXPECT_THAT(ended([](Up& u) {
                auto* occupancy = u.mutable_beat()->mutable_report()->mutable_occupancy();
                occupancy->set_session_id(std::string(32, 'a'));
                occupancy->set_grant_number(1);
                occupancy->set_phase(common::OCCUPANCY_PHASE_CHARGING);
                occupancy->set_energy_mwh(-1);
              }),
              FailsAtField("report.occupancy.energy_mwh"));
  EXPECT_THAT(ended([](Up& u) { u.mutable_command_answer()->set_command_id("none"); }),
              FailsAtField("command_answer.command_id"));
  EXPECT_THAT(ended([](Up& u) { u.mutable_session_request()->set_request_id(std::string(65, 'a')); }),
              FailsAtField("session_request.request_id"));
}

TEST_F(LinkTest, AnAnswerToACommandThatCentralNeverGaveChangesNothing) {
  CentralWorld world;
  const auto monitor = Connected(world);
  pb::LinkUp up;
  up.mutable_command_answer()->set_command_id("4711");
  up.mutable_command_answer()->mutable_prepared();
  monitor->Say(up);
  monitor->Say(pb::LinkUp());  // What a newer Monitor might say.
  const common::Grant grant = Granted(world, *monitor);
  EXPECT_NE(grant.session_id(), "");
}

TEST_F(LinkTest, TheNewestLinkWinsAndTheOldOnesLateCloseChangesNothing) {
  CentralWorld world;
  const auto old = Connected(world);
  FakeMonitor newer(world, "cp_001");
  newer.Connect();
  EXPECT_GT(newer.epoch(), old->epoch());
  const auto end = old->inbox().WaitForEnd();
  ASSERT_TRUE(end.has_value());
  EXPECT_THAT(*end, Fails(absl::StatusCode::kAborted, "SUPERSEDED"));
  ASSERT_TRUE(Eventually(kPatience, [&] { return world.links().size() == 1; })) << "the old stream has not ended";
  // Its close has reached the shard by now, and what was its epoch's is over; the newer link works.
  ASSERT_TRUE(world.Becomes("cp_001", common::CHARGING_POINT_STATE_AVAILABLE));
  const common::Grant grant = Granted(world, newer);
  EXPECT_NE(grant.session_id(), "");
  const auto info = world.Call(pb::GetServerInfoRequest());
  EXPECT_EQ(info->linked_charging_point_count(), 1);
}

TEST_F(LinkTest, WhatAnOldLinkSaysChangesNothing) {
  CentralWorld world;
  const auto old = Connected(world);
  FakeMonitor newer(world, "cp_001");
  newer.Connect();
  old->report().set_fault("old");
  old->Beat(common::ENGINE_HEALTH_FAULTED);
  ASSERT_TRUE(old->inbox().WaitForEnd().has_value());
  ASSERT_TRUE(world.Becomes("cp_001", common::CHARGING_POINT_STATE_AVAILABLE));
  EXPECT_EQ(world.Get("cp_001")->connection().fault(), "");
}

// B35 B36
TEST_F(LinkTest, AClosedStreamIsOnlyAHint) {
  CentralWorld world;
  const auto monitor = Connected(world);
  monitor->CloseUp();
  ASSERT_TRUE(monitor->inbox().WaitForEnd().has_value());
  EXPECT_THAT(*monitor->inbox().WaitForEnd(), IsOk());
  ASSERT_TRUE(Eventually(kPatience, [&] { return world.Metrics().find("\nev_links 0\n") != std::string::npos; }));
  // Commands find no link at once, while the point is shown as before until its silence has lasted.
  EXPECT_THAT(world.StartCharge(world.StartRequest("driver_001", "cp_001")),
              Fails(absl::StatusCode::kFailedPrecondition, "POINT_DISCONNECTED"));
  EXPECT_EQ(world.Get("cp_001")->state(), common::CHARGING_POINT_STATE_AVAILABLE);
  world.clock().Advance(absl::Minutes(11));
  EXPECT_TRUE(world.Becomes("cp_001", common::CHARGING_POINT_STATE_DISCONNECTED));
}

TEST_F(LinkTest, ABeatWithoutAReportKeepsThePointAndASilentEngineFaultsIt) {
  CentralWorld world;
  const auto monitor = Connected(world);
  const common::Grant grant = Granted(world, *monitor);
  monitor->Beat();
  ASSERT_TRUE(world.Becomes("cp_001", common::CHARGING_POINT_STATE_RESERVED));
  pb::LinkUp up;
  up.mutable_beat()->set_engine_health(common::ENGINE_HEALTH_HEALTHY);
  const absl::Time before = absl::Now();
  monitor->Say(up);
  ASSERT_TRUE(Eventually(kPatience, [&] {
    const auto point = world.Get("cp_001");
    return absl::FromUnixSeconds(point->connection().last_seen_time().seconds()) +
               absl::Nanoseconds(point->connection().last_seen_time().nanos()) >=
           before;
  }));
  EXPECT_EQ(world.Get("cp_001")->state(), common::CHARGING_POINT_STATE_RESERVED);
  EXPECT_EQ(world.Get("cp_001")->current_session().session_id(), grant.session_id());
  // Whatever the Engine said last: the Monitor judges.
  up.mutable_beat()->set_engine_health(common::ENGINE_HEALTH_SILENT);
  *up.mutable_beat()->mutable_report() = monitor->report();
  monitor->Say(up);
  ASSERT_TRUE(world.Becomes("cp_001", common::CHARGING_POINT_STATE_FAULTED));
  EXPECT_EQ(world.Get("cp_001")->connection().engine_health(), common::ENGINE_HEALTH_SILENT);
}

TEST_F(LinkTest, WhyNoEnergyFlowsAndThatThePointDoesNotReachKafkaAreSeenAtCentral) {
  CentralWorld world;
  const auto monitor = Connected(world);
  monitor->Occupy(Granted(world, *monitor), common::OCCUPANCY_PHASE_GRANTED);
  monitor->report().mutable_occupancy()->set_waiting_for("Central to be heard");
  monitor->report().set_kafka_fault("no broker answers");
  monitor->Beat();
  EXPECT_TRUE(Eventually(kPatience, [&] {
    const auto point = world.Get("cp_001");
    return point->current_session().waiting_for() == "Central to be heard" &&
           point->connection().kafka_fault() == "no broker answers";
  }));
}

TEST_F(LinkTest, TheEpochIsAboveWhatTheEngineHasSeen) {
  CentralWorld world;
  FakeMonitor monitor(world, "cp_001");
  monitor.report().set_highest_link_epoch(900'000'000'000);
  monitor.report().set_grant_mark(41);
  monitor.Connect();
  EXPECT_GT(monitor.epoch(), 900'000'000'000);
  EXPECT_EQ(monitor.configuration().highest_grant_number(), 41);
  ASSERT_TRUE(world.Becomes("cp_001", common::CHARGING_POINT_STATE_AVAILABLE));
  EXPECT_EQ(Granted(world, monitor).grant_number(), 42);
}

// B122
TEST_F(LinkTest, ALinkMoreThanTheBoundIsRefused) {
  WorldOptions options;
  options.link.max_links = 1;
  CentralWorld world(options);
  const auto first = Connected(world, "cp_001");
  FakeMonitor second(world, "cp_002");
  second.SayHello();
  ASSERT_TRUE(second.inbox().WaitForEnd().has_value());
  EXPECT_THAT(*second.inbox().WaitForEnd(), Fails(absl::StatusCode::kResourceExhausted, "OVERLOADED"));
}

TEST_F(LinkTest, AStoppingCentralEndsItsLinks) {
  CentralWorld world;
  const auto monitor = Connected(world);
  world.Stop();
  ASSERT_TRUE(monitor->inbox().WaitForEnd().has_value());
  EXPECT_THAT(*monitor->inbox().WaitForEnd(), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace ev::central
