// Facts from a log to the ledger, through the real host and store in memory.

#include <gmock/gmock.h>

#include <atomic>
#include <string>
#include <vector>

#include "events/inmemory/inmemory_log.h"
#include "events/inmemory/inmemory_subscriber.h"
#include "tests/unit/central/fact_ingest_world.h"

namespace ev::central {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class FactIngestLogTest : public ::testing::Test {
 protected:
  FactIngestLogTest() {
    EV_EXPECT_OK(log_.CreateTopic(world_.topics.session_data));
    EV_EXPECT_OK(log_.CreateTopic(world_.topics.session_complete));
    world_.Seed(first_);
    world_.Seed(second_);
    Start();
  }

  void Start() {
    failures_ = 0;
    parts_ = std::make_unique<Parts>(world_, log_);
    parts_->host->OnFailure([this](const absl::Status&) { ++failures_; });
    parts_->host->Start();
    EV_EXPECT_OK(parts_->ingest->Start());
  }
  // What is not committed is lost, and a new Central opens the same store.
  void Restart() {
    parts_.reset();
    world_.store.Restart(absl::FromUnixSeconds(1'700'000'100));
    Start();
  }
  void Publish(const Fact& fact) {
    const std::string& topic =
        fact.kind == FactKind::kFinal ? world_.topics.session_complete.name : world_.topics.session_data.name;
    EV_ASSERT_OK(log_.Append(
        {.topic = topic, .key = fact.cp.value(), .value = wire::EncodeFact(fact), .headers = {}, .done = {}}));
  }
  void PublishAll(const Session& session) {
    Publish(MakeFact(FactKind::kStart, session, 0, 0));
    Publish(MakeFact(FactKind::kSample, session, 1, 500'000));
    Publish(MakeFact(FactKind::kFinal, session, 2, 1'000'000));
  }
  void FailTheCommitOfTheFinal(bool is_written) {
    Publish(MakeFact(FactKind::kStart, first_, 0, 0));
    ASSERT_TRUE(IsAllRead());
    world_.store.FailNextCommit(is_written);
    Publish(MakeFact(FactKind::kFinal, first_, 1, 1'000'000));
    ASSERT_TRUE(Eventually(kPatience, [&] { return failures_ == 1; }));
  }
  // Whether the log was told that all it holds is in the store.
  bool IsAllRead() {
    return Eventually(kPatience, [&] {
      for (const std::string& topic : {data_, complete_}) {
        for (int partition = 0; partition < kShards; ++partition) {
          const auto bounds = log_.Read({topic, partition}, 0, 0);
          if (bounds->high > 0 && log_.Marks()[{topic, partition}].next != bounds->high) return false;
        }
      }
      return true;
    });
  }
  FactIngest& ingest() { return *parts_->ingest; }
  std::string Metrics() { return parts_->registry.RenderText(); }

  using Parts = IngestWorld<InMemorySubscriber>::Parts;
  InMemoryLog log_;
  IngestWorld<InMemorySubscriber> world_;
  const Session first_ = GrantedSession('a', "cp_001");
  const Session second_ = GrantedSession('b', "cp_002");
  const std::string data_ = world_.topics.session_data.name;
  const std::string complete_ = world_.topics.session_complete.name;
  std::atomic<int> failures_ = 0;
  std::unique_ptr<Parts> parts_;
};

// B15
TEST_F(FactIngestLogTest, TheFactsOfAChargeBecomeOneTicket) {
  PublishAll(first_);
  ASSERT_TRUE(world_.IsBooked(first_));
  EXPECT_EQ(world_.Tickets(first_)[0].energy_mwh, 1'000'000);
  EXPECT_EQ(world_.Tickets(first_)[0].amount_micros, 350'000);
  EXPECT_EQ(world_.Tickets(first_)[0].driver, first_.driver);
  EXPECT_TRUE(IsAllRead());
  EXPECT_EQ((log_.Marks()[{data_, world_.ShardOf(first_.cp)}].metadata), world_.store.id());
  EXPECT_EQ(ingest().lag(), absl::ZeroDuration());
  EXPECT_THAT(Metrics(), HasSubstr("ev_tickets_total{end_reason=\"unplugged\"} 1\n"));
  EXPECT_THAT(Metrics(), HasSubstr("ev_billed_energy_mwh_total 1000000\n"));
  EXPECT_THAT(Metrics(), HasSubstr("ev_billed_micros_total{currency=\"EUR\"} 350000\n"));
  EV_EXPECT_OK(world_.store.CheckIntegrity());
}

// B99 B111 B113
TEST_F(FactIngestLogTest, AfterARestartNothingIsSkippedAndNothingIsAppliedTwice) {
  Publish(MakeFact(FactKind::kStart, first_, 0, 0));
  Publish(MakeFact(FactKind::kSample, first_, 1, 500'000));
  ASSERT_TRUE(IsAllRead());
  Restart();
  Publish(MakeFact(FactKind::kSample, first_, 2, 700'000));
  Publish(MakeFact(FactKind::kFinal, first_, 3, 1'000'000));
  ASSERT_TRUE(world_.IsBooked(first_));
  ASSERT_TRUE(IsAllRead());
  EXPECT_THAT(Metrics(), HasSubstr("ev_messages_in_total{result=\"decoded\",topic=\"charging_session_data\"} 1\n"));
  EXPECT_THAT(world_.Tickets(first_), SizeIs(1));
}

// B99 B110 B111
TEST_F(FactIngestLogTest, AFactWhoseCommitFailedComesAgain) {
  FailTheCommitOfTheFinal(/*is_written=*/false);
  EXPECT_THAT(world_.Tickets(first_), IsEmpty());
  EXPECT_THAT(Metrics(), HasSubstr("ev_billed_energy_mwh_total 0\n"));
  Restart();
  EXPECT_TRUE(world_.IsBooked(first_));
}

// B99 B111 B113
TEST_F(FactIngestLogTest, AFactWhoseCommitTookPlaceUnknownToAnybodyIsBookedOnce) {
  FailTheCommitOfTheFinal(/*is_written=*/true);
  EXPECT_THAT(world_.Tickets(first_), SizeIs(1));
  Restart();
  Publish(MakeFact(FactKind::kFinal, first_, 1, 1'000'000));
  ASSERT_TRUE(IsAllRead());
  EXPECT_THAT(world_.Tickets(first_), SizeIs(1));
  EXPECT_THAT(Metrics(), HasSubstr("ev_messages_in_total{result=\"decoded\",topic=\"charging_session_complete\"} 1\n"));
}

// B60
TEST_F(FactIngestLogTest, ALogMadeAnewIsReadFromItsStartOnceItIsAcceptedAndEveryTicketIsThereOnce) {
  PublishAll(first_);
  ASSERT_TRUE(world_.IsBooked(first_));
  ASSERT_TRUE(IsAllRead());
  log_.Recreate("cluster-2");
  PublishAll(first_);  // The charging points publish again what they do not know to be settled.
  PublishAll(second_);
  ASSERT_TRUE(Eventually(kPatience, [&] { return ingest().waiting_cluster() == "cluster-2"; }));
  EXPECT_EQ(world_.store.FindSession(second_.id)->state, SessionState::kGranted);
  EXPECT_THAT(*world_.store.ListGaps(), IsEmpty());
  EV_ASSERT_OK(ingest().AcceptCluster("cluster-2"));
  ASSERT_TRUE(world_.IsBooked(second_));
  ASSERT_TRUE(IsAllRead());
  EXPECT_THAT(world_.Tickets(first_), SizeIs(1));
  EXPECT_THAT(world_.Tickets(second_), SizeIs(1));
  EXPECT_THAT(*world_.store.ListGaps(), SizeIs(2)) << "one for each partition that had been read";
  EXPECT_EQ(parts_->readiness.Get().health, metrics::Health::kReady);
  std::vector<std::string> topics;
  const auto read = world_.store.ReadOutbox(0, 100);
  for (const auto& row : *read) topics.push_back(row.record.topic);
  EXPECT_THAT(topics, ::testing::Contains(world_.topics.alerts.name));
  EV_EXPECT_OK(world_.store.CheckIntegrity());
}

// B60
TEST_F(FactIngestLogTest, AnEmbeddedBrokerThatComesBackIsAcceptedWithoutAsking) {
  PublishAll(first_);
  ASSERT_TRUE(world_.IsBooked(first_));
  log_.Recreate("mockCluster-2");
  PublishAll(first_);
  PublishAll(second_);
  EXPECT_TRUE(world_.IsBooked(second_));
  EXPECT_THAT(world_.Tickets(first_), SizeIs(1));
  EXPECT_EQ(ingest().waiting_cluster(), "");
}

// B60
TEST_F(FactIngestLogTest, WhatTheLogHasLostIsWrittenDownAndReadingGoesOnAfterIt) {
  Publish(MakeFact(FactKind::kStart, first_, 0, 0));
  ASSERT_TRUE(IsAllRead());
  parts_->ingest->Stop();
  Publish(MakeFact(FactKind::kSample, first_, 1, 100'000));
  Publish(MakeFact(FactKind::kSample, first_, 2, 200'000));
  log_.Truncate({data_, world_.ShardOf(first_.cp)}, 2);
  Restart();
  ASSERT_TRUE(IsAllRead());
  EXPECT_EQ(world_.store.FindSession(first_.id)->energy_mwh, 200'000);
  const std::vector<store::GapRecord> gaps = *world_.store.ListGaps();
  ASSERT_THAT(gaps, SizeIs(1));
  EXPECT_EQ(gaps[0].topic, data_);
  EXPECT_EQ(gaps[0].stored_next, 1);
  EXPECT_EQ(gaps[0].log_start, 2);
  EXPECT_EQ(gaps[0].log_end, 3);
}

}  // namespace
}  // namespace ev::central
