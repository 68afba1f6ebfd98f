// Nothing leaves before what it says is durable.

#include <gmock/gmock.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "tests/integration/central/central_world.h"
#include "tests/support/logged_lines.h"

namespace ev::central {
namespace {

using DurabilityTest = CentralTest;

// Long enough for a reply that leaves too soon to arrive.
constexpr auto kShort = std::chrono::milliseconds(200);

template <typename T>
bool IsReady(std::future<T>& future) {
  return future.wait_for(kShort) == std::future_status::ready;
}

// B100
TEST_F(DurabilityTest, ARepliedWriteIsInTheStoreAndNoSooner) {
  CentralWorld world;
  world.store().Hold();
  auto created = std::async(std::launch::async, [&] { return world.Create("cp_009"); });
  ASSERT_TRUE(world.store().WaitForCommit());
  EXPECT_FALSE(IsReady(created));
  world.store().Release();
  EXPECT_THAT(created.get(), IsOk());
}

// B100
TEST_F(DurabilityTest, AReadAndADenialWaitForWhatTheyHaveSeen) {
  CentralWorld world;
  world.store().Hold();
  auto created = std::async(std::launch::async, [&] { return world.Create("cp_009"); });
  ASSERT_TRUE(world.store().WaitForCommit());
  auto read = std::async(std::launch::async, [&] { return world.Get("cp_009"); });
  auto listed = std::async(std::launch::async, [&] { return world.Call(pb::ListChargingPointsRequest()); });
  auto denied = world.StartAsync(world.StartRequest("driver_001", "cp_009"));
  EXPECT_FALSE(IsReady(read));
  EXPECT_FALSE(IsReady(listed));
  EXPECT_FALSE(IsReady(denied));
  world.store().Release();
  EXPECT_THAT(read.get(), IsOk());
  EXPECT_EQ(listed.get()->charging_points_size(), 1);
  EXPECT_THAT(denied.get(), Fails(absl::StatusCode::kFailedPrecondition, "POINT_DISCONNECTED"));
  EXPECT_THAT(created.get(), IsOk());
}

// B100
TEST_F(DurabilityTest, TheCommandLeavesWhenItsGrantIsDurable) {
  CentralWorld world;
  const auto monitor = Connected(world);
  world.store().Hold();
  auto session = world.StartAsync(world.StartRequest("driver_001", "cp_001"));
  ASSERT_TRUE(world.store().WaitForCommit());
  EXPECT_FALSE(monitor->TakeCommand(absl::FromChrono(kShort)).has_value());
  world.store().Release();
  EXPECT_NE(monitor->GrantNext().session_id(), "");
  EXPECT_THAT(session.get(), IsOk());
}

// B100
TEST_F(DurabilityTest, TheWelcomeLeavesWhenItsEpochIsDurable) {
  CentralWorld world;
  world.store().Hold();
  FakeMonitor monitor(world, "cp_001");
  monitor.SayHello();
  ASSERT_TRUE(world.store().WaitForCommit());
  EXPECT_FALSE(monitor.inbox().TakeAny(absl::FromChrono(kShort)).has_value());
  world.store().Release();
  const auto welcome = monitor.inbox().TakeAny();
  EXPECT_TRUE(welcome.has_value() && welcome->has_welcome());
}

// B100
TEST_F(DurabilityTest, AChangeIsShownToWatchersAndBookedIsSaidWhenItIsDurable) {
  CentralWorld world;
  const auto monitor = Connected(world);
  const common::Grant grant = Granted(world, *monitor);
  const auto watcher = WatchSessions(world, {});
  ASSERT_TRUE(
      watcher->inbox().Take([](const pb::WatchSessionsResponse& m) { return m.has_snapshot_complete(); }).has_value());
  world.store().Hold();
  world.Deliver(world.MakeFact(FactKind::kFinal, grant, 1, 1'000'000));
  ASSERT_TRUE(world.store().WaitForCommit());
  EXPECT_FALSE(watcher->inbox().TakeAny(absl::FromChrono(kShort)).has_value());
  EXPECT_FALSE(monitor->inbox()
                   .Take([](const pb::LinkDown& d) { return d.has_settlement(); }, absl::ZeroDuration())
                   .has_value());
  EXPECT_EQ(world.GetSession(grant.session_id())->state(), common::SESSION_STATE_GRANTED);
  world.store().Release();
  EXPECT_TRUE(
      watcher->inbox().Take([](const pb::WatchSessionsResponse& m) { return m.changed().has_ticket(); }).has_value());
  EXPECT_TRUE(monitor->inbox().Take([](const pb::LinkDown& d) { return d.has_settlement(); }).has_value());
}

TEST_F(DurabilityTest, ALinkThatGoesWhileItsEpochIsWrittenIsClosed) {
  CentralWorld world;
  world.store().Hold();
  {
    FakeMonitor monitor(world, "cp_001");
    monitor.SayHello();
    ASSERT_TRUE(world.store().WaitForCommit());
    monitor.Cancel();
    ASSERT_TRUE(Eventually(kPatience, [&] { return world.links().size() == 0; }));
  }
  world.store().Release();
  EXPECT_TRUE(Eventually(kPatience, [&] {
    const auto info = world.Call(pb::GetServerInfoRequest());
    return info.ok() && info->charging_point_count() == 1 && info->linked_charging_point_count() == 0;
  }));
}

TEST_F(DurabilityTest, AStoppedCentralTellsItsCallersToAskAgain) {
  CentralWorld world;
  const auto monitor = Connected(world);
  world.host().Stop(absl::Seconds(1));
  const auto refused = world.Get("cp_001");
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(DetailOf(refused.status()).retry_after.has_value());
  const auto listed = world.Call(pb::ListChargingPointsRequest());
  EXPECT_THAT(listed, StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(DurabilityTest, WhoWaitsWhenCentralStopsIsToldToAskAgain) {
  CentralWorld world;
  const auto monitor = Connected(world);
  auto asked = world.StartAsync(world.StartRequest("driver_001", "cp_001"));
  ASSERT_TRUE(monitor->TakeCommand().has_value());
  world.host().Stop(absl::Seconds(1));
  const auto answer = asked.get();
  EXPECT_THAT(answer, Fails(absl::StatusCode::kUnavailable, "STOPPING"));
  EXPECT_TRUE(DetailOf(answer.status()).retry_after.has_value());
}

TEST_F(DurabilityTest, WhatIsNotCommittedBeforeTheEndIsSaid) {
  const LoggedLines logged;
  CentralWorld world;
  world.store().Hold();
  auto created = std::async(std::launch::async, [&] { return world.Create("cp_001"); });
  ASSERT_TRUE(world.store().WaitForCommit());
  auto stopped = std::async(std::launch::async, [&] { world.host().Stop(absl::Milliseconds(1)); });
  EXPECT_TRUE(Eventually(kPatience, [&] {
    const std::vector<std::string> lines = logged.Get();
    return std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
      return absl::StrContains(line, "not everything was committed before the end");
    });
  }));
  world.store().Release();
  stopped.get();
  created.wait();
}

TEST_F(DurabilityTest, AnOutboxThatCannotBeReadIsCounted) {
  CentralWorld world;
  EXPECT_THAT(world.Metrics(), ::testing::HasSubstr("\nev_outbox_read_failures_total 0\n"));
  world.store().LoseOutbox();
  world.Restart();
  // By the look at the start, and by this one.
  EXPECT_THAT(world.Metrics(), ::testing::HasSubstr("\nev_outbox_read_failures_total 2\n"));
}

}  // namespace
}  // namespace ev::central
