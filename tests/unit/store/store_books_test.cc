// Books that are wrong are found.

#include "tests/unit/store/store_contract.h"

namespace ev::store {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

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
INSTANTIATE_TEST_SUITE_P(Stores, Books, AllStores(), NameOf);

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

}  // namespace
}  // namespace ev::store
