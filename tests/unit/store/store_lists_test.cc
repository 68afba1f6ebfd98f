// What is listed, page by page; the outbox.

#include <string>
#include <vector>

#include "tests/unit/store/store_contract.h"

namespace ev::store {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StoreListsTest : public StoreTest {};
INSTANTIATE_TEST_SUITE_P(Stores, StoreListsTest, AllStores(), NameOf);

// Lists.

TEST_P(StoreListsTest, SessionsAreListedNewestFirstAndFiltered) {
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

TEST_P(StoreListsTest, PagesShowEverySessionOnceWhateverArrivesMeanwhile) {
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

TEST_P(StoreListsTest, APageTokenIsGoodAfterARestartAndRefusedWithAnotherFilter) {
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

TEST_P(StoreListsTest, APageSizeOutOfRangeIsRefused) {
  for (const int size : {-1, 0, 1001}) {
    SessionFilter sessions;
    sessions.page_size = size;
    EXPECT_THAT(store().ListSessions(sessions), StatusIs(StatusCode::kInvalidArgument)) << size;
    TicketFilter tickets;
    tickets.page_size = size;
    EXPECT_THAT(store().ListTickets(tickets), StatusIs(StatusCode::kInvalidArgument)) << size;
  }
}

TEST_P(StoreListsTest, TicketsAreListedNewestFirstFilteredAndPaged) {
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

TEST_P(StoreListsTest, TheOutboxIsReadInTheOrderOfWriting) {
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

TEST_P(StoreListsTest, AReplacedOutboxRecordMovesToTheEnd) {
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

TEST_P(StoreListsTest, APositionIsNeverGivenTwice) {
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

}  // namespace
}  // namespace ev::store
