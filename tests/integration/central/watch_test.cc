// Watch streams: snapshot, marker, changes, heartbeats.

#include <gmock/gmock.h>

#include <set>

#include "tests/integration/central/central_world.h"

namespace ev::central {
namespace {

using Points = pb::WatchChargingPointsResponse;
using Sessions = pb::WatchSessionsResponse;

bool IsNewer(const common::Revision& a, const common::Revision& b) {
  return std::pair(a.incarnation(), a.counter()) > std::pair(b.incarnation(), b.counter());
}

using WatchTest = CentralTest;

// B153
TEST_F(WatchTest, PointsComeAsSnapshotThenMarkerThenChanges) {
  CentralWorld world;
  const auto monitor = Connected(world);
  ASSERT_THAT(world.Create("cp_002"), IsOk());
  const auto watcher = WatchPoints(world, {});
  std::set<std::string> snapshot;
  std::optional<Points> message;
  while ((message = watcher->inbox().TakeAny()).has_value() && message->has_charging_point()) {
    snapshot.insert(message->charging_point().charging_point_id());
  }
  ASSERT_TRUE(message.has_value() && message->has_snapshot_complete());
  EXPECT_EQ(message->snapshot_complete().item_count(), 2);
  EXPECT_EQ(snapshot, (std::set<std::string>{"cp_001", "cp_002"}));

  ASSERT_THAT(world.Create("cp_003"), IsOk());
  auto changed = watcher->inbox().TakeAny();
  ASSERT_TRUE(changed.has_value() && changed->has_changed());
  EXPECT_EQ(changed->changed().charging_point_id(), "cp_003");

  const common::Grant grant = Granted(world, *monitor);
  const auto reserved = watcher->inbox().Take(
      [](const Points& m) { return m.changed().state() == common::CHARGING_POINT_STATE_RESERVED; });
  ASSERT_TRUE(reserved.has_value());
  EXPECT_EQ(reserved->changed().current_session().session_id(), grant.session_id());
  EXPECT_TRUE(IsNewer(world.Get("cp_001")->revision(), reserved->changed().revision()));

  pb::DeleteChargingPointRequest remove;
  remove.set_charging_point_id("cp_003");
  ASSERT_THAT(world.Call(remove), IsOk());
  EXPECT_TRUE(
      watcher->inbox().Take([](const Points& m) { return m.deleted_charging_point_id() == "cp_003"; }).has_value());
}

TEST_F(WatchTest, APointWatchIsFiltered) {
  CentralWorld world;
  const auto monitor = Connected(world);
  ASSERT_THAT(world.Create("cp_002"), IsOk());
  pb::WatchChargingPointsRequest by_site;
  by_site.set_site("centre");
  const auto centre = WatchPoints(world, by_site);
  EXPECT_EQ(centre->inbox().TakeAny()->charging_point().charging_point_id(), "cp_001");
  EXPECT_EQ(centre->inbox().TakeAny()->snapshot_complete().item_count(), 1);
  pb::WatchChargingPointsRequest by_id;
  by_id.set_charging_point_id("cp_009");  // Not there yet.
  const auto one = WatchPoints(world, by_id);
  ASSERT_TRUE(one->inbox().TakeAny()->has_snapshot_complete());
  ASSERT_THAT(world.Create("cp_008"), IsOk());
  ASSERT_THAT(world.Create("cp_009"), IsOk());
  EXPECT_EQ(one->inbox().TakeAny()->changed().charging_point_id(), "cp_009");

  by_id.set_charging_point_id("a b");
  const auto end = WatchPoints(world, by_id)->inbox().WaitForEnd();
  ASSERT_TRUE(end.has_value());
  EXPECT_THAT(*end, FailsAtField("charging_point_id"));
}

// B153
TEST_F(WatchTest, SessionsComeAsSnapshotThenMarkerThenChangesToTheTicket) {
  CentralWorld world;
  const auto monitor = Connected(world);
  const common::Grant grant = Granted(world, *monitor);
  pb::WatchSessionsRequest mine;
  mine.set_driver_id("driver_001");
  pb::WatchSessionsRequest others;
  others.set_driver_id("driver_002");
  const auto watcher = WatchSessions(world, mine);
  const auto other = WatchSessions(world, others);
  const auto open = watcher->inbox().TakeAny();
  ASSERT_TRUE(open.has_value() && open->has_session());
  EXPECT_EQ(open->session().session_id(), grant.session_id());
  EXPECT_EQ(open->session().state(), common::SESSION_STATE_GRANTED);
  EXPECT_EQ(watcher->inbox().TakeAny()->snapshot_complete().item_count(), 1);
  EXPECT_EQ(other->inbox().TakeAny()->snapshot_complete().item_count(), 0);

  world.Deliver(world.MakeFact(FactKind::kStart, grant, 0, 0));
  world.Deliver(world.MakeFact(FactKind::kSample, grant, 1, 1'000'000));
  common::Revision last = open->session().revision();
  std::optional<Sessions> message;
  do {
    message = watcher->inbox().TakeAny();
    ASSERT_TRUE(message.has_value() && message->has_changed());
    EXPECT_TRUE(IsNewer(message->changed().revision(), last)) << "a change that is not newer than what was shown";
    last = message->changed().revision();
  } while (message->changed().energy_mwh() != 1'000'000);
  EXPECT_EQ(message->changed().state(), common::SESSION_STATE_CHARGING);

  world.Deliver(world.MakeFact(FactKind::kFinal, grant, 2, 2'000'000));
  message = watcher->inbox().Take([](const Sessions& m) { return m.changed().has_ticket(); });
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->changed().state(), common::SESSION_STATE_COMPLETED);
  EXPECT_EQ(message->changed().ticket().energy_mwh(), 2'000'000);
  EXPECT_FALSE(other->inbox().TakeAny(absl::ZeroDuration()).has_value()) << "another driver's session";

  // Afterwards it is in no snapshot, unless it is asked for.
  EXPECT_EQ(WatchSessions(world, mine)->inbox().TakeAny()->snapshot_complete().item_count(), 0);
  mine.set_session_id(grant.session_id());
  const auto asked = WatchSessions(world, mine)->inbox().TakeAny();
  EXPECT_EQ(asked->session().ticket().energy_mwh(), 2'000'000);
}

TEST_F(WatchTest, AWatchOfAnUnknownSessionEndsAndBadFiltersAreNamed) {
  CentralWorld world;
  pb::WatchSessionsRequest request;
  request.set_session_id("00000000000000000000000000000000");
  const auto end = WatchSessions(world, request)->inbox().WaitForEnd();
  ASSERT_TRUE(end.has_value());
  EXPECT_THAT(*end, Fails(absl::StatusCode::kNotFound, "SESSION_UNKNOWN"));
  request.set_session_id("x");
  EXPECT_THAT(*WatchSessions(world, request)->inbox().WaitForEnd(), FailsAtField("session_id"));
}

// B84
TEST_F(WatchTest, TheDriverIsToldThatTheChargingPointIsGone) {
  CentralWorld world;
  const auto monitor = Connected(world);
  const common::Grant grant = Granted(world, *monitor);
  const auto watcher = WatchSessions(world, {});
  ASSERT_TRUE(watcher->inbox().Take([](const Sessions& m) { return m.has_snapshot_complete(); }).has_value());
  world.clock().Advance(absl::Minutes(11));  // The stream stays open; nobody beats.
  const auto told = watcher->inbox().Take([](const Sessions& m) { return !m.changed().notice().empty(); });
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->changed().notice(), "the charging point is disconnected");
  // Whoever asks afterwards is told the same.
  EXPECT_EQ(world.GetSession(grant.session_id())->notice(), "the charging point is disconnected");
  EXPECT_EQ(world.Call(pb::ListSessionsRequest())->sessions(0).notice(), "the charging point is disconnected");
  EXPECT_EQ(WatchSessions(world, {})->inbox().TakeAny()->session().notice(), "the charging point is disconnected");
  const auto point = world.Get("cp_001");
  EXPECT_EQ(point->state(), common::CHARGING_POINT_STATE_DISCONNECTED);
  EXPECT_EQ(point->current_session().session_id(), grant.session_id());
  EXPECT_FALSE(point->connection().connected());
  EXPECT_EQ(point->connection().last_state(), common::CHARGING_POINT_STATE_RESERVED);
  EXPECT_TRUE(point->connection().has_last_seen_time());
  EXPECT_EQ(point->connection().monitor_version(), "9.9");
  EXPECT_THAT(world.StopAsync(grant.session_id()).get(), Fails(absl::StatusCode::kUnavailable, "POINT_DISCONNECTED"));
  EXPECT_EQ(world.GetSession(grant.session_id())->stop_requested(), common::END_REASON_OPERATOR_STOP);
  monitor->Beat();
  EXPECT_TRUE(world.Becomes("cp_001", common::CHARGING_POINT_STATE_RESERVED));
  const auto over = watcher->inbox().Take([&](const Sessions& m) {
    return IsNewer(m.changed().revision(), told->changed().revision()) && m.changed().notice().empty();
  });
  EXPECT_TRUE(over.has_value());
  EXPECT_EQ(world.GetSession(grant.session_id())->notice(), "");
  EXPECT_EQ(world.Call(pb::ListSessionsRequest())->sessions(0).notice(), "");
}

// B153
TEST_F(WatchTest, ASilentStreamBeats) {
  WorldOptions options;
  options.watch.heartbeat = absl::Milliseconds(20);
  CentralWorld world(options);
  const auto points = WatchPoints(world, {});
  const auto sessions = WatchSessions(world, {});
  ASSERT_TRUE(points->inbox().TakeAny()->has_snapshot_complete());
  ASSERT_TRUE(sessions->inbox().TakeAny()->has_snapshot_complete());
  for (int i = 0; i < 2; ++i) {
    const auto beat = points->inbox().TakeAny();
    ASSERT_TRUE(beat.has_value() && beat->has_heartbeat());
    EXPECT_GT(beat->heartbeat().time().seconds(), 1'700'000'000);
    EXPECT_TRUE(sessions->inbox().TakeAny()->has_heartbeat());
  }
  EXPECT_EQ(WatchOptions().heartbeat, absl::Seconds(10)) << "what Central runs with";
}

std::string LocationOf(int round) {
  return absl::StrCat(std::string(180, 'x'), round);
}
void Touch(CentralWorld& world, const std::string& cp, int round) {
  pb::UpdateChargingPointRequest request;
  request.mutable_charging_point()->set_charging_point_id(cp);
  request.mutable_charging_point()->set_location(LocationOf(round));
  ASSERT_THAT(world.Call(request), IsOk());
}

TEST_F(WatchTest, ASlowReaderGetsTheNewestOfEachPointAndNoOlderOne) {
  WorldOptions options;
  options.watch.bound = 4;
  CentralWorld world(options);
  ASSERT_THAT(world.Create("cp_001"), IsOk());
  StuckReader reader(world);
  Points message;
  do {
    ASSERT_TRUE(reader.Read(message));
  } while (!message.has_snapshot_complete());
  // More than the transport holds for a reader that does not read.
  constexpr int kRounds = 700;
  for (int round = 1; round <= kRounds; ++round) Touch(world, "cp_001", round);
  int last = 0;
  int read = 0;
  while (last < kRounds) {
    ASSERT_TRUE(reader.Read(message));
    const int round = std::stoi(message.changed().location().substr(180));
    EXPECT_GT(round, last);
    last = round;
    ++read;
  }
  EXPECT_LT(read, kRounds) << "nothing was skipped: the reader was not slow";
}

TEST_F(WatchTest, AReaderWithMoreChangedPointsThanTheBoundIsEnded) {
  WorldOptions options;
  options.watch.bound = 4;
  CentralWorld world(options);
  StuckReader reader(world);
  Points message;
  do {
    ASSERT_TRUE(reader.Read(message));
  } while (!message.has_snapshot_complete());
  constexpr int kPoints = 700;
  for (int i = 0; i < kPoints; ++i) {
    pb::CreateChargingPointRequest request;
    request.mutable_charging_point()->set_charging_point_id(absl::StrCat("cp_", i));
    request.mutable_charging_point()->set_location(std::string(200, 'x'));
    ASSERT_THAT(world.Call(request), IsOk());
  }
  int read = 0;
  while (reader.Read(message)) ++read;
  EXPECT_LT(read, kPoints);
  EXPECT_THAT(reader.Finish(), Fails(absl::StatusCode::kResourceExhausted, "SLOW_CONSUMER"));
}

TEST_F(WatchTest, NothingIsMissedOrShownTwiceBetweenSnapshotAndChanges) {
  CentralWorld world;
  ASSERT_THAT(world.Create("cp_001"), IsOk());
  constexpr int kRounds = 5;
  for (int i = 0; i < 20; ++i) {
    // The watch begins somewhere among the changes, and after the last comes no other that would make up for it.
    std::jthread writer([&] {
      for (int round = 1; round <= kRounds; ++round) Touch(world, "cp_001", i * kRounds + round);
    });
    const auto watcher = WatchPoints(world, {});
    const auto item = watcher->inbox().TakeAny();
    ASSERT_TRUE(item.has_value() && item->has_charging_point());
    common::Revision last = item->charging_point().revision();
    std::string shown = item->charging_point().location();
    ASSERT_TRUE(watcher->inbox().TakeAny()->has_snapshot_complete());
    while (shown != LocationOf((i + 1) * kRounds)) {
      const auto change = watcher->inbox().TakeAny();
      ASSERT_TRUE(change.has_value() && change->has_changed()) << "the last change was missed";
      EXPECT_TRUE(IsNewer(change->changed().revision(), last));
      last = change->changed().revision();
      shown = change->changed().location();
    }
  }
}

TEST_F(WatchTest, AStoppingCentralEndsItsStreams) {
  CentralWorld world;
  const auto points = WatchPoints(world, {});
  const auto sessions = WatchSessions(world, {});
  ASSERT_TRUE(points->inbox().TakeAny().has_value());
  ASSERT_TRUE(sessions->inbox().TakeAny().has_value());
  world.Stop();
  ASSERT_TRUE(points->inbox().WaitForEnd().has_value());
  EXPECT_THAT(*points->inbox().WaitForEnd(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(*sessions->inbox().WaitForEnd(), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace ev::central
