// Charging points: their record, their causes of being out of service, what is shown.

#include "tests/unit/central/shard_test_base.h"

namespace ev::central {
namespace {

using ShardPointsTest = ShardTest;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<Cause> CausesOf(const PointView& view) {
  std::vector<Cause> causes;
  for (const OutOfService& cause : view.causes) causes.push_back(cause.cause);
  return causes;
}

// B150
TEST_F(ShardPointsTest, APointCanBeCreatedBeforeItConnects) {
  const CallId call = Create(kCp, Price{.micros_per_kwh = 500'000, .currency = "CHF"});
  EXPECT_EQ(ReplyTo<PointView>(call).record.price.currency, "CHF");
  EXPECT_EQ(ReplyTo<PointView>(call).state, PointState::kDisconnected);
  Connect();
  EXPECT_EQ(Said<Configuration>().at(0).price.currency, "CHF");
  Restart();
  EXPECT_EQ(Point().record.price.currency, "CHF");
}

// B150
TEST_F(ShardPointsTest, APointThatExistsIsNotCreatedAgain) {
  Create(kCp);
  EXPECT_EQ(ReasonOf(Create(kCp)), "POINT_EXISTS");
}

// B152
TEST_F(ShardPointsTest, ARepeatedCreateGetsThePointThatItMade) {
  Create(kCp, std::nullopt, "r1");
  EXPECT_EQ(ReplyTo<PointView>(Create(kCp, std::nullopt, "r1")).record.id, kCp);
  EXPECT_EQ(ReasonOf(Create(kCp, std::nullopt, "r1", "other")), "REQUEST_ID_REUSED");
  Restart();
  EXPECT_EQ(ReplyTo<PointView>(Create(kCp, std::nullopt, "r1")).record.id, kCp);
}

// B150 B19
TEST_F(ShardPointsTest, APriceThatChangesIsSentToThePointAndCountsForLaterCharges) {
  Online();
  const CallId call = NewCall();
  Run([&](Effects& out) {
    shard().UpdatePoint(now_,
                        {.call = call,
                         .cp = kCp,
                         .location = "Harbour 2",
                         .site = std::nullopt,
                         .price = Price{.micros_per_kwh = 1'000'000, .currency = "EUR"}},
                        out);
  });
  EXPECT_EQ(ReplyTo<PointView>(call).record.location, "Harbour 2");
  EXPECT_EQ(ReplyTo<PointView>(call).record.site, "harbour");
  ASSERT_THAT(Said<Configuration>(), SizeIs(1));
  EXPECT_EQ(Said<Configuration>()[0].price.micros_per_kwh, 1'000'000);
  Start();
  EXPECT_EQ(Said<PrepareSession>().at(0).grant.price.micros_per_kwh, 1'000'000);
}

TEST_F(ShardPointsTest, ALaterConfigurationDoesNotRaiseTheMarkPastAGrantOnItsWay) {
  Online();
  Start();
  SetCause(kCp, Cause::kWeather);
  ASSERT_THAT(Said<Configuration>(), SizeIs(1));
  EXPECT_EQ(Said<Configuration>()[0].highest_grant, GrantNumber(0));
}

// B151
TEST_F(ShardPointsTest, APointWithAnOpenSessionIsNotDeleted) {
  Online();
  const Session session = Charging();
  EXPECT_EQ(ReasonOf(Delete()), "SESSION_OPEN");
  Beat(Ended(session, false, true));
  EXPECT_EQ(ReasonOf(Delete()), "SESSION_OPEN");  // Its final is awaited.
  Feed({FinalOf(session, 1, 1000)});
  Close(EpochOf());
  ReplyTo<Done>(Delete());
  Restart();
  const CallId call = NewCall();
  Run([&](Effects& out) { shard().GetPoint(now_, {.call = call, .cp = kCp}, out); });
  EXPECT_EQ(ReasonOf(call), "POINT_UNKNOWN");
  EXPECT_EQ(Get(session.id).state, SessionState::kCompleted);
}

// B151
TEST_F(ShardPointsTest, APointThatIsLinkedIsNotDeletedAndStaysOutOfOrder) {
  Online();
  SetCause(kCp);
  EXPECT_EQ(ReasonOf(Delete()), "POINT_LINKED");
  EXPECT_THAT(Said<PointChanged>(), IsEmpty());
  EXPECT_EQ(StateOf(), PointState::kStopped);
  EXPECT_EQ(shard().links(), 1);
  Close(EpochOf());
  ReplyTo<Done>(Delete());
}

// B150
TEST_F(ShardPointsTest, ADeletionIsSeenByWatchers) {
  Online();
  Close(EpochOf());
  Delete();
  const auto changes = Said<PointChanged>();
  ASSERT_FALSE(changes.empty());
  EXPECT_TRUE(changes.back().deleted);
  EXPECT_EQ(changes.back().point.record.id, kCp);
  EXPECT_EQ(shard().links(), 0);
  Tick();
  EXPECT_THAT(Said<LinkMessage>(), IsEmpty());
}

// B150
TEST_F(ShardPointsTest, APointThatIsDeletedAndCreatedInOneCommitIsThere) {
  Create(kCp);
  auto_commit_ = false;
  Delete();
  Create(kCp, Price{.micros_per_kwh = 7, .currency = "EUR"});
  const Shard::Batch batch = Commit();
  EXPECT_THAT(batch.rows.points, SizeIs(1));
  EXPECT_THAT(batch.rows.deleted_points, IsEmpty());  // Whatever a store does first.
  Restart();
  EXPECT_EQ(Point().record.price.micros_per_kwh, 7);
}

// B150 B184
TEST_F(ShardPointsTest, PointsAreListedInOrder) {
  for (const char* id : {"cp_3", "cp_1", "cp_2"}) Create(CpId(id));
  const CallId call = NewCall();
  Run([&](Effects& out) { shard().ListPoints(now_, call, out); });
  std::vector<std::string> ids;
  for (const PointView& view : ReplyTo<std::vector<PointView>>(call)) ids.push_back(view.record.id.value());
  EXPECT_THAT(ids, ElementsAre("cp_1", "cp_2", "cp_3"));
}

TEST_F(ShardPointsTest, AnUnknownPointIsNotFound) {
  EXPECT_EQ(ReasonOf(Delete(CpId("cp_404"))), "POINT_UNKNOWN");
  EXPECT_EQ(ReasonOf(SetCause(CpId("cp_404"))), "POINT_UNKNOWN");
  EXPECT_EQ(ReasonOf(ClearCause(CpId("cp_404"))), "POINT_UNKNOWN");
}

// --- out of service --------------------------------------------------------------------------------------------------

// B32
TEST_F(ShardPointsTest, AStoppedPointSaysWhoWhenAndWhy) {
  Online();
  const PointView view = ReplyTo<PointView>(SetCause(kCp, Cause::kOperator, "ana"));
  EXPECT_EQ(view.state, PointState::kStopped);
  EXPECT_THAT(view.causes, ElementsAre(OutOfService{Cause::kOperator, "ana", "maintenance", now_.utc}));
  ASSERT_THAT(Said<Configuration>(), SizeIs(1));
  EXPECT_THAT(Said<Configuration>()[0].causes, ElementsAre(view.causes[0]));
}

// B33
TEST_F(ShardPointsTest, CausesAreSetAndClearedOnTheirOwn) {
  Online();
  SetCause(kCp, Cause::kOperator);
  SetCause(kCp, Cause::kWeather);
  EXPECT_THAT(CausesOf(ReplyTo<PointView>(ClearCause(kCp, Cause::kOperator))), ElementsAre(Cause::kWeather));
  EXPECT_EQ(StateOf(), PointState::kStopped);
  EXPECT_THAT(CausesOf(ReplyTo<PointView>(ClearCause(kCp, Cause::kWeather))), IsEmpty());
  EXPECT_EQ(StateOf(), PointState::kAvailable);
}

// B33
TEST_F(ShardPointsTest, AFaultThatIsClearedLeavesTheStop) {
  Online();
  SetCause(kCp);
  EngineReport report = Idle(0);
  report.health = EngineHealth::kFaulted;
  Beat(report);
  EXPECT_EQ(StateOf(), PointState::kFaulted);
  EXPECT_THAT(CausesOf(Point()), ElementsAre(Cause::kOperator));
  Beat(Idle(0));
  EXPECT_EQ(StateOf(), PointState::kStopped);
}

// B38
TEST_F(ShardPointsTest, AnOperatorsStopOutlivesDisconnectionsAndRestarts) {
  Online();
  SetCause(kCp, Cause::kOperator, "ana");
  Advance(absl::Seconds(10));
  EXPECT_EQ(StateOf(), PointState::kDisconnected);
  Connect();
  Beat(Idle(0));
  EXPECT_EQ(StateOf(), PointState::kStopped);
  Restart();
  Connect();
  EXPECT_THAT(Said<Configuration>().at(0).causes, SizeIs(1));
  Beat(Idle(0));
  EXPECT_EQ(StateOf(), PointState::kStopped);
  EXPECT_EQ(Point().causes.at(0).who, "ana");
}

// B39
TEST_F(ShardPointsTest, AStopOfTheNetworkBindsPointsThatAreRegisteredLater) {
  Online();
  const auto stopped = ReplyTo<std::vector<PointView>>(SetCause(CpId()));
  ASSERT_THAT(stopped, SizeIs(1));
  EXPECT_EQ(stopped[0].state, PointState::kStopped);
  const CpId later("cp_002");
  Connect(later);
  EXPECT_THAT(Said<Configuration>().at(0).causes, SizeIs(1));
  Beat(Idle(0, later), later);
  EXPECT_EQ(StateOf(later), PointState::kStopped);
  Restart();
  Connect(CpId("cp_003"));
  EXPECT_THAT(Said<Configuration>().at(0).causes, SizeIs(1));
}

// B39
TEST_F(ShardPointsTest, ResumingOnePointLeavesTheStopOfTheNetwork) {
  Online();
  SetCause(CpId());
  SetCause(kCp);
  EXPECT_THAT(CausesOf(ReplyTo<PointView>(ClearCause(kCp))), ElementsAre(Cause::kOperator));
  EXPECT_EQ(StateOf(), PointState::kStopped);
}

// B39
TEST_F(ShardPointsTest, ResumingAllClearsOnlyTheStopOfTheNetwork) {
  Online();
  SetCause(CpId());
  SetCause(kCp);
  const auto resumed = ReplyTo<std::vector<PointView>>(ClearCause(CpId()));
  ASSERT_THAT(resumed, SizeIs(1));
  EXPECT_THAT(CausesOf(resumed[0]), ElementsAre(Cause::kOperator));
  EXPECT_EQ(StateOf(), PointState::kStopped);
  ClearCause(kCp);
  EXPECT_EQ(StateOf(), PointState::kAvailable);
  Restart();
  Connect();
  EXPECT_THAT(Said<Configuration>().at(0).causes, IsEmpty());
}

// B18 B39
TEST_F(ShardPointsTest, AStopOfTheNetworkEndsEveryCharge) {
  const CpId other("cp_002");
  Online();
  Online(other);
  Charging(DriverId("a"), kCp);
  Charging(DriverId("b"), other);
  SetCause(CpId());
  EXPECT_THAT(Said<ev::StopSession>(), SizeIs(2));
}

// B18
TEST_F(ShardPointsTest, AResumedPointIsOfferedAgain) {
  Online();
  SetCause(kCp);
  ClearCause(kCp);
  Start();
  EXPECT_THAT(Said<PrepareSession>(), SizeIs(1));
}

// B31
TEST_F(ShardPointsTest, AGrantReservesThePointAndShowsItsDriver) {
  Online();
  Grant();
  EXPECT_EQ(Point().state, PointState::kReserved);
  EXPECT_EQ(Point().session->driver, kDriver);
}

// B31
TEST_F(ShardPointsTest, EnergyThatFlowsIsShownAlsoWhileTheStopIsOnItsWay) {
  Online();
  Charging();
  SetCause(kCp);
  EXPECT_EQ(StateOf(), PointState::kCharging);
}

// B24
TEST_F(ShardPointsTest, ADriverChargesAtSeveralPointsAtOnce) {
  const CpId other("cp_002");
  Online();
  Online(other);
  const Session here = Charging(kDriver, kCp);
  const Session there = Charging(kDriver, other);
  EXPECT_EQ(Point(kCp).session->id, here.id);
  EXPECT_EQ(Point(other).session->id, there.id);
  EXPECT_EQ(shard().SessionsIn(SessionState::kCharging), 2);
  EXPECT_EQ(shard().PointsIn(PointState::kCharging), 2);
}

// B61
TEST_F(ShardPointsTest, ANewPointChangesNothingForTheRest) {
  Online();
  const Session session = Charging();
  const PointView before = Point();
  const CpId other("cp_002");
  const auto expect_news_of_the_other_only = [&] {
    EXPECT_FALSE(Said<PointChanged>().empty());
    for (const PointChanged& change : Said<PointChanged>()) EXPECT_EQ(change.point.record.id, other);
    EXPECT_TRUE(Said<SessionChanged>().empty());
    for (const LinkMessage& message : Said<LinkMessage>()) EXPECT_EQ(message.cp, other);
  };
  Connect(other);
  expect_news_of_the_other_only();
  Beat(Idle(0, other), other);
  expect_news_of_the_other_only();
  ASSERT_EQ(StateOf(other), PointState::kAvailable);
  EXPECT_EQ(Get(session.id), session);
  EXPECT_EQ(StateOf(), PointState::kCharging);
  EXPECT_EQ(Point().record, before.record);
}

}  // namespace
}  // namespace ev::central
