// Many at once.

#include <gmock/gmock.h>

#include <atomic>

#include "tests/integration/central/central_world.h"

namespace ev::central {
namespace {

using RaceTest = CentralTest;

// B5
TEST_F(RaceTest, OfManyDriversAtOnceExactlyOneIsGranted) {
  CentralWorld world;
  const auto monitor = Connected(world);
  constexpr int kDrivers = 8;
  std::vector<std::future<absl::StatusOr<pb::Session>>> asked;
  for (int i = 0; i < kDrivers; ++i) {
    asked.push_back(world.StartAsync(world.StartRequest(absl::StrCat("driver_", i), "cp_001")));
  }
  const common::Grant grant = monitor->GrantNext();
  int granted = 0;
  int busy = 0;
  for (auto& future : asked) {
    const auto session = future.get();
    if (session.ok()) {
      ++granted;
      EXPECT_EQ(session->session_id(), grant.session_id());
    } else if (ReasonOf(session) == "POINT_BUSY") {
      ++busy;
    }
  }
  EXPECT_EQ(granted, 1);
  EXPECT_EQ(busy, kDrivers - 1);
  EXPECT_FALSE(monitor->TakeCommand(absl::ZeroDuration()).has_value()) << "a second command left";
}

TEST_F(RaceTest, ManyPointsChargeAtOnceAndEachGetsItsTicket) {
  CentralWorld world;
  constexpr int kPoints = 6;
  const auto watcher = WatchSessions(world, {});
  std::vector<std::jthread> charges;
  std::atomic<int> tickets = 0;
  Mutex facts;
  for (int i = 0; i < kPoints; ++i) {
    charges.emplace_back([&, i] {
      const std::string cp = absl::StrCat("cp_", i);
      const auto monitor = Connected(world, cp);
      const common::Grant grant = Granted(world, *monitor, cp, absl::StrCat("driver_", i));
      {
        MutexLock lock(facts);  // One consumer thread, as in Central.
        world.Deliver(world.MakeFact(FactKind::kStart, grant, 0, 0));
        world.Deliver(world.MakeFact(FactKind::kFinal, grant, 1, 1'000 * (i + 1)));
      }
      if (Eventually(kPatience, [&] { return world.GetSession(grant.session_id())->has_ticket(); })) ++tickets;
      EXPECT_EQ(world.GetSession(grant.session_id())->ticket().energy_mwh(), 1'000 * (i + 1));
    });
  }
  charges.clear();
  EXPECT_EQ(tickets, kPoints);
  for (int i = 0; i < kPoints; ++i) {
    EXPECT_TRUE(
        watcher->inbox().Take([](const pb::WatchSessionsResponse& m) { return m.changed().has_ticket(); }).has_value());
  }
}

TEST_F(RaceTest, LinksThatReplaceEachOtherEndInOneThatWorks) {
  CentralWorld world;
  constexpr int kLinks = 6;
  std::vector<std::unique_ptr<FakeMonitor>> monitors;
  for (int i = 0; i < kLinks; ++i) {
    monitors.push_back(std::make_unique<FakeMonitor>(world, "cp_001"));
  }
  {
    std::vector<std::jthread> hellos;
    for (auto& monitor : monitors) hellos.emplace_back([&monitor] { monitor->SayHello(); });
  }
  ASSERT_TRUE(Eventually(kPatience, [&] { return world.links().size() == 1; })) << "one link is left";
  for (auto& monitor : monitors) monitor->Cancel();
  ASSERT_TRUE(Eventually(kPatience, [&] { return world.links().size() == 0; }));
  const auto last = Connected(world);
  EXPECT_NE(Granted(world, *last).session_id(), "");
}

TEST_F(RaceTest, WatchersThatComeAndGoWhileOthersAreToldHarmNobody) {
  WorldOptions options;
  options.watch.heartbeat = absl::Milliseconds(1);
  CentralWorld world(options);
  std::vector<std::unique_ptr<FakeWatcher<pb::WatchSessionsResponse>>> idle;
  for (int i = 0; i < 60; ++i) idle.push_back(WatchSessions(world, {}));
  std::atomic<int> gone = 0;
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 3; ++i) {
      clients.emplace_back([&] {
        for (int turn = 0; turn < 100; ++turn) {
          const auto watcher = WatchSessions(world, {});
          watcher->inbox().TakeAny(absl::Milliseconds(1));
          ++gone;
        }
      });
    }
  }
  EXPECT_EQ(gone, 300);
  for (const auto& watcher : idle) {
    EXPECT_TRUE(watcher->inbox().Take([](const auto& message) { return message.has_heartbeat(); }).has_value());
  }
}

TEST_F(RaceTest, CallsWatchersAndLinksThatComeAndGoDuringTheStopAllEnd) {
  for (int round = 0; round < 3; ++round) {
    CentralWorld world;
    std::atomic<bool> stop = false;
    std::vector<std::jthread> clients;
    for (int i = 0; i < 3; ++i) {
      clients.emplace_back([&, i] {
        while (!stop) {
          const std::string cp = absl::StrCat("cp_", i);
          FakeMonitor monitor(world, cp);
          monitor.SayHello();
          const auto points = WatchPoints(world, {});
          const auto sessions = WatchSessions(world, {});
          auto asked = world.StartAsync(world.StartRequest("driver_001", cp), absl::Milliseconds(50));
          points->inbox().TakeAny(absl::Milliseconds(20));
          (void)asked.get();
        }
      });
    }
    ASSERT_TRUE(Eventually(kPatience, [&] { return world.links().size() > 0; }));
    world.Stop();
    stop = true;
  }
}

}  // namespace
}  // namespace ev::central
