// What every store promises. Runs on each implementation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/id_source.h"
#include "store/inmemory/inmemory_store.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/records.h"

namespace ev::store {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// One store and the disk below it.
class Bench {
 public:
  virtual ~Bench() = default;
  virtual Store& store() = 0;
  virtual void Restart(absl::Time now) = 0;
  virtual void FailNextCommit() = 0;
};

class InMemoryBench final : public Bench {
 public:
  Store& store() override { return store_; }
  void Restart(absl::Time now) override { store_.Restart(now); }
  void FailNextCommit() override { store_.FailNextCommit(/*written=*/false); }

 private:
  InMemoryStore store_{kShards, "0123456789abcdef0123456789abcdef", At(0)};
};

class SqliteBench final : public Bench {
 public:
  SqliteBench() { Restart(At(0)); }
  Store& store() override { return *store_; }
  void Restart(absl::Time now) override {
    store_.reset();
    fail_ = false;
    const auto before_commit = [this] { return fail_ ? absl::InternalError("disk full") : absl::OkStatus(); };
    auto store = SqliteStore::Open(folder_.File("central.db"), {kShards, before_commit}, now, ids_);
    if (!store.ok()) throw std::runtime_error(store.status().ToString());
    store_ = *std::move(store);
  }
  void FailNextCommit() override { fail_ = true; }

 private:
  TempDir folder_;
  RandomIdSource ids_{1};
  std::atomic<bool> fail_ = false;
  std::unique_ptr<SqliteStore> store_;
};

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Bench>()> make;
};

class StoreTest : public ::testing::TestWithParam<Kind> {
 protected:
  StoreTest() { Take(); }

  Store& store() { return bench_->store(); }
  std::vector<ShardState> Take() {
    auto states = store().TakeShards("central-1", "localhost:50051");
    EV_EXPECT_OK(states);
    epoch_ = states->at(0).epoch;
    return *std::move(states);
  }
  ShardBatch Batch(int shard = 0) {
    ShardBatch batch;
    batch.shard = shard;
    batch.epoch = epoch_;
    return batch;
  }
  absl::Status CommitOne(const ShardBatch& batch) {
    const std::vector<absl::Status> statuses = store().Commit({batch});
    EXPECT_THAT(statuses, SizeIs(1));
    return statuses.at(0);
  }
  absl::Status CommitSessions(std::vector<Session> sessions) {
    ShardBatch batch = Batch();
    batch.sessions = std::move(sessions);
    return CommitOne(batch);
  }
  absl::Status CommitTickets(std::vector<Ticket> tickets) {
    ShardBatch batch = Batch();
    batch.tickets = std::move(tickets);
    return CommitOne(batch);
  }
  absl::Status CommitOffset(std::int64_t base, std::int64_t next, int shard = 0) {
    ShardBatch batch = Batch(shard);
    batch.offsets = {{"data", shard, base, next}};
    return CommitOne(batch);
  }
  // The next start of Central.
  std::vector<ShardState> RestartAndTake(absl::Time now = At(0)) {
    bench_->Restart(now);
    return Take();
  }

  std::unique_ptr<Bench> bench_ = GetParam().make();
  std::int64_t epoch_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreTest,
                         ::testing::Values(Kind{"InMemory", [] { return std::make_unique<InMemoryBench>(); }},
                                           Kind{"Sqlite", [] { return std::make_unique<SqliteBench>(); }}),
                         [](const auto& kind) { return kind.param.name; });

// Identity.

TEST_P(StoreTest, ItsIdAndShardsSurviveARestart) {
  const std::string id = store().id();
  EXPECT_THAT(id, ::testing::MatchesRegex("[0-9a-f]{32}"));
  EXPECT_EQ(store().shards(), kShards);
  RestartAndTake();
  EXPECT_EQ(store().id(), id);
  EXPECT_EQ(store().shards(), kShards);
}

TEST_P(StoreTest, TheIncarnationIsTheTimeOfTheStart) {
  EXPECT_EQ(store().incarnation(), absl::ToUnixSeconds(At(0)));
  bench_->Restart(At(100));
  EXPECT_EQ(store().incarnation(), absl::ToUnixSeconds(At(100)));
}

TEST_P(StoreTest, TheIncarnationGrowsEvenWhenTheClockStandsOrGoesBack) {
  std::int64_t before = store().incarnation();
  for (const double second : {0.0, 0.0, -1000.0, 0.0}) {
    bench_->Restart(At(second));
    EXPECT_EQ(store().incarnation(), before + 1);
    before = store().incarnation();
  }
}

TEST_P(StoreTest, TheKafkaClusterIdIsEmptyUntilItIsSetAndSurvivesARestart) {
  EXPECT_EQ(store().KafkaClusterId().value(), "");
  EV_ASSERT_OK(store().SetKafkaClusterId("cluster-1"));
  EXPECT_EQ(store().KafkaClusterId().value(), "cluster-1");
  RestartAndTake();
  EXPECT_EQ(store().KafkaClusterId().value(), "cluster-1");
}

// Ownership.

TEST_P(StoreTest, TakingTheShardsRaisesEveryEpochByOne) {
  for (const ShardState& state : Take()) EXPECT_EQ(state.epoch, 2);
  const std::vector<ShardState> states = RestartAndTake();
  ASSERT_THAT(states, SizeIs(kShards));
  for (int shard = 0; shard < kShards; ++shard) {
    EXPECT_EQ(states[static_cast<std::size_t>(shard)].shard, shard);
    EXPECT_EQ(states[static_cast<std::size_t>(shard)].epoch, 3);
  }
}

TEST_P(StoreTest, AnOwnerOfAnOlderEpochWritesNothing) {
  ShardBatch old = Batch();
  old.sessions = {FullSession(1)};
  old.offsets = {{"data", 0, 0, 5}};
  old.outbox = {FullOutbox("a")};
  Take();
  EXPECT_THAT(CommitOne(old), StatusIs(StatusCode::kAborted, HasSubstr("epoch 1")));
  EXPECT_THAT(store().FindSession(Id(1)), StatusIs(StatusCode::kNotFound));
  EXPECT_EQ(store().OutboxSize().value(), 0);
  EXPECT_THAT(Take()[0].offsets, IsEmpty());
}

TEST_P(StoreTest, ABatchWithoutRowsStillChecksTheEpoch) {
  ShardBatch empty = Batch();
  EV_EXPECT_OK(CommitOne(empty));
  empty.epoch += 1;
  EXPECT_THAT(CommitOne(empty), StatusIs(StatusCode::kAborted));
}

TEST_P(StoreTest, AShardThatDoesNotExistIsRefused) {
  EXPECT_THAT(CommitOne(Batch(kShards)), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(CommitOne(Batch(-1)), StatusIs(StatusCode::kAborted));
}

// Offsets.

TEST_P(StoreTest, TheFirstAdvanceOfAPartitionSaysWhereReadingBegan) {
  EV_ASSERT_OK(CommitOffset(500, 510));
  EXPECT_THAT(RestartAndTake()[0].offsets, ElementsAre(Offset{"data", 0, 510}));
}

// B99 B111
TEST_P(StoreTest, AnAdvanceFromAnotherOffsetThanTheStoredOneIsRefused) {
  EV_ASSERT_OK(CommitOffset(0, 10));
  for (const std::int64_t base : {0, 9, 11}) {
    EXPECT_THAT(CommitOffset(base, 20), StatusIs(StatusCode::kAborted, HasSubstr("offset")));
  }
  EV_ASSERT_OK(CommitOffset(10, 20));
  EXPECT_THAT(Take()[0].offsets, ElementsAre(Offset{"data", 0, 20}));
}

// B99 B111
TEST_P(StoreTest, WhatCameWithARefusedOffsetIsNotWritten) {
  EV_ASSERT_OK(CommitOffset(0, 10));
  ShardBatch batch = Batch();
  batch.points = {FullPoint("cp_001")};
  batch.deleted_points = {CpId("cp_002")};
  batch.sessions = {FullSession(1)};
  batch.tickets = {FullTicket(1)};
  batch.requests = {{"key", "f", Id(1), DenialReason::kNone, "", At(1)}};
  batch.refusals = {{Id(1), true, "why", At(1), {}}};
  batch.outbox = {FullOutbox("a")};
  batch.gaps = {{"data", 0, 1, 2, 3, At(1)}};
  batch.network_causes = {{{Cause::kOperator, "ana", "all", At(1)}}};
  batch.offsets = {{"complete", 0, 0, 1}, {"data", 0, 9, 20}};  // The first would do.
  EXPECT_THAT(CommitOne(batch), StatusIs(StatusCode::kAborted));

  EXPECT_THAT(store().FindSession(Id(1)), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(store().FindTicket(Id(1).value()), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(store().FindRequest("key"), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(store().FindRefusals(Id(1)).value(), IsEmpty());
  EXPECT_EQ(store().OutboxSize().value(), 0);
  EXPECT_THAT(store().ListGaps().value(), IsEmpty());
  const ShardState state = Take()[0];
  EXPECT_THAT(state.points, IsEmpty());
  EXPECT_THAT(state.network_causes, IsEmpty());
  EXPECT_THAT(state.offsets, ElementsAre(Offset{"data", 0, 10}));
}

TEST_P(StoreTest, AnOffsetMayGoBackWhenKafkaStartsAnew) {
  EV_ASSERT_OK(CommitOffset(0, 1000));
  EV_ASSERT_OK(CommitOffset(1000, 3));
  EXPECT_THAT(Take()[0].offsets, ElementsAre(Offset{"data", 0, 3}));
}

TEST_P(StoreTest, APartitionAdvancesStepByStepWithinABatch) {
  ShardBatch batch = Batch();
  batch.offsets = {{"data", 0, 0, 5}, {"data", 0, 5, 8}};
  EV_ASSERT_OK(CommitOne(batch));
  batch.offsets = {{"data", 0, 8, 9}, {"data", 0, 8, 10}};
  EXPECT_THAT(CommitOne(batch), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(Take()[0].offsets, ElementsAre(Offset{"data", 0, 8}));
}

TEST_P(StoreTest, AShardCannotAdvanceAnothersPartition) {
  EV_ASSERT_OK(CommitOffset(0, 10, /*shard=*/1));
  ShardBatch batch = Batch(0);
  batch.offsets = {{"data", 1, 10, 20}};
  EXPECT_THAT(CommitOne(batch), StatusIs(StatusCode::kAborted));
}

// Group commit.

TEST_P(StoreTest, EachShardHasItsOwnStatus) {
  EV_ASSERT_OK(CommitOffset(0, 10, /*shard=*/1));
  EV_ASSERT_OK(CommitTickets({FullTicket(30)}));
  std::vector<ShardBatch> batches;
  for (int shard = 0; shard < kShards; ++shard) {
    batches.push_back(Batch(shard));
    batches.back().sessions = {OpenSession(shard + 1)};
  }
  batches[0].epoch += 1;
  batches[1].offsets = {{"data", 1, 7, 20}};
  batches[2].tickets = {FullTicket(30)};
  batches[2].tickets[0].energy_mwh += 1;
  const std::vector<absl::Status> statuses = store().Commit(batches);
  ASSERT_THAT(statuses, SizeIs(kShards));
  EXPECT_THAT(statuses[0], StatusIs(StatusCode::kAborted, HasSubstr("shard 0")));
  EXPECT_THAT(statuses[1], StatusIs(StatusCode::kAborted, HasSubstr("shard 1")));
  EXPECT_THAT(statuses[2], StatusIs(StatusCode::kInvalidArgument));
  EV_EXPECT_OK(statuses[3]);
  for (const int refused : {1, 2, 3}) EXPECT_FALSE(store().FindSession(Id(refused)).ok()) << refused;
  EV_EXPECT_OK(store().FindSession(Id(4)));
}

TEST_P(StoreTest, TwoBatchesOfOneShardAreWrittenInOrder) {
  ShardBatch first = Batch();
  first.sessions = {OpenSession(1)};
  first.offsets = {{"data", 0, 0, 5}};
  ShardBatch second = first;
  second.sessions[0].energy_mwh = 17;
  second.offsets = {{"data", 0, 5, 6}};
  EXPECT_THAT(store().Commit({first, second}), ElementsAre(IsOk(), IsOk()));
  EXPECT_EQ(store().FindSession(Id(1)).value().energy_mwh, 17);
}

TEST_P(StoreTest, NothingToCommitIsNoError) {
  EXPECT_THAT(store().Commit({}), IsEmpty());
}

TEST_P(StoreTest, AnUnknownOutcomeIsUnknownForAllAndEndsWriting) {
  EV_ASSERT_OK(CommitSessions({OpenSession(1)}));
  bench_->FailNextCommit();
  ShardBatch refused = Batch(1);
  refused.epoch += 1;
  EXPECT_THAT(store().Commit({Batch(0), refused}),
              ElementsAre(StatusIs(StatusCode::kUnknown), StatusIs(StatusCode::kUnknown)));
  EXPECT_THAT(CommitOne(Batch()), StatusIs(StatusCode::kInternal));
  EXPECT_FALSE(store().SetKafkaClusterId("c").ok());
  EXPECT_FALSE(store().TakeShards("o", "a").ok());
  EXPECT_FALSE(store().DeleteOutbox({1}).ok());
  EXPECT_FALSE(store().DeleteRequestsBefore(At(0)).ok());
  RestartAndTake();
  EV_EXPECT_OK(store().FindSession(Id(1)));
  EV_EXPECT_OK(CommitOne(Batch()));
}

// Sessions.

TEST_P(StoreTest, ASessionReadsBackAsItWasWritten) {
  Session fresh = OpenSession(2, SessionState::kRequested);
  EV_ASSERT_OK(CommitSessions({FullSession(1), fresh}));
  EXPECT_EQ(store().FindSession(Id(1)).value(), FullSession(1));
  EXPECT_EQ(store().FindSession(Id(2)).value(), fresh);
  RestartAndTake();
  EXPECT_EQ(store().FindSession(Id(1)).value(), FullSession(1));
}

TEST_P(StoreTest, EveryTargetReadsBackAsItWasWritten) {
  for (const Target& target : {Target(), Target(EnergyTarget{7}), Target(AmountTarget{8}),
                               Target(DurationTarget{absl::Minutes(90) + absl::Nanoseconds(1)})}) {
    Session session = OpenSession(1);
    session.target = target;
    EV_ASSERT_OK(CommitSessions({session}));
    EXPECT_EQ(store().FindSession(Id(1)).value().target, target);
  }
}

TEST_P(StoreTest, ASessionIsReplacedInEveryField) {
  EV_ASSERT_OK(CommitSessions({FullSession(1)}));
  Session other;  // All defaults.
  other.id = Id(1);
  EV_ASSERT_OK(CommitSessions({other}));
  EXPECT_EQ(store().FindSession(Id(1)).value(), other);
  EV_ASSERT_OK(CommitSessions({FullSession(1)}));
  EXPECT_EQ(store().FindSession(Id(1)).value(), FullSession(1));
  // And in those that change while it charges.
  Session later = FullSession(1);
  later.energy_mwh += 1;
  later.amount_micros += 1;
  later.power_w = 0;
  later.sequence += 1;
  later.updated += absl::Seconds(1);
  later.measured += absl::Seconds(1);
  later.stop_asked = EndReason::kNone;
  later.start_booked = later.final_booked = later.written_off = later.manual = false;
  later.revision.counter += 1;
  EV_ASSERT_OK(CommitSessions({later}));
  EXPECT_EQ(store().FindSession(Id(1)).value(), later);
}

TEST_P(StoreTest, AnOlderRevisionReplacesTooBecauseTheCoreDecides) {
  EV_ASSERT_OK(CommitSessions({FullSession(1)}));
  Session older = FullSession(1);
  older.revision = {1, 1};
  EV_ASSERT_OK(CommitSessions({older}));
  EXPECT_EQ(store().FindSession(Id(1)).value(), older);
}

TEST_P(StoreTest, TheOpenSessionsOfEachShardComeWithItOldestFirst) {
  std::vector<Session> sessions;
  for (int state = 1; state <= kSessionStates; ++state) {
    sessions.push_back(OpenSession(10 - state, static_cast<SessionState>(state)));
  }
  EV_ASSERT_OK(CommitSessions(sessions));
  ShardBatch other = Batch(2);
  other.sessions = {OpenSession(50)};
  EV_ASSERT_OK(CommitOne(other));
  const std::vector<ShardState> states = RestartAndTake();
  std::vector<SessionState> open;
  for (const Session& session : states[0].open_sessions) open.push_back(session.state);
  EXPECT_THAT(open, ElementsAre(SessionState::kAwaitingFinal, SessionState::kCharging, SessionState::kGranted,
                                SessionState::kUnconfirmed, SessionState::kRequested));
  EXPECT_THAT(states[1].open_sessions, IsEmpty());
  EXPECT_THAT(states[2].open_sessions, ElementsAre(OpenSession(50)));
}

TEST_P(StoreTest, ASessionThatEndsIsNoLongerOpen) {
  EV_ASSERT_OK(CommitSessions({OpenSession(1)}));
  EV_ASSERT_OK(CommitSessions({OpenSession(1, SessionState::kCompleted)}));
  EXPECT_THAT(Take()[0].open_sessions, IsEmpty());
}

// Points.

TEST_P(StoreTest, APointReadsBackAsItWasWrittenWithItsCausesInTheirOrder) {
  ShardBatch batch = Batch(1);
  ChargingPoint plain;
  plain.id = CpId("cp_000");
  batch.points = {FullPoint("cp_001"), plain};
  EV_ASSERT_OK(CommitOne(batch));
  const std::vector<ShardState> states = RestartAndTake();
  EXPECT_THAT(states[1].points, ElementsAre(plain, FullPoint("cp_001")));
  EXPECT_THAT(states[0].points, IsEmpty());
}

TEST_P(StoreTest, APointIsReplacedInEveryField) {
  ShardBatch batch = Batch();
  batch.points = {FullPoint("cp_001")};
  EV_ASSERT_OK(CommitOne(batch));
  ChargingPoint other;
  other.id = CpId("cp_001");
  other.causes = {{Cause::kCredentials, "central", "revoked", At(1)}};
  batch.points = {other};
  EV_ASSERT_OK(CommitOne(batch));
  EXPECT_THAT(Take()[0].points, ElementsAre(other));
}

TEST_P(StoreTest, ADeletedPointIsGoneAndComesBackWithoutItsOldCauses) {
  ShardBatch batch = Batch();
  batch.points = {FullPoint("cp_001"), FullPoint("cp_002")};
  EV_ASSERT_OK(CommitOne(batch));
  batch.points = {};
  batch.deleted_points = {CpId("cp_001"), CpId("never")};
  EV_ASSERT_OK(CommitOne(batch));
  EXPECT_THAT(Take()[0].points, ElementsAre(FullPoint("cp_002")));
  ChargingPoint fresh;
  fresh.id = CpId("cp_001");
  batch = Batch();
  batch.points = {fresh};
  EV_ASSERT_OK(CommitOne(batch));
  EXPECT_THAT(Take()[0].points, ElementsAre(fresh, FullPoint("cp_002")));
}

TEST_P(StoreTest, APointThatIsDeletedAndWrittenInOneBatchStays) {
  ShardBatch batch = Batch();
  batch.points = {FullPoint("cp_001")};
  batch.deleted_points = {CpId("cp_001")};
  EV_ASSERT_OK(CommitOne(batch));
  EXPECT_THAT(Take()[0].points, ElementsAre(FullPoint("cp_001")));
}

TEST_P(StoreTest, TheNetworksCausesAreReplacedOnlyWhenTheyAreSet) {
  const std::vector<OutOfService> causes = {{Cause::kWeather, "w", "storm", At(1)},
                                            {Cause::kOperator, "ana", "", At(2)}};
  ShardBatch batch = Batch(1);
  batch.network_causes = causes;
  EV_ASSERT_OK(CommitOne(batch));
  EV_ASSERT_OK(CommitOne(Batch(1)));
  std::vector<ShardState> states = RestartAndTake();
  EXPECT_EQ(states[1].network_causes, causes);
  EXPECT_THAT(states[0].network_causes, IsEmpty());
  batch = Batch(1);
  batch.network_causes.emplace();
  EV_ASSERT_OK(CommitOne(batch));
  EXPECT_THAT(Take()[1].network_causes, IsEmpty());
}

// Tickets.

TEST_P(StoreTest, ATicketReadsBackAsItWasWritten) {
  EV_ASSERT_OK(CommitTickets({FullTicket(1)}));
  EXPECT_EQ(store().FindTicket(FullTicket(1).id).value(), FullTicket(1));
  RestartAndTake();
  EXPECT_EQ(store().FindTicket(FullTicket(1).id).value(), FullTicket(1));
  EXPECT_THAT(store().FindTicket("other"), StatusIs(StatusCode::kNotFound));
}

TEST_P(StoreTest, TheSameTicketAgainIsOkAndThereOnce) {
  EV_ASSERT_OK(CommitTickets({FullTicket(1), FullTicket(1)}));
  EV_ASSERT_OK(CommitTickets({FullTicket(1)}));
  EXPECT_THAT(store().ListTickets({}).value().items, ElementsAre(FullTicket(1)));
}

TEST_P(StoreTest, ATicketIsNeverChanged) {
  EV_ASSERT_OK(CommitTickets({FullTicket(1)}));
  const std::vector<std::function<void(Ticket&)>> changes = {
      [](Ticket& t) { t.energy_mwh += 1; },        [](Ticket& t) { t.amount_micros += 1; },
      [](Ticket& t) { t.driver = DriverId("x"); }, [](Ticket& t) { t.cp = CpId("x"); },
      [](Ticket& t) { t.price.currency = "USD"; }, [](Ticket& t) { t.end += absl::Nanoseconds(1); },
      [](Ticket& t) { t.estimated = false; },      [](Ticket& t) { t.id = "another id"; },
      [](Ticket& t) { t.session = Id(2); },        [](Ticket& t) { t.kind = TicketKind::kAdjustment; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Ticket other = FullTicket(1);
    changes[i](other);
    ShardBatch batch = Batch();
    batch.sessions = {OpenSession(9)};
    batch.tickets = {other};
    EXPECT_THAT(CommitOne(batch), StatusIs(StatusCode::kInvalidArgument, HasSubstr(other.id))) << i;
    EXPECT_THAT(store().FindSession(Id(9)), StatusIs(StatusCode::kNotFound));
  }
  EXPECT_THAT(store().ListTickets({}).value().items, ElementsAre(FullTicket(1)));
}

TEST_P(StoreTest, TwoTicketsOfOneSessionAndKindInOneBatchAreRefused) {
  Ticket other = FullTicket(1);
  other.id = "other";
  EXPECT_THAT(CommitTickets({FullTicket(1), other}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(store().ListTickets({}).value().items, IsEmpty());
}

TEST_P(StoreTest, ASessionHasOneFinalTicketAndOneAdjustment) {
  Ticket adjustment = FullTicket(1);
  adjustment.id += "-a";
  adjustment.kind = TicketKind::kAdjustment;
  adjustment.energy_mwh = -5;
  EV_ASSERT_OK(CommitTickets({FullTicket(1)}));
  EV_ASSERT_OK(CommitTickets({adjustment}));
  EXPECT_EQ(store().FindTicket(adjustment.id).value(), adjustment);
  adjustment.energy_mwh = -6;
  EXPECT_THAT(CommitTickets({adjustment}), StatusIs(StatusCode::kInvalidArgument));
}

// Requests and refusals.

TEST_P(StoreTest, ARequestIsReplacedByItsKeyAndForgottenByItsAge) {
  const RequestRecord denied{"driver_001/StartSession/cp_001/r1", "f", {}, DenialReason::kPointBusy, "busy", At(10)};
  RequestRecord granted{"key", "f2", Id(1), DenialReason::kNone, "", At(20)};
  ShardBatch batch = Batch();
  batch.requests = {denied, granted};
  EV_ASSERT_OK(CommitOne(batch));
  EXPECT_EQ(store().FindRequest(denied.key).value(), denied);
  granted.session = Id(2);
  batch.requests = {granted};
  EV_ASSERT_OK(CommitOne(batch));
  RestartAndTake();
  EXPECT_EQ(store().FindRequest("key").value(), granted);

  EV_ASSERT_OK(store().DeleteRequestsBefore(At(20)));
  EXPECT_THAT(store().FindRequest(denied.key), StatusIs(StatusCode::kNotFound));
  EXPECT_EQ(store().FindRequest("key").value(), granted);
}

TEST_P(StoreTest, OldRequestsAreForgottenInAnyNumber) {
  ShardBatch batch = Batch();
  for (int i = 0; i < 25'000; ++i) {
    batch.requests.push_back({absl::StrCat("key", i), "", {}, DenialReason::kNone, "", At(i)});
  }
  EV_ASSERT_OK(CommitOne(batch));
  EV_ASSERT_OK(store().DeleteRequestsBefore(At(24'999)));
  EXPECT_FALSE(store().FindRequest("key24998").ok());
  EV_EXPECT_OK(store().FindRequest("key24999"));
}

TEST_P(StoreTest, ARefusalOfTheStartAndOneOfTheFinalStandSideBySide) {
  MessageId id;
  for (std::uint8_t i = 0; i < 16; ++i)
    id.bytes[i] = static_cast<std::uint8_t>(i * 17);  // With a zero, and above 0x7f.
  const RefusalRecord start{Id(1), false, "unknown session", At(1), id};
  const RefusalRecord final{Id(1), true, "bad grant", At(2), id};
  ShardBatch batch = Batch();
  batch.refusals = {final, start};
  EV_ASSERT_OK(CommitOne(batch));
  RestartAndTake();
  EXPECT_THAT(store().FindRefusals(Id(1)).value(), ElementsAre(start, final));
  EXPECT_THAT(store().FindRefusals(Id(2)).value(), IsEmpty());
  id.bytes[15] = 1;
  const RefusalRecord again{Id(1), true, "another reason", At(3), id};
  batch = Batch();
  batch.refusals = {again};
  EV_ASSERT_OK(CommitOne(batch));
  EXPECT_THAT(store().FindRefusals(Id(1)).value(), ElementsAre(start, again));
}

TEST_P(StoreTest, GapsAreListedNewestFirst) {
  const GapRecord old{"data", 0, 100, 200, 300, At(1)};
  const GapRecord young{"complete", 1, 9, 0, 5, At(2)};
  ShardBatch batch = Batch();
  batch.gaps = {young, old};
  EV_ASSERT_OK(CommitOne(batch));
  RestartAndTake();
  EXPECT_THAT(store().ListGaps().value(), ElementsAre(young, old));
}

// Lists.

TEST_P(StoreTest, SessionsAreListedNewestFirstAndFiltered) {
  std::vector<Session> sessions;
  for (int n = 1; n <= 8; ++n) {
    sessions.push_back(OpenSession(n, n % 2 == 0 ? SessionState::kCompleted : SessionState::kCharging));
    sessions.back().driver = DriverId(n <= 4 ? "a" : "b");
    sessions.back().cp = CpId(n % 4 < 2 ? "x" : "y");
  }
  EV_ASSERT_OK(CommitSessions(sessions));
  const auto list = [&](const SessionFilter& filter) {
    std::vector<int> numbers;
    const auto page = store().ListSessions(filter);
    for (const Session& session : page->items) {
      numbers.push_back(static_cast<int>(session.number.value()));
    }
    return numbers;
  };
  SessionFilter filter;
  EXPECT_THAT(list(filter), ElementsAre(8, 7, 6, 5, 4, 3, 2, 1));
  filter.states = {SessionState::kCompleted};
  EXPECT_THAT(list(filter), ElementsAre(8, 6, 4, 2));
  filter.states = {SessionState::kDenied, SessionState::kCharging, SessionState::kCompleted, SessionState::kCharging};
  EXPECT_THAT(list(filter), ElementsAre(8, 7, 6, 5, 4, 3, 2, 1));
  filter.states = {SessionState::kDenied};
  EXPECT_THAT(list(filter), IsEmpty());
  filter = {};
  filter.driver = DriverId("a");
  EXPECT_THAT(list(filter), ElementsAre(4, 3, 2, 1));
  filter.cp = CpId("x");
  EXPECT_THAT(list(filter), ElementsAre(4, 1));
  filter.states = {SessionState::kCharging, SessionState::kDenied};
  EXPECT_THAT(list(filter), ElementsAre(1));
  filter.driver = {};
  EXPECT_THAT(list(filter), ElementsAre(5, 1));
}

TEST_P(StoreTest, PagesShowEverySessionOnceWhateverArrivesMeanwhile) {
  std::vector<Session> sessions;
  for (int n = 0; n < 25; ++n) {
    sessions.push_back(OpenSession(n + 1, n % 3 == 0 ? SessionState::kGranted : SessionState::kCharging));
    sessions.back().requested = At(n / 10);  // Many at the same instant.
  }
  EV_ASSERT_OK(CommitSessions(sessions));
  int newcomer = 1000;
  for (const std::vector<SessionState>& states :
       {std::vector<SessionState>{}, {SessionState::kGranted, SessionState::kCharging}}) {
    for (const char* driver : {"", "driver_001"}) {
      for (const int page_size : {1, 7, 25, 1000}) {
        SessionFilter filter{DriverId(driver), CpId(), states, page_size, ""};
        std::vector<std::string> seen;
        do {
          const absl::StatusOr<Page<Session>> page = store().ListSessions(filter);
          EV_ASSERT_OK(page);
          ASSERT_LE(static_cast<int>(page->items.size()), page_size);
          for (const Session& session : page->items) {
            if (session.number < GrantNumber(1000)) seen.push_back(session.id.value());
          }
          filter.page_token = page->next_page_token;
          Session newest = OpenSession(newcomer++);
          newest.requested = At(100 + newcomer);
          EV_ASSERT_OK(CommitSessions({newest}));
        } while (!filter.page_token.empty());
        std::vector<std::string> expected;
        for (int n = 25; n >= 1; --n) expected.push_back(Id(n).value());
        EXPECT_EQ(seen, expected) << page_size;
      }
    }
  }
}

TEST_P(StoreTest, APageTokenIsGoodAfterARestartAndRefusedWithAnotherFilter) {
  EV_ASSERT_OK(CommitSessions({OpenSession(1), OpenSession(2)}));
  SessionFilter filter;
  filter.page_size = 1;
  filter.page_token = store().ListSessions(filter).value().next_page_token;
  ASSERT_FALSE(filter.page_token.empty());
  RestartAndTake();
  EXPECT_THAT(store().ListSessions(filter).value().items, ElementsAre(OpenSession(1)));
  EXPECT_EQ(store().ListSessions(filter).value().next_page_token, "");
  filter.driver = DriverId("driver_001");
  EXPECT_THAT(store().ListSessions(filter), StatusIs(StatusCode::kInvalidArgument));
  filter.page_token = "made up";
  EXPECT_THAT(store().ListSessions(filter), StatusIs(StatusCode::kInvalidArgument));
  TicketFilter tickets;
  tickets.page_token = "made up";
  EXPECT_THAT(store().ListTickets(tickets), StatusIs(StatusCode::kInvalidArgument));
}

TEST_P(StoreTest, APageSizeOutOfRangeIsRefused) {
  for (const int size : {-1, 0, 1001}) {
    SessionFilter sessions;
    sessions.page_size = size;
    EXPECT_THAT(store().ListSessions(sessions), StatusIs(StatusCode::kInvalidArgument)) << size;
    TicketFilter tickets;
    tickets.page_size = size;
    EXPECT_THAT(store().ListTickets(tickets), StatusIs(StatusCode::kInvalidArgument)) << size;
  }
}

TEST_P(StoreTest, TicketsAreListedNewestFirstFilteredAndPaged) {
  std::vector<Ticket> tickets;
  for (int n = 1; n <= 6; ++n) {
    tickets.push_back(FullTicket(n));
    tickets.back().issued = At(n);
    tickets.back().number = GrantNumber(n);
    tickets.back().driver = DriverId(n <= 3 ? "a" : "b");
    tickets.back().cp = CpId(n % 2 == 0 ? "x" : "y");
  }
  EV_ASSERT_OK(CommitTickets(tickets));
  const auto list = [&](TicketFilter filter) {
    std::vector<int> numbers;
    do {
      const Page<Ticket> page = store().ListTickets(filter).value();
      for (const Ticket& ticket : page.items) numbers.push_back(static_cast<int>(ticket.number.value()));
      filter.page_token = page.next_page_token;
    } while (!filter.page_token.empty());
    return numbers;
  };
  TicketFilter filter;
  filter.page_size = 2;
  EXPECT_THAT(list(filter), ElementsAre(6, 5, 4, 3, 2, 1));
  filter.from = At(2);
  filter.to = At(5);
  EXPECT_THAT(list(filter), ElementsAre(4, 3, 2));
  filter.cp = CpId("x");
  EXPECT_THAT(list(filter), ElementsAre(4, 2));
  filter.driver = DriverId("a");
  EXPECT_THAT(list(filter), ElementsAre(2));
  filter = {};
  filter.session = Id(5);
  EXPECT_THAT(list(filter), ElementsAre(5));
}

// Outbox.

TEST_P(StoreTest, TheOutboxIsReadInTheOrderOfWriting) {
  ShardBatch batch = Batch();
  batch.outbox = {FullOutbox("b"), FullOutbox("a")};
  EV_ASSERT_OK(CommitOne(batch));
  batch = Batch(3);
  batch.outbox = {FullOutbox("c")};
  EV_ASSERT_OK(CommitOne(batch));
  RestartAndTake();
  const std::vector<StoredOutboxRecord> all = store().ReadOutbox(0, 100).value();
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_EQ(all[0].record, FullOutbox("b"));
  EXPECT_EQ(all[1].record, FullOutbox("a"));
  EXPECT_EQ(all[2].record, FullOutbox("c"));
  EXPECT_LT(all[0].position, all[1].position);
  EXPECT_LT(all[1].position, all[2].position);
  EXPECT_EQ(store().ReadOutbox(all[0].position, 1).value().at(0).record.id, "a");
  EXPECT_THAT(store().ReadOutbox(all[2].position, 100).value(), IsEmpty());
  EXPECT_THAT(store().ReadOutbox(0, 0).value(), IsEmpty());
  EXPECT_EQ(store().OutboxSize().value(), 3);
}

TEST_P(StoreTest, AReplacedOutboxRecordMovesToTheEnd) {
  ShardBatch batch = Batch();
  batch.outbox = {FullOutbox("a"), FullOutbox("b")};
  EV_ASSERT_OK(CommitOne(batch));
  const std::int64_t relayed = store().ReadOutbox(0, 1).value().at(0).position;
  OutboxRecord newer = FullOutbox("a");
  newer.value = "newer";
  batch.outbox = {newer};
  EV_ASSERT_OK(CommitOne(batch));
  std::vector<StoredOutboxRecord> all = store().ReadOutbox(0, 100).value();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].record.id, "b");
  EXPECT_EQ(all[1].record, newer);
  // The relay, which has sent the old one, does not remove the new one.
  EV_ASSERT_OK(store().DeleteOutbox({relayed}));
  EXPECT_EQ(store().OutboxSize().value(), 2);
  EV_ASSERT_OK(store().DeleteOutbox({all[0].position, all[1].position, 12345}));
  EXPECT_EQ(store().OutboxSize().value(), 0);
}

TEST_P(StoreTest, APositionIsNeverGivenTwice) {
  ShardBatch batch = Batch();
  batch.outbox = {FullOutbox("a")};
  EV_ASSERT_OK(CommitOne(batch));
  const std::int64_t first = store().ReadOutbox(0, 1).value().at(0).position;
  EV_ASSERT_OK(store().DeleteOutbox({first}));
  RestartAndTake();
  batch.epoch = epoch_;
  EV_ASSERT_OK(CommitOne(batch));
  EXPECT_GT(store().ReadOutbox(0, 1).value().at(0).position, first);
}

// Integrity.

class Books : public StoreTest {
 protected:
  // A store whose books are right, changed by `spoil` before it is written.
  absl::Status CheckAfter(const std::function<void(ShardBatch&)>& spoil) {
    ShardBatch batch = Batch();
    batch.points = {FullPoint("cp_001")};
    batch.sessions = {OpenSession(7), OpenSession(1, SessionState::kCompleted), OpenSession(2, SessionState::kDenied)};
    batch.tickets = {FullTicket(1)};
    batch.offsets = {{"data", 0, 0, 5}};
    spoil(batch);
    EV_EXPECT_OK(CommitOne(batch));
    return store().CheckIntegrity();
  }
};
INSTANTIATE_TEST_SUITE_P(Stores, Books,
                         ::testing::Values(Kind{"InMemory", [] { return std::make_unique<InMemoryBench>(); }},
                                           Kind{"Sqlite", [] { return std::make_unique<SqliteBench>(); }}),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(Books, ThatAreRightPassTheCheck) {
  EV_EXPECT_OK(store().CheckIntegrity());
  EV_EXPECT_OK(CheckAfter([](ShardBatch&) {}));
}
TEST_P(Books, WithACompletedSessionWithoutATicketDoNot) {
  EXPECT_THAT(CheckAfter([](ShardBatch& b) { b.tickets.clear(); }),
              StatusIs(StatusCode::kDataLoss, HasSubstr(Id(1).value())));
}
TEST_P(Books, WithATicketWithoutASessionDoNot) {
  EXPECT_THAT(CheckAfter([](ShardBatch& b) { b.tickets.push_back(FullTicket(3)); }), StatusIs(StatusCode::kDataLoss));
}
TEST_P(Books, WithATicketOfASessionThatIsNotCompletedDoNot) {
  EXPECT_THAT(CheckAfter([](ShardBatch& b) { b.tickets.push_back(FullTicket(7)); }), StatusIs(StatusCode::kDataLoss));
}
TEST_P(Books, WithTheWrongDriverBilledDoNot) {
  EXPECT_THAT(CheckAfter([](ShardBatch& b) { b.tickets[0].driver = DriverId("other"); }),
              StatusIs(StatusCode::kDataLoss));
}
TEST_P(Books, WithABillThatDoesNotAddUpDoNot) {
  EXPECT_THAT(CheckAfter([](ShardBatch& b) { b.tickets[0].amount_micros += 1; }), StatusIs(StatusCode::kDataLoss));
}
TEST_P(Books, WithABillBeyondEveryLimitDoNot) {
  EXPECT_THAT(CheckAfter([](ShardBatch& b) { b.tickets[0].energy_mwh = INT64_MAX; }), StatusIs(StatusCode::kDataLoss));
}
TEST_P(Books, WithAnOpenSessionThatIsBookedThroughDoNot) {
  EXPECT_THAT(CheckAfter([](ShardBatch& b) { b.sessions[0].number = GrantNumber(6); }),
              StatusIs(StatusCode::kDataLoss));
}
TEST_P(Books, WithANegativeOffsetDoNot) {
  EXPECT_THAT(CheckAfter([](ShardBatch& b) { b.offsets[0].next = -1; }), StatusIs(StatusCode::kDataLoss));
}
TEST_P(Books, WithASessionInAnotherShardThanItsPointDoNot) {
  EXPECT_THAT(CheckAfter([&](ShardBatch& b) {
                ShardBatch other = Batch(1);
                other.sessions = {b.sessions[2]};
                b.sessions.pop_back();
                EV_EXPECT_OK(CommitOne(other));
              }),
              StatusIs(StatusCode::kDataLoss));
}

// Threads.

TEST_P(StoreTest, ReadersSeeWholeCommitsWhileOthersWrite) {
  const auto commit = [&](int n) {
    ShardBatch batch = Batch();
    for (const int id : {1, 2}) {
      batch.sessions.push_back(OpenSession(id));
      batch.sessions.back().energy_mwh = n;
      batch.sessions.back().requested = At(id);
    }
    batch.outbox = {FullOutbox(absl::StrCat(n))};
    EV_EXPECT_OK(CommitOne(batch));
  };
  commit(0);
  std::atomic<bool> stop = false;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        const std::vector<Session> both = store().ListSessions({}).value().items;
        ASSERT_THAT(both, SizeIs(2));
        EXPECT_EQ(both[0].energy_mwh, both[1].energy_mwh);
        EV_EXPECT_OK(store().FindSession(Id(1)));
      }
    });
  }
  threads.emplace_back([&] {  // The relay.
    while (!stop) {
      std::vector<std::int64_t> positions;
      const auto rows = store().ReadOutbox(0, 10);
      for (const StoredOutboxRecord& row : *rows) positions.push_back(row.position);
      EV_EXPECT_OK(store().DeleteOutbox(positions));
    }
  });
  for (int n = 1; n <= 100; ++n) {
    commit(n);
    EXPECT_EQ(store().FindSession(Id(2)).value().energy_mwh, n);  // What was answered OK is seen.
  }
  stop = true;
}

}  // namespace
}  // namespace ev::store
