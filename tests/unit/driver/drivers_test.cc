// The stream to Central and its outages; drivers come and go.

#include "tests/unit/driver/drivers_test_base.h"

namespace ev::driver {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// B56
TEST_F(DriversTest, ABrokenStreamIsOpenedAgainWithGrowingWaits) {
  EV_ASSERT_OK(core_.Follow(Now(), kDriver, out_));
  core_.Pin(kDriver);
  const auto pauses = Pauses<OpenWatch>(
      20, [&](const OpenWatch& open) { core_.OnWatchClosed(Now(), kDriver, open.watch, kRefused, out_); });
  EXPECT_THAT(pauses, FromShortToLong());
}

// How long a Driver waits before each new stream and each new attempt while Central refuses them.
std::vector<absl::Duration> WaitsOf(std::uint64_t seed) {
  RandomIdSource ids(seed);
  Drivers core({}, ids);
  Effects out;
  Moment now{.utc = absl::FromUnixSeconds(1'750'000'000), .monotonic = absl::Hours(2)};
  EV_EXPECT_OK(core.Start(now, {.driver = kDriver, .cp = kPoint}, out));
  std::vector<absl::Duration> streams, attempts;
  absl::Duration closed = now.monotonic, refused = now.monotonic;
  while (streams.size() < 8 || attempts.size() < 8) {
    for (const Effect& effect : std::exchange(out, {})) {
      if (const auto* open = std::get_if<OpenWatch>(&effect)) {
        streams.push_back(now.monotonic - std::exchange(closed, now.monotonic));
        core.OnWatchClosed(now, kDriver, open->watch, kRefused, out);
      } else if (const auto* start = std::get_if<SendStart>(&effect)) {
        attempts.push_back(now.monotonic - std::exchange(refused, now.monotonic));
        core.OnAnswer(now, start->call, kRefused, out);
      }
    }
    now.monotonic += absl::Milliseconds(10);
    core.Tick(now, out);
  }
  streams.resize(8);
  streams.insert(streams.end(), attempts.begin(), attempts.begin() + 8);
  return streams;
}

// B56
TEST(DriversPausesTest, DriversThatLoseTheirCentralTogetherDoNotComeBackTogether) {
  const std::vector<absl::Duration> one = WaitsOf(1);
  const std::vector<absl::Duration> other = WaitsOf(2);
  EXPECT_EQ(one, WaitsOf(1)) << "a seed replays";
  int same = 0;
  for (std::size_t i = 0; i < one.size(); ++i) same += one[i] == other[i] ? 1 : 0;
  EXPECT_LE(same, 2 + 2) << "the first of each is made at once";
}

TEST_F(DriversTest, ACentralThatClosesEachStreamAtOnceIsNotCalledInATightLoop) {
  EV_ASSERT_OK(core_.Follow(Now(), kDriver, out_));
  core_.Pin(kDriver);
  int dials = 0;
  for (int i = 0; i < 600; ++i) {
    for (const OpenWatch& open : Drain<OpenWatch>()) {
      ++dials;
      core_.OnWatchSnapshot(Now(), kDriver, open.watch, out_);
      core_.OnWatchClosed(Now(), kDriver, open.watch, absl::OkStatus(), out_);
    }
    Pass(absl::Milliseconds(100));
  }
  EXPECT_LE(dials, 40);
}

TEST_F(DriversTest, ASilentStreamIsOpenedAgain) {
  Connect();
  Pass(absl::Seconds(20));
  core_.OnWatchHeartbeat(Now(), kDriver, watch_, out_);
  Pass(absl::Seconds(20));
  EXPECT_THAT(Drain<CloseWatch>(), IsEmpty());
  Pass(absl::Seconds(6));
  ASSERT_THAT(Drain<CloseWatch>(), SizeIs(1));
  const WatchId fresh = Watch();
  EXPECT_NE(fresh, watch_);
  // The old one still talks: too late.
  core_.OnWatchCharge(Now(), kDriver, watch_, Session(1, SessionState::kCharging, 1), out_);
  EXPECT_THAT(ToldStates(), IsEmpty());
}

TEST_F(DriversTest, AnOutageIsToldOnceAndItsEndToo) {
  Connect();
  EXPECT_TRUE(core_.central().is_reachable);
  core_.OnWatchClosed(Now(), kDriver, watch_, kRefused, out_);
  EXPECT_THAT(ToldNotices(), IsEmpty()) << "a server may end a stream for its own reasons";
  for (int i = 0; i < 3; ++i) core_.OnWatchClosed(Now(), kDriver, Redialled(), kRefused, out_);
  EXPECT_THAT(ToldNotices(), ElementsAre("central cannot be reached: connection refused; trying again"));
  EXPECT_FALSE(core_.central().is_reachable);
  core_.OnWatchSnapshot(Now(), kDriver, Redialled(), out_);
  EXPECT_THAT(ToldNotices(), ElementsAre("central answers again"));
  EXPECT_TRUE(core_.central().is_reachable);
}

TEST_F(DriversTest, OneSlowCallBesideALiveStreamIsNoOutage) {
  Connect();
  core_.OnAnswer(Now(), Start(), absl::DeadlineExceededError("slow"), out_);
  EXPECT_TRUE(core_.central().is_reachable);
  EXPECT_THAT(ToldNotices(), IsEmpty());
}

TEST_F(DriversTest, ADriverThatNobodyUsesIsForgotten) {
  const DriverId other("driver_002");
  EV_ASSERT_OK(core_.Follow(Now(), other, out_));
  core_.OnWatchSnapshot(Now(), other, Watch(), out_);
  for (int i = 0; i < 5; ++i) {
    Pass(absl::Seconds(10));
    core_.OnWatchHeartbeat(Now(), other, WatchId(1), out_);
  }
  EXPECT_EQ(core_.followed(), 1U);
  Pass(absl::Seconds(11));
  EXPECT_EQ(core_.followed(), 0U);
  EXPECT_THAT(Drain<CloseWatch>(), SizeIs(1));
}

TEST_F(DriversTest, ADriverWithAnOpenChargeIsNotForgotten) {
  const DriverId other("driver_002");
  EV_ASSERT_OK(core_.Follow(Now(), other, out_));
  Charge charge = Session(1, SessionState::kCharging, 1);
  charge.driver = other;
  core_.OnWatchCharge(Now(), other, Watch(), charge, out_);
  Pass(absl::Minutes(5));
  EXPECT_EQ(core_.followed(), 1U);
}

}  // namespace
}  // namespace ev::driver
