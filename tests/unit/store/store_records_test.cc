// What was written reads back: sessions, points, tickets, requests, refusals, gaps.

#include "absl/strings/str_cat.h"
#include "tests/unit/store/store_contract.h"

namespace ev::store {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StoreRecordsTest : public StoreTest {};
INSTANTIATE_TEST_SUITE_P(Stores, StoreRecordsTest, AllStores(), NameOf);

// Sessions.

TEST_P(StoreRecordsTest, ASessionReadsBackAsItWasWritten) {
  Session fresh = OpenSession(2, SessionState::kRequested);
  EV_ASSERT_OK(CommitSessions({FullSession(1), fresh}));
  EXPECT_EQ(store().FindSession(Id(1)).value(), FullSession(1));
  EXPECT_EQ(store().FindSession(Id(2)).value(), fresh);
  RestartAndTake();
  EXPECT_EQ(store().FindSession(Id(1)).value(), FullSession(1));
}

TEST_P(StoreRecordsTest, EveryTargetReadsBackAsItWasWritten) {
  for (const Target& target : {Target(), Target(EnergyTarget{7}), Target(AmountTarget{8}),
                               Target(DurationTarget{absl::Minutes(90) + absl::Nanoseconds(1)})}) {
    Session session = OpenSession(1);
    session.target = target;
    EV_ASSERT_OK(CommitSessions({session}));
    EXPECT_EQ(store().FindSession(Id(1)).value().target, target);
  }
}

TEST_P(StoreRecordsTest, ASessionIsReplacedInEveryField) {
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

TEST_P(StoreRecordsTest, AnOlderRevisionReplacesTooBecauseTheCoreDecides) {
  EV_ASSERT_OK(CommitSessions({FullSession(1)}));
  Session older = FullSession(1);
  older.revision = {1, 1};
  EV_ASSERT_OK(CommitSessions({older}));
  EXPECT_EQ(store().FindSession(Id(1)).value(), older);
}

TEST_P(StoreRecordsTest, TheOpenSessionsOfEachShardComeWithItOldestFirst) {
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

TEST_P(StoreRecordsTest, ASessionThatEndsIsNoLongerOpen) {
  EV_ASSERT_OK(CommitSessions({OpenSession(1)}));
  EV_ASSERT_OK(CommitSessions({OpenSession(1, SessionState::kCompleted)}));
  EXPECT_THAT(Take()[0].open_sessions, IsEmpty());
}

// Points.

TEST_P(StoreRecordsTest, APointReadsBackAsItWasWrittenWithItsCausesInTheirOrder) {
  ShardBatch batch = Batch(1);
  ChargingPoint plain;
  plain.id = CpId("cp_000");
  batch.points = {FullPoint("cp_001"), plain};
  EV_ASSERT_OK(CommitOne(batch));
  const std::vector<ShardState> states = RestartAndTake();
  EXPECT_THAT(states[1].points, ElementsAre(plain, FullPoint("cp_001")));
  EXPECT_THAT(states[0].points, IsEmpty());
}

TEST_P(StoreRecordsTest, APointIsReplacedInEveryField) {
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

TEST_P(StoreRecordsTest, ADeletedPointIsGoneAndComesBackWithoutItsOldCauses) {
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

TEST_P(StoreRecordsTest, APointThatIsDeletedAndWrittenInOneBatchStays) {
  ShardBatch batch = Batch();
  batch.points = {FullPoint("cp_001")};
  batch.deleted_points = {CpId("cp_001")};
  EV_ASSERT_OK(CommitOne(batch));
  EXPECT_THAT(Take()[0].points, ElementsAre(FullPoint("cp_001")));
}

TEST_P(StoreRecordsTest, TheNetworksCausesAreReplacedOnlyWhenTheyAreSet) {
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

TEST_P(StoreRecordsTest, ATicketReadsBackAsItWasWritten) {
  EV_ASSERT_OK(CommitTickets({FullTicket(1)}));
  EXPECT_EQ(store().FindTicket(FullTicket(1).id).value(), FullTicket(1));
  RestartAndTake();
  EXPECT_EQ(store().FindTicket(FullTicket(1).id).value(), FullTicket(1));
  EXPECT_THAT(store().FindTicket("other"), StatusIs(StatusCode::kNotFound));
}

TEST_P(StoreRecordsTest, TheSameTicketAgainIsOkAndThereOnce) {
  EV_ASSERT_OK(CommitTickets({FullTicket(1), FullTicket(1)}));
  EV_ASSERT_OK(CommitTickets({FullTicket(1)}));
  EXPECT_THAT(store().ListTickets({}).value().items, ElementsAre(FullTicket(1)));
}

TEST_P(StoreRecordsTest, ATicketIsNeverChanged) {
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

TEST_P(StoreRecordsTest, TwoTicketsOfOneSessionAndKindInOneBatchAreRefused) {
  Ticket other = FullTicket(1);
  other.id = "other";
  EXPECT_THAT(CommitTickets({FullTicket(1), other}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(store().ListTickets({}).value().items, IsEmpty());
}

TEST_P(StoreRecordsTest, ASessionHasOneFinalTicketAndOneAdjustment) {
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

TEST_P(StoreRecordsTest, ARequestIsReplacedByItsKeyAndForgottenByItsAge) {
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

TEST_P(StoreRecordsTest, OldRequestsAreForgottenInAnyNumber) {
  ShardBatch batch = Batch();
  for (int i = 0; i < 25'000; ++i) {
    batch.requests.push_back({absl::StrCat("key", i), "", {}, DenialReason::kNone, "", At(i)});
  }
  EV_ASSERT_OK(CommitOne(batch));
  EV_ASSERT_OK(store().DeleteRequestsBefore(At(24'999)));
  EXPECT_FALSE(store().FindRequest("key24998").ok());
  EV_EXPECT_OK(store().FindRequest("key24999"));
}

TEST_P(StoreRecordsTest, ARefusalOfTheStartAndOneOfTheFinalStandSideBySide) {
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

// B212
TEST_P(StoreRecordsTest, OnlyWhatBillsNothingAndIsOldIsPruned) {
  const auto is_void = [](int n, SessionState state) {
    Session session = OpenSession(n, state);
    session.cp = CpId(absl::StrCat("cp_", n));
    return session;
  };
  ShardBatch batch = Batch();
  batch.sessions = {is_void(1, SessionState::kDenied), is_void(2, SessionState::kExpired)};
  // Each of these stays, for one reason.
  batch.sessions.push_back(OpenSession(3, SessionState::kCompleted));
  batch.sessions.push_back(is_void(9, SessionState::kExpired));
  batch.tickets = {FullTicket(3), FullTicket(9)};
  for (int n = 4; n <= 8; ++n) batch.sessions.push_back(is_void(n, static_cast<SessionState>(n - 3)));
  for (int n = 11; n <= 16; ++n) batch.sessions.push_back(is_void(n, SessionState::kExpired));
  Session* const kept = &batch.sessions[batch.sessions.size() - 6];
  kept[0].start_booked = true;
  kept[1].sequence = 3;
  kept[2].energy_mwh = 1;
  kept[3].updated = At(100);
  kept[4].requested = kept[4].updated = At(100);
  kept[5].written_off = true;
  batch.refusals = {{Id(20), true, "unknown session", At(1), {}}, {Id(21), true, "unknown session", At(100), {}}};
  EV_ASSERT_OK(CommitOne(batch));

  EXPECT_EQ(store().Prune(At(100), 1000, true).value(), (Pruned{2, 1}));
  EV_EXPECT_OK(store().FindSession(Id(1)));
  EXPECT_EQ(store().Prune(At(100), 1, false).value(), (Pruned{1, 1}));
  EXPECT_EQ(store().Prune(At(100), 1000, false).value(), (Pruned{1, 0}));
  EXPECT_EQ(store().Prune(At(100), 1000, false).value(), (Pruned{0, 0}));
  RestartAndTake();
  for (int n : {1, 2}) EXPECT_THAT(store().FindSession(Id(n)), StatusIs(StatusCode::kNotFound));
  for (int n : {3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16}) EV_EXPECT_OK(store().FindSession(Id(n)));
  EV_EXPECT_OK(store().FindTicket(FullTicket(3).id));
  EXPECT_THAT(store().FindRefusals(Id(20)).value(), IsEmpty());
  EXPECT_THAT(store().FindRefusals(Id(21)).value(), SizeIs(1));
}

TEST_P(StoreRecordsTest, GapsAreListedNewestFirst) {
  const GapRecord old{"data", 0, 100, 200, 300, At(1)};
  const GapRecord young{"complete", 1, 9, 0, 5, At(2)};
  ShardBatch batch = Batch();
  batch.gaps = {young, old};
  EV_ASSERT_OK(CommitOne(batch));
  RestartAndTake();
  EXPECT_THAT(store().ListGaps().value(), ElementsAre(young, old));
}

}  // namespace
}  // namespace ev::store
