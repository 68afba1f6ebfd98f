// What is in memory, what is durable, and what waits for the outbox.

#include "tests/unit/central/shard_test_base.h"

namespace ev::central {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ShardMemoryTest : public ShardTest {
 protected:
  void KeepRecent(std::size_t rows) {
    config_.recent_rows = rows;
    Load();
    Online();
  }
  // A whole charge, with its ticket.
  Session Charge(std::int64_t energy_mwh = 1000) {
    const Session session = Charging();
    Feed({FinalOf(session, 1, energy_mwh)});
    Beat(Idle(session.number.value()));
    return session;
  }
  bool IsInMemory(const SessionId& id) { return shard().Missing({.sessions = {id}, .requests = {}}).empty(); }
};

// B105
TEST_F(ShardMemoryTest, ClosedSessionsAreKeptUpToABoundAndReadAgain) {
  KeepRecent(2);
  std::vector<Session> sessions;
  for (int i = 1; i <= 5; ++i) sessions.push_back(Charge(i * 1000));
  Tick();
  EXPECT_EQ(shard().SessionsIn(SessionState::kCompleted), 2);
  EXPECT_FALSE(IsInMemory(sessions[0].id));
  EXPECT_TRUE(IsInMemory(sessions[4].id));
  EXPECT_EQ(Get(sessions[0].id).energy_mwh, 1000);
}

// B105
TEST_F(ShardMemoryTest, WhatWasOnlyReadIsForgottenAgainToo) {
  KeepRecent(2);
  std::vector<Session> sessions;
  for (int i = 1; i <= 5; ++i) sessions.push_back(Charge(i * 1000));
  Restart();
  auto_commit_ = false;
  for (const Session& session : sessions) Get(session.id);
  EXPECT_EQ(shard().SessionsIn(SessionState::kCompleted), 5);
  Tick();
  EXPECT_EQ(shard().SessionsIn(SessionState::kCompleted), 2);
}

// B105 B119
TEST_F(ShardMemoryTest, AFinalOfAForgottenSessionIsStillARepeat) {
  KeepRecent(0);
  const Session session = Charging();
  const Fact final = FinalOf(session, 1, 1000);
  Feed({final});
  Tick();
  ASSERT_FALSE(IsInMemory(session.id));
  Fact other = final;
  other.message_id = ids_.NewMessageId(now_.utc);
  other.energy_mwh = 2000;
  Feed({other});
  EXPECT_THAT(Tickets(session.id), SizeIs(1));
  EXPECT_EQ(Tickets(session.id)[0].energy_mwh, 1000);
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{session.id, false, true, false, ""}));
}

// B105 B100
TEST_F(ShardMemoryTest, OnlyWhatIsDurableIsForgotten) {
  KeepRecent(0);
  const Session session = Charging();
  auto_commit_ = false;
  Feed({FinalOf(session, 1, 1000)});
  shard().TakeBatch();  // Taken, and not durable yet.
  Tick();
  EXPECT_EQ(shard().SessionsIn(SessionState::kCompleted), 1);
  shard().OnDurable(shard().version());
  Tick();
  EXPECT_EQ(shard().SessionsIn(SessionState::kCompleted), 0);
}

// B105
TEST_F(ShardMemoryTest, OpenSessionsAreNeverForgotten) {
  KeepRecent(0);
  const Session session = Charging();
  for (int i = 0; i < 10; ++i) Tick();
  EXPECT_EQ(shard().SessionsIn(SessionState::kCharging), 1);
}

// B105 B152
TEST_F(ShardMemoryTest, AnswersAreKeptUpToABoundAndReadAgain) {
  KeepRecent(1);
  SetCause(kCp);
  for (const char* key : {"r1", "r2", "r3"}) StartAs(key);
  ClearCause(kCp);
  Tick();
  EXPECT_THAT(shard().Missing({.sessions = {}, .requests = {"r1", "r2", "r3"}}).requests, ElementsAre("r1", "r2"));
  EXPECT_EQ(DenialOf(StartAs("r1")), DenialReason::kPointStopped);
}

// B105
TEST_F(ShardMemoryTest, ARequestThatIsInMemoryWantsTheSessionThatItNames) {
  KeepRecent(1);
  const CallId first = StartAs("r1");
  Answer(TheCommand(), Verdict::kGranted, 1);
  const auto session = ReplyTo<Session>(first);
  Feed({FinalOf(session, 1, 1000)});
  Beat(Idle(1));
  Charge();
  Tick();
  const RowKeys missing = shard().Missing({.sessions = {}, .requests = {"r1"}});
  EXPECT_THAT(missing.requests, IsEmpty());
  EXPECT_THAT(missing.sessions, ElementsAre(session.id));
  EXPECT_EQ(ReplyTo<Session>(StartAs("r1")).state, SessionState::kCompleted);
}

// B105
TEST_F(ShardMemoryTest, ARowReadBeforeItChangedAndWasForgottenIsNotTaken) {
  KeepRecent(0);
  const Session session = Grant();
  Beat(Idle(1));  // Expired.
  Tick();
  const RowKeys missing = shard().Missing({.sessions = {session.id}, .requests = {}});
  ASSERT_THAT(missing.sessions, ElementsAre(session.id));
  FetchedRows old = Read(missing);
  ASSERT_EQ(old.sessions.at(0).state, SessionState::kExpired);
  // Meanwhile it comes in, is booked, and leaves.
  Feed({FinalOf(session, 1, 1000)});
  Tick();
  EXPECT_FALSE(shard().Admit(missing, old));
  EXPECT_EQ(Get(session.id).state, SessionState::kCompleted);
}

// B105
TEST_F(ShardMemoryTest, ARowThatIsInMemoryIsNotReplacedByAnOlderOne) {
  KeepRecent(10);
  const Session session = Charge();
  Restart();
  const RowKeys missing = shard().Missing({.sessions = {session.id}, .requests = {}});
  FetchedRows old = Read(missing);
  old.sessions.at(0).state = SessionState::kExpired;
  EXPECT_EQ(Get(session.id).state, SessionState::kCompleted);
  EXPECT_TRUE(shard().Admit(missing, old));
  EXPECT_EQ(Get(session.id).state, SessionState::kCompleted);
}

// B94 B105
TEST_F(ShardMemoryTest, RefusalsAreKeptUpToABoundAndReadAgain) {
  KeepRecent(1);
  std::vector<Session> strangers;
  for (char digit : {'a', 'b', 'c'}) {
    const Session stranger = Stranger(1, digit);
    strangers.push_back(stranger);
    Feed({StartOf(stranger), FinalOf(stranger, 1, 1)});
  }
  Tick();
  EXPECT_FALSE(IsInMemory(strangers[0].id));
  EXPECT_TRUE(IsInMemory(strangers[2].id));
  EngineReport report = Ended(strangers[0]);
  report.mark = GrantNumber(0);
  Beat(report);
  EXPECT_THAT(Said<Settlement>(), SizeIs(2));
}

// B94
TEST_F(ShardMemoryTest, TheRefusalsOfASessionAreReadWithItAlsoWhenItIsOpen) {
  Online();
  const Session session = Charging();
  Fact nonsense = FinalOf(session, 1, 1000);
  nonsense.end_reason = EndReason::kNone;
  Feed({nonsense});
  Restart();
  Online();
  ASSERT_FALSE(IsInMemory(session.id));  // The session is, its refusals are not.
  Beat(Ended(session, false, true));
  EXPECT_THAT(Said<Settlement>(),
              ElementsAre(Settlement{session.id, false, true, true, "NONSENSE", nonsense.message_id}));
  EXPECT_TRUE(IsInMemory(session.id));
}

// B94 B105
TEST_F(ShardMemoryTest, ARefusalInMemoryDoesNotHideAForgottenSession) {
  KeepRecent(1);
  const Session session = Charging();
  Fact nonsense = StartOf(session);
  nonsense.energy_mwh = 5;
  Feed({nonsense, FinalOf(session, 1, 1000)});
  Beat(Idle(1));
  Charge();
  Tick();
  EXPECT_FALSE(IsInMemory(session.id));
  EXPECT_EQ(Get(session.id).state, SessionState::kCompleted);
}

// --- versions --------------------------------------------------------------------------------------------------------

// B100
TEST_F(ShardMemoryTest, EveryInputThatChangesARowRaisesTheVersion) {
  auto_commit_ = false;
  EXPECT_FALSE(shard().dirty());
  std::int64_t last = shard().version();
  const auto raised = [&] { return std::exchange(last, shard().version()) < shard().version(); };
  Connect();
  EXPECT_TRUE(raised());
  Beat(Idle(0));
  const CallId call = Start();
  EXPECT_TRUE(raised());
  Answer(TheCommand(), Verdict::kGranted, 1);
  EXPECT_TRUE(raised());
  const auto session = ReplyTo<Session>(call);
  Beat(Busy(session, Phase::kCharging));
  EXPECT_TRUE(raised());
  Feed({SampleOf(session, 1, 1)});
  EXPECT_TRUE(raised());
  SetCause(kCp);
  EXPECT_TRUE(raised());
  SetCause(CpId());
  EXPECT_TRUE(raised());
  Close(EpochOf());
  EXPECT_TRUE(raised());
  EXPECT_TRUE(shard().dirty());
  shard().TakeBatch();
  EXPECT_FALSE(shard().dirty());
  EXPECT_EQ(shard().version(), last);
}

// B100
TEST_F(ShardMemoryTest, ASessionThatChangesByItselfRaisesTheVersion) {
  config_.kafka_enabled = false;  // No outbox row that would raise it as well.
  Load();
  Online();
  const Session session = Grant();
  auto_commit_ = false;
  Beat(Busy(session, Phase::kCharging));
  EXPECT_TRUE(shard().dirty());
  EXPECT_THAT(Commit().rows.sessions, SizeIs(1));
}

// B100
TEST_F(ShardMemoryTest, AReadChangesNothing) {
  Online();
  const Session session = Charging();
  auto_commit_ = false;
  Point();
  Get(session.id);
  Stop(SessionId("ffffffffffffffffffffffffffffffff"));
  EXPECT_FALSE(shard().dirty());
}

// B100
TEST_F(ShardMemoryTest, ABatchHoldsEachRowOnceAsItIsNow) {
  Online();
  const Session session = Charging();
  auto_commit_ = false;
  for (int i = 1; i <= 10; ++i) Feed({SampleOf(session, i, i * 100)});
  const Shard::Batch batch = Commit();
  ASSERT_THAT(batch.rows.sessions, SizeIs(1));
  EXPECT_EQ(batch.rows.sessions[0].energy_mwh, 1000);
  EXPECT_EQ(batch.rows.epoch, shard().epoch());
}

TEST_F(ShardMemoryTest, RevisionsGrowWithEachChangeAndAcrossRestarts) {
  Online();
  const Session session = Charging();
  Revision last = Get(session.id).revision;
  Feed({SampleOf(session, 1, 100)});
  EXPECT_GT(Get(session.id).revision, last);
  last = Get(session.id).revision;
  Restart();
  Feed({SampleOf(session, 2, 200)});
  EXPECT_GT(Get(session.id).revision, last);
}

// B57
TEST_F(ShardMemoryTest, AfterARestartTheLedgerIsWhatWasDurable) {
  Online();
  const Session session = Charging();
  Feed({SampleOf(session, 1, 100)});
  const Session before = Get(session.id);
  auto_commit_ = false;
  Feed({SampleOf(session, 2, 200)});
  Restart();
  EXPECT_EQ(Get(session.id), before);
}

// --- outbox ----------------------------------------------------------------------------------------------------------

// B103
TEST_F(ShardMemoryTest, WhenTheOutboxIsFullTransitionsReplaceEachOtherAndDenialsAreCounted) {
  Online();
  shard().SetOutboxFull(true);
  const Session session = Charging();
  EXPECT_EQ(DenialOf(Start(DriverId("b"))), DenialReason::kPointBusy);
  EXPECT_THAT(Outbox<DenialUpdate>(), IsEmpty());
  EXPECT_EQ(shard().counters().denials_dropped, 1);
  for (const StatusUpdate& update : Outbox<StatusUpdate>()) EXPECT_TRUE(update.replaceable);
  Feed({FinalOf(session, 1, 1000)});
  EXPECT_THAT(Tickets(session.id), SizeIs(1));
  EXPECT_TRUE(Outbox<StatusUpdate>().back().ticket.has_value());
  shard().SetOutboxFull(false);
  Beat(Idle(1));
  Grant();
  EXPECT_FALSE(Outbox<StatusUpdate>().back().replaceable);
}

// B103
TEST_F(ShardMemoryTest, AnAlertIsToldToTheLogAlsoWhenKafkaDoesNotTakeIt) {
  Online();
  for (const bool is_full : {false, true}) {
    shard().SetOutboxFull(is_full);
    outbox_.clear();
    const Session session = Grant();
    Fact start = StartOf(session);
    Fact final = FinalOf(session, 1, 1000);
    final.register_mwh += 1;
    Feed({start, final});
    ASSERT_THAT(Said<AlertRaised>(), SizeIs(1));
    EXPECT_EQ(Said<AlertRaised>()[0].kind, AlertKind::kAmountDiffers);
    EXPECT_EQ(Said<AlertRaised>()[0].session, session.id);
    EXPECT_THAT(Outbox<Alert>(), SizeIs(is_full ? 0 : 1));
    Beat(Idle(session.number.value()));
  }
}

// B103
TEST_F(ShardMemoryTest, WhenTheOutboxIsFullADenialByThePointIsCountedToo) {
  Online();
  shard().SetOutboxFull(true);
  Start();
  Answer(TheCommand(), Verdict::kDenied, 1, DenialReason::kPointFaulted);
  EXPECT_EQ(shard().counters().denials_dropped, 1);
  EXPECT_EQ(Outbox<StatusUpdate>().back().session.state, SessionState::kRequested);
}

// B103 B95
TEST_F(ShardMemoryTest, WhenTheOutboxIsFullDeadLettersAreKept) {
  Online();
  shard().SetOutboxFull(true);
  FeedIncoming(kData, {.fact = nullptr, .error = "x", .offset = 0, .key = "k", .body = "b"});
  EXPECT_THAT(Outbox<DeadLetter>(), SizeIs(1));
}

// B104
TEST_F(ShardMemoryTest, WithKafkaOffNothingIsWrittenToTheOutbox) {
  config_.kafka_enabled = false;
  Load();
  Online();
  SetCause(kCp);
  Start();
  ClearCause(kCp);
  const Session session = Charging();
  BeatWithoutReport(EngineHealth::kSilent);
  Advance(absl::Seconds(5));
  EXPECT_EQ(Get(session.id).state, SessionState::kCharging);
  EXPECT_THAT(outbox_, IsEmpty());
}

// --- the same inputs -------------------------------------------------------------------------------------------------

// B184
TEST_F(ShardMemoryTest, ChargingPointsAreTickedInOrder) {
  std::vector<CpId> order;
  for (int i = 20; i > 0; --i) {
    order.push_back(CpId("cp_" + std::to_string(100 + i)));
    Online(order.back());
  }
  Tick();
  std::vector<CpId> ticked;
  for (const LinkMessage& message : Said<LinkMessage>()) ticked.push_back(message.cp);
  EXPECT_EQ(ticked, std::vector<CpId>(order.rbegin(), order.rend()));
}

}  // namespace
}  // namespace ev::central
