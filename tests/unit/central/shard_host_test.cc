// The host of the shards with its store and its outbox.

#include "services/central/adapters/shard_host.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "events/inmemory/inmemory_log.h"
#include "events/inmemory/inmemory_subscriber.h"
#include "tests/support/notification.h"
#include "tests/unit/central/fact_ingest_world.h"

namespace ev::central {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ShardHostTest : public ::testing::Test {
 protected:
  void Start(Observer* observer = nullptr) {
    world_.Seed(session_);
    parts_ = std::make_unique<Parts>(world_, log_);
    parts_->host->OnFailure([this](const absl::Status& failure) {
      failure_ = failure;
      failed_.Notify();
    });
    if (observer != nullptr) parts_->host->AddObserver(*observer);
    parts_->host->Start();
  }
  // A request for the session's charging point, which nobody has heard. Returns whether it was answered.
  bool IsDenied() {
    Notification denied;
    const CallId call = parts_->host->Await([&](const CallResult& result) {
      EXPECT_TRUE(std::holds_alternative<Failure>(result));
      denied.Notify();
    });
    EV_EXPECT_OK(parts_->host->Apply(shard_, [&](Shard& shard, const Moment& now, Effects& out) {
      shard.StartSession(now, {.call = call, .driver = session_.driver, .cp = session_.cp}, out);
    }));
    if (denied.WaitForNotificationWithTimeout(kPatience)) return true;
    parts_->host->Forget(call);
    return false;
  }
  void Deliver(const Fact& fact, std::int64_t offset) {
    const IncomingFact in{.fact = &fact, .error = {}, .offset = offset, .key = fact.cp.value(), .body = "body"};
    EV_EXPECT_OK(parts_->host->Apply(shard_, [&](Shard& shard, const Moment& now, Effects& out) {
      shard.ApplyFacts(now, {.topic = "t", .partition = shard_, .base = offset, .next = offset + 1, .facts = {&in, 1}},
                       out);
    }));
  }
  std::vector<std::string> OutboxIds() {
    std::vector<std::string> ids;
    const auto rows = world_.store.ReadOutbox(0, 100);
    for (const auto& row : *rows) ids.push_back(row.record.id);
    return ids;
  }
  void EmptyTheOutbox() {
    std::vector<std::int64_t> positions;
    const auto rows = world_.store.ReadOutbox(0, 100);
    for (const auto& row : *rows) positions.push_back(row.position);
    EV_ASSERT_OK(world_.store.DeleteOutbox(positions));
  }
  std::string Metrics() { return parts_->registry.RenderText(); }

  using Parts = IngestWorld<InMemorySubscriber>::Parts;
  InMemoryLog log_;
  IngestWorld<InMemorySubscriber> world_;
  const Session session_ = GrantedSession();
  const int shard_ = world_.ShardOf(session_.cp);
  absl::Status failure_;  // Once failed_.
  Notification failed_;
  std::unique_ptr<Parts> parts_;
};

// B103 B188
TEST_F(ShardHostTest, AlertsAreCountedByKindAndToldToObservers) {
  struct Alerts final : Observer {
    void OnSession(const SessionChanged&) override {}
    void OnPoint(const PointChanged&) override {}
    void OnDeadLetter(const DeadLettered&) override {}
    void OnAlert(const AlertRaised& alert) override {
      EXPECT_EQ(alert.kind, AlertKind::kGap);
      told.Notify();
    }
    Notification told;
  } alerts;
  Start(&alerts);
  EXPECT_THAT(Metrics(), HasSubstr("ev_alerts_total{kind=\"gap\"} 0\n"));
  EV_EXPECT_OK(parts_->host->Apply(shard_, [&](Shard& shard, const Moment& now, Effects& out) {
    shard.OnGap(now,
                {.topic = "t", .partition = shard_, .stored_next = 5, .log_start = 7, .log_end = 9, .found = now.utc},
                7, out);
  }));
  EXPECT_TRUE(alerts.told.WaitForNotificationWithTimeout(kPatience));
  EXPECT_THAT(Metrics(), HasSubstr("ev_alerts_total{kind=\"gap\"} 1\n"));
  parts_.reset();
}

// B103 B122
TEST_F(ShardHostTest, AtTheOutboxsBoundDenialsAreDroppedAndCountedUntilThereIsRoomAgain) {
  world_.host_options.outbox_bound = 2;
  Start();
  EXPECT_THAT(Metrics(), HasSubstr("ev_outbox_rows_bound 2\n"));
  ASSERT_TRUE(IsDenied());
  ASSERT_TRUE(IsDenied());
  EXPECT_THAT(OutboxIds(), SizeIs(2));
  EXPECT_THAT(Metrics(), HasSubstr("ev_denials_dropped_total 0\n"));
  ASSERT_TRUE(IsDenied()) << "the caller has its answer all the same";
  EXPECT_THAT(OutboxIds(), SizeIs(2));
  EXPECT_THAT(Metrics(), HasSubstr("ev_denials_dropped_total 1\n"));

  // Of a session the newest transition is kept, in place of the one before; its ticket is there to be read.
  const std::string row = "session/" + session_.id.value();
  Deliver(MakeFact(FactKind::kStart, session_, 0, 0), 0);
  ASSERT_TRUE(Eventually(kPatience, [&] { return OutboxIds().size() == 3; }));
  Deliver(MakeFact(FactKind::kFinal, session_, 1, 1'000'000), 1);
  ASSERT_TRUE(world_.IsBooked(session_));
  EXPECT_THAT(OutboxIds(), SizeIs(3));
  EXPECT_EQ(OutboxIds().back(), row);

  EmptyTheOutbox();
  Deliver({}, 2);  // A dead letter: after its commit the outbox is looked at.
  ASSERT_TRUE(Eventually(kPatience, [&] { return IsDenied() && OutboxIds().size() == 2; }));
  EXPECT_THAT(OutboxIds(), Contains(HasSubstr("denial/")));
}

// B100 B110
TEST_F(ShardHostTest, ACommitThatFailsEndsTheHostAndAnswersNobody) {
  Start();
  world_.store.FailNextCommit(/*written=*/false);
  Notification answered;
  const CallId call = parts_->host->Await([&](const CallResult&) { answered.Notify(); });
  EV_ASSERT_OK(parts_->host->Apply(shard_, [&](Shard& shard, const Moment& now, Effects& out) {
    shard.StartSession(now, {.call = call, .driver = session_.driver, .cp = session_.cp}, out);
  }));
  ASSERT_TRUE(failed_.WaitForNotificationWithTimeout(kPatience));
  EXPECT_FALSE(answered.HasBeenNotified());
  EXPECT_THAT(OutboxIds(), IsEmpty());
  EXPECT_THAT(parts_->host->Apply(shard_, [](Shard&, const Moment&, Effects&) {}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Metrics(), HasSubstr("ev_commit_failures_total 1\n"));
}

// B100 B189
TEST_F(ShardHostTest, DamageThatALookAfterACommitFindsEndsTheHostAndAnswersNobody) {
  Start();
  world_.store.Damage();
  Notification answered;
  const CallId call = parts_->host->Await([&](const CallResult&) { answered.Notify(); });
  EV_ASSERT_OK(parts_->host->Apply(shard_, [&](Shard& shard, const Moment& now, Effects& out) {
    shard.StartSession(now, {.call = call, .driver = session_.driver, .cp = session_.cp}, out);
  }));
  ASSERT_TRUE(failed_.WaitForNotificationWithTimeout(kPatience));
  EXPECT_THAT(failure_, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_FALSE(answered.HasBeenNotified());
  EXPECT_THAT(parts_->host->Apply(shard_, [](Shard&, const Moment&, Effects&) {}),
              StatusIs(absl::StatusCode::kUnavailable));
}

// B189
TEST_F(ShardHostTest, DamageThatAnybodysReadFindsEndsAHostThatHasNothingToCommit) {
  Start();
  ASSERT_TRUE(IsDenied());  // What the start left to be looked at is over: nothing more will be.
  world_.store.Damage();
  EXPECT_THAT(world_.store.FindTicket("any"), StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_TRUE(failed_.WaitForNotificationWithTimeout(kPatience));
  EXPECT_THAT(failure_, StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace ev::central
