// A commit that hangs: what waits for it has a bound, and beyond it Central says so.

#include <gmock/gmock.h>

#include "tests/integration/central/central_world.h"

namespace ev::central {
namespace {

using ::testing::HasSubstr;

class OverloadTest : public CentralTest {
 protected:
  static WorldOptions SmallBacklog() {
    WorldOptions options;
    options.backlog_bound = 50;
    return options;
  }

  ~OverloadTest() override { world_.store().Release(); }

  // The store hangs with a new charging point, and others wait behind it.
  void FallBehind() {
    world_.store().Hold();
    waiting_ = std::async(std::launch::async, [this] { return world_.Create("cp_that_waits"); });
    ASSERT_TRUE(world_.store().WaitForCommit());
    while (!world_.host().is_behind()) {
      EV_ASSERT_OK(world_.host().Apply(0, [](Shard& shard, const Moment& now, Effects& out) {
        shard.ListPoints(now, CallId(0), out);  // Nobody's call.
      }));
    }
  }
  void CatchUp() {
    world_.store().Release();
    EXPECT_THAT(waiting_.get(), IsOk());
    ASSERT_TRUE(Eventually(kPatience, [&] { return !world_.host().is_behind(); }));
  }
  absl::Time LastSeen() {
    Effects unsent;
    EV_EXPECT_OK(
        world_.host().Apply(world_.host().ShardOf(CpId("cp_001")), [&](Shard& shard, const Moment& now, Effects&) {
          shard.GetPoint(now, {.call = CallId(1), .cp = CpId("cp_001")}, unsent);
        }));
    if (unsent.size() != 1) return absl::InfinitePast();
    return std::get<PointView>(std::get<Reply>(unsent[0]).result).last_seen;
  }

  CentralWorld world_{SmallBacklog()};
  std::future<absl::StatusOr<pb::ChargingPoint>> waiting_;
};

// B122 B164
TEST_F(OverloadTest, BeyondTheBoundCallsAreRefusedAtOnceUntilTheStoreGoesOn) {
  ASSERT_THAT(world_.Create("cp_001"), IsOk());
  ASSERT_NO_FATAL_FAILURE(FallBehind());

  // It takes what ends something and goes on by itself: degraded, not taken away.
  const auto is_shown = [&] { return world_.Readiness().health == metrics::Health::kDegraded; };
  EXPECT_TRUE(Eventually(kPatience, is_shown));
  EXPECT_EQ(world_.Readiness().Reasons(), "store: too much waits for it: calls are refused (OVERLOADED)");

  const auto overloaded = Fails(absl::StatusCode::kResourceExhausted, "OVERLOADED");
  const auto got = world_.Get("cp_001");
  EXPECT_THAT(got, overloaded);
  EXPECT_EQ(DetailOf(got.status()).retry_after, absl::Seconds(1));
  EXPECT_THAT(world_.Create("cp_002"), overloaded);
  EXPECT_THAT(world_.Call(pb::ListChargingPointsRequest()), overloaded);
  pb::StopChargingPointRequest stop_all;
  stop_all.set_charging_point_id("-");
  EXPECT_THAT(world_.Call(stop_all), overloaded);
  EXPECT_THAT(world_.StartCharge(CentralWorld::StartRequest("driver_001", "cp_001")), overloaded);
  const auto end = WatchPoints(world_, {})->inbox().WaitForEnd();
  ASSERT_TRUE(end.has_value());
  EXPECT_THAT(*end, overloaded);

  ASSERT_NO_FATAL_FAILURE(CatchUp());
  EXPECT_THAT(world_.Get("cp_002"), Fails(absl::StatusCode::kNotFound, "POINT_UNKNOWN")) << "nothing of it was done";
  EXPECT_EQ(world_.Get("cp_001")->causes_size(), 0);
  EXPECT_TRUE(Eventually(kPatience, [&] { return world_.Readiness().health == metrics::Health::kReady; }));
}

// B122 B164
TEST_F(CentralTest, BeyondTheBoundOfCallsThatWaitForChargingPointsOthersAreRefusedAtOnce) {
  WorldOptions options;
  options.calls_bound = 1;
  CentralWorld world(options);
  const auto monitor = Connected(world);
  auto waiting = std::async(std::launch::async,
                            [&] { return world.StartCharge(CentralWorld::StartRequest("driver_001", "cp_001")); });
  const auto order = monitor->inbox().Take([](const pb::LinkDown& down) { return down.has_command(); });
  ASSERT_TRUE(order.has_value());
  EXPECT_THAT(world.Metrics(), HasSubstr("\nev_calls_waiting 1\n"));
  EXPECT_THAT(world.Metrics(), HasSubstr("\nev_calls_waiting_bound 1\n"));
  EXPECT_THAT(world.Get("cp_001"), Fails(absl::StatusCode::kResourceExhausted, "OVERLOADED"));
  monitor->Cancel();
  EXPECT_THAT(waiting.get(), IsOk()) << "what becomes of it is told later";
  EXPECT_THAT(world.Get("cp_001"), IsOk());
}

// B164
TEST_F(OverloadTest, NewLinksAndRequestsAtAChargingPointAreRefusedToo) {
  const auto monitor = Connected(world_);
  ASSERT_NO_FATAL_FAILURE(FallBehind());

  FakeMonitor second(world_, "cp_002");
  second.SayHello();
  const auto end = second.inbox().WaitForEnd();
  ASSERT_TRUE(end.has_value());
  EXPECT_THAT(*end, Fails(absl::StatusCode::kResourceExhausted, "OVERLOADED"));

  pb::LinkUp up;
  up.mutable_session_request()->set_request_id("request_1");
  up.mutable_session_request()->set_driver_id("driver_001");
  monitor->Say(up);
  const auto answer = monitor->inbox().Take([](const pb::LinkDown& down) { return down.has_session_request_answer(); });
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->session_request_answer().request_id(), "request_1");
  EXPECT_EQ(answer->session_request_answer().denial().reason(), common::DENIAL_REASON_OVERLOADED);
  ASSERT_NO_FATAL_FAILURE(CatchUp());
}

// B122 B164
TEST_F(OverloadTest, NothingGrowsWhileTheStoreHangsAndWhoIsHeardStaysConnected) {
  const auto monitor = Connected(world_);
  ASSERT_NO_FATAL_FAILURE(FallBehind());
  const std::string backlog = [&] {
    const std::string metrics = world_.Metrics();
    const std::size_t at = metrics.find("\nev_commit_backlog ");
    return metrics.substr(at, metrics.find('\n', at + 1) - at + 1);
  }();
  // Longer than the limit of silence in all, in steps in which time goes on for the shards, if it did.
  for (int i = 0; i < 20; ++i) {
    const absl::Time seen = LastSeen();
    world_.clock().Advance(absl::Milliseconds(900));
    monitor->Beat();
    ASSERT_TRUE(Eventually(kPatience, [&] { return LastSeen() > seen; }));
  }
  world_.clock().Advance(absl::Minutes(9));
  const absl::Time seen = LastSeen();
  monitor->Beat();
  ASSERT_TRUE(Eventually(kPatience, [&] { return LastSeen() > seen; }));
  world_.clock().Advance(absl::Minutes(9));
  EXPECT_THAT(world_.Metrics(), HasSubstr(backlog));

  ASSERT_NO_FATAL_FAILURE(CatchUp());
  EXPECT_TRUE(world_.Becomes("cp_001", common::CHARGING_POINT_STATE_AVAILABLE));
}

}  // namespace
}  // namespace ev::central
