#include "services/central/adapters/fact_ingest.h"

#include <gmock/gmock.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "evcharging/events/v1/alerts.pb.h"
#include "tests/unit/central/fact_ingest_world.h"

namespace ev::central {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

// The test calls the handler itself; here is only what the handler asks for.
class ManualSubscriber final : public Subscriber {
 public:
  absl::Status Start(std::vector<TopicPartitionOffset> positions, BatchHandler&) override {
    started_ = std::move(positions);
    return absl::OkStatus();
  }
  absl::StatusOr<std::int64_t> Rewind(const TopicPartition& partition, std::optional<std::int64_t> next) override {
    rewound_[partition] = next;
    return ++generations_[partition];
  }
  void CommitBehind(const TopicPartition& partition, std::int64_t next, absl::string_view) override {
    MutexLock lock(mutex_);
    durable_[partition] = next;
  }
  void Stop() override {}
  BackboneHealth Health() const override { return {}; }

  const std::vector<TopicPartitionOffset>& started() const { return started_; }
  const std::map<TopicPartition, std::int64_t>& generations() const { return generations_; }
  // To where each was rewound last.
  const std::map<TopicPartition, std::optional<std::int64_t>>& rewound() const { return rewound_; }
  std::map<TopicPartition, std::int64_t> durable() const {
    MutexLock lock(mutex_);
    return durable_;
  }

 private:
  std::vector<TopicPartitionOffset> started_;
  std::map<TopicPartition, std::int64_t> generations_;
  std::map<TopicPartition, std::optional<std::int64_t>> rewound_;
  mutable Mutex mutex_;
  std::map<TopicPartition, std::int64_t> durable_ ABSL_GUARDED_BY(mutex_);
};

class FactIngestTest : public ::testing::Test {
 protected:
  FactIngestTest() { world_.Seed(session_); }

  void Open() { parts_ = std::make_unique<Parts>(world_); }
  void Start() {
    Open();
    parts_->host->Start();
    EV_ASSERT_OK(ingest().Start());
    EV_ASSERT_OK(ingest().OnCluster("cluster-1"));
  }
  FactIngest& ingest() { return *parts_->ingest; }
  std::string Metrics() { return parts_->registry.RenderText(); }

  // One batch of the session's partition: the bodies from offset `base` on.
  absl::Status Give(const std::string& topic, std::int64_t base, const std::vector<std::string>& bodies,
                    std::int64_t generation = 0, std::int64_t more = 0) {
    std::vector<IncomingMessage> messages;
    for (const std::string& body : bodies) {
      IncomingMessage& message = messages.emplace_back();
      message.offset = base + static_cast<std::int64_t>(messages.size()) - 1;
      message.key = "cp_001";
      message.value = body;
      message.broker_time = sample_.time;
    }
    return ingest().OnBatch({.topic = topic,
                             .partition = world_.ShardOf(session_.cp),
                             .generation = generation,
                             .log_end = base + static_cast<std::int64_t>(bodies.size()) + more,
                             .messages = messages});
  }
  absl::Status Give(const Fact& fact, std::int64_t offset, std::int64_t generation = 0, std::int64_t more = 0) {
    const std::string& topic =
        fact.kind == FactKind::kFinal ? world_.topics.session_complete.name : world_.topics.session_data.name;
    return Give(topic, offset, {wire::EncodeFact(fact)}, generation, more);
  }
  bool Becomes(SessionState state) {
    return Eventually(kPatience, [&] { return world_.store.FindSession(session_.id)->state == state; });
  }

  using Parts = IngestWorld<ManualSubscriber>::Parts;
  IngestWorld<ManualSubscriber> world_;
  const Session session_ = GrantedSession();
  const Fact start_ = MakeFact(FactKind::kStart, session_, 0, 0);
  const Fact sample_ = MakeFact(FactKind::kSample, session_, 1, 500'000);
  const Fact final_ = MakeFact(FactKind::kFinal, session_, 2, 1'000'000);
  std::unique_ptr<Parts> parts_;
};

TEST_F(FactIngestTest, ReadingBeginsWhereTheStoreSaysInBothTopicsOfEveryShard) {
  Start();
  ASSERT_THAT(parts_->subscriber.started(), SizeIs(2 * kShards));
  for (const TopicPartitionOffset& position : parts_->subscriber.started()) EXPECT_FALSE(position.next.has_value());
  EV_ASSERT_OK(Give(start_, 7));
  EV_ASSERT_OK(Give(final_, 3));
  ASSERT_TRUE(Eventually(kPatience, [&] { return parts_->subscriber.durable().size() == 2; }));
  EXPECT_TRUE(world_.IsBooked(session_));
  parts_.reset();
  Start();
  std::map<std::string, std::int64_t> next;
  for (const TopicPartitionOffset& position : parts_->subscriber.started()) {
    if (position.partition == world_.ShardOf(session_.cp)) next[position.topic] = position.next.value_or(-1);
  }
  EXPECT_EQ(next[world_.topics.session_data.name], 8);
  EXPECT_EQ(next[world_.topics.session_complete.name], 4);
}

// B126
TEST_F(FactIngestTest, AFactInAPartitionOfAnotherShardIsPutAsideThereAndBookedWhereItBelongs) {
  Start();
  IncomingMessage message;
  message.key = "cp_001";
  const std::string body = wire::EncodeFact(final_);
  message.value = body;
  EV_ASSERT_OK(ingest().OnBatch({.topic = world_.topics.session_complete.name,
                                 .partition = (world_.ShardOf(session_.cp) + 1) % kShards,
                                 .generation = 0,
                                 .log_end = 1,
                                 .messages = {&message, 1}}));
  EXPECT_TRUE(Eventually(kPatience, [&] {
    return Metrics().find("ev_dead_letters_total{reason=\"wrong_partition\"} 1\n") != std::string::npos;
  }));
  EXPECT_THAT(world_.Tickets(session_), IsEmpty());
  EV_ASSERT_OK(Give(final_, 0));
  EXPECT_TRUE(world_.IsBooked(session_));
}

// B63 B112
TEST_F(FactIngestTest, AMessageThatCannotBeReadIsPutAsideAndTheRestFlowsOn) {
  Start();
  EV_ASSERT_OK(Give(world_.topics.session_data.name, 0,
                    {wire::EncodeFact(start_), "\xff not a fact", wire::EncodeFact(sample_)}));
  ASSERT_TRUE(Becomes(SessionState::kCharging));
  EXPECT_EQ(world_.store.FindSession(session_.id)->energy_mwh, 500'000);
  EXPECT_TRUE(Eventually(kPatience, [&] {
    return Metrics().find("ev_dead_letters_total{reason=\"undecodable\"} 1\n") != std::string::npos;
  }));
  EXPECT_THAT(Metrics(), HasSubstr("ev_messages_in_total{result=\"undecodable\",topic=\"charging_session_data\"} 1\n"));
  EXPECT_THAT(Metrics(), HasSubstr("ev_messages_in_total{result=\"decoded\",topic=\"charging_session_data\"} 2\n"));
  std::vector<store::OutboxRecord> letters;
  const auto read = world_.store.ReadOutbox(0, 100);
  for (const auto& row : *read) {
    if (row.record.topic == world_.topics.dead_letter.name) letters.push_back(row.record);
  }
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].value, "\xff not a fact");
  EXPECT_THAT(letters[0].id,
              StartsWith(absl::StrCat("dead/charging_session_data/", world_.ShardOf(session_.cp), "/1/")));
}

TEST_F(FactIngestTest, TheLagIsTheAgeOfTheLastFactAndZeroWhenCaughtUp) {
  Start();
  EXPECT_EQ(ingest().lag(), absl::ZeroDuration());
  world_.clock.Set(sample_.time + absl::Seconds(90));
  EV_ASSERT_OK(Give(sample_, 0, /*generation=*/0, /*more=*/5));
  EXPECT_EQ(ingest().lag(), absl::Seconds(90));
  EXPECT_THAT(Metrics(), HasSubstr("ev_lag_seconds 90\n"));
  EV_ASSERT_OK(Give(MakeFact(FactKind::kSample, session_, 2, 600'000), 1));
  EXPECT_EQ(ingest().lag(), absl::ZeroDuration());
  EXPECT_THAT(Metrics(), HasSubstr("ev_lag_seconds 0\n"));
}

TEST_F(FactIngestTest, TheLagGrowsWhileNothingIsTaken) {
  Start();
  world_.clock.Set(sample_.time + absl::Seconds(10));
  ingest().Hold("topics are not as they must be");
  EXPECT_FALSE(Give(sample_, 0).ok());
  EXPECT_THAT(Metrics(), HasSubstr("ev_lag_seconds 10\n"));
  world_.clock.Set(sample_.time + absl::Seconds(30));
  EXPECT_THAT(Metrics(), HasSubstr("ev_lag_seconds 30\n"));
  std::vector<absl::Duration> lags(kShards, absl::ZeroDuration());
  lags.at(static_cast<std::size_t>(world_.ShardOf(session_.cp))) = absl::Seconds(30);
  EXPECT_EQ(ingest().lags(), lags);
}

// B60
TEST_F(FactIngestTest, WhatWasReadBeforeTheRewindIsDropped) {
  Start();
  EV_ASSERT_OK(Give(start_, 5));
  ASSERT_TRUE(Becomes(SessionState::kCharging));
  EV_ASSERT_OK(ingest().OnCluster("mockCluster-2"));
  EXPECT_THAT(parts_->subscriber.generations(), SizeIs(2 * kShards));
  EXPECT_THAT(parts_->subscriber.generations(), Each(::testing::Pair(::testing::_, 1)));
  EXPECT_THAT(parts_->subscriber.rewound(), Each(::testing::Pair(::testing::_, std::nullopt)));
  EV_EXPECT_OK(Give(final_, 0, /*generation=*/0));
  EV_ASSERT_OK(Give(sample_, 0, /*generation=*/1));
  ASSERT_TRUE(Eventually(kPatience, [&] { return world_.store.FindSession(session_.id)->energy_mwh == 500'000; }));
  EXPECT_TRUE(world_.Tickets(session_).empty());
  EV_ASSERT_OK(Give(final_, 0, /*generation=*/1));
  EXPECT_TRUE(world_.IsBooked(session_));
}

// B41 B60
TEST_F(FactIngestTest, AnotherClusterIsRefusedAndSaidUntilThatOneIsAccepted) {
  Start();
  const auto alerts = [&] {
    std::vector<std::string> texts;
    const auto rows = world_.store.ReadOutbox(0, 100);
    for (const store::StoredOutboxRecord& row : *rows) {
      evcharging::events::v1::Alert alert;
      if (row.record.topic != world_.topics.alerts.name || !alert.ParseFromString(row.record.value)) continue;
      EXPECT_EQ(alert.kind(), evcharging::events::v1::ALERT_KIND_CLUSTER_UNKNOWN);
      texts.push_back(alert.text());
    }
    return texts;
  };
  EXPECT_THAT(ingest().AcceptCluster("cluster-2"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(ingest().OnCluster("cluster-2"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(ingest().waiting_cluster(), "cluster-2");
  EXPECT_EQ(parts_->readiness.Get().health, metrics::Health::kDegraded);
  EXPECT_THAT(parts_->readiness.Get().Reasons(), HasSubstr("cluster-2"));
  EXPECT_THAT(ingest().AcceptCluster("cluster-3"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("cluster-2")));
  EXPECT_THAT(ingest().AcceptCluster(""), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(ingest().OnCluster("cluster-2"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(parts_->subscriber.generations().empty());
  EV_ASSERT_OK(ingest().AcceptCluster("cluster-2"));
  // The consent is for that one only.
  EXPECT_THAT(ingest().OnCluster("cluster-3"), StatusIs(absl::StatusCode::kFailedPrecondition));
  // Operators are told once of each.
  ASSERT_TRUE(Eventually(kPatience, [&] { return alerts().size() == 2; }));
  EXPECT_THAT(alerts(), ElementsAre(HasSubstr("cluster-2"), HasSubstr("cluster-3")));
  EV_ASSERT_OK(ingest().OnCluster("cluster-2"));
  EXPECT_EQ(ingest().waiting_cluster(), "");
  EXPECT_EQ(*world_.store.KafkaClusterId(), "cluster-2");
  EXPECT_EQ(parts_->readiness.Get().health, metrics::Health::kReady);
}

// B60
TEST_F(FactIngestTest, AGapThatIsSeenFromAPositionWhichWasLeftIsNotASecondOne) {
  Start();
  EV_ASSERT_OK(Give(start_, 5));
  ASSERT_TRUE(Becomes(SessionState::kCharging));
  EV_ASSERT_OK(ingest().OnCluster("mockCluster-2"));
  const auto next = ingest().OnGap({.partition = {world_.topics.session_data.name, world_.ShardOf(session_.cp)},
                                    .wanted_next = 6,
                                    .low = 9,
                                    .high = 9});
  EV_ASSERT_OK(next);
  EXPECT_EQ(*next, 0);
  EV_ASSERT_OK(Give(start_, 0, /*generation=*/1));  // Behind whatever the gap has written.
  ASSERT_TRUE(Eventually(kPatience, [&] { return !world_.store.ListGaps()->empty(); }));
  EXPECT_THAT(*world_.store.ListGaps(), SizeIs(1));
}

TEST_F(FactIngestTest, TheKnownClusterThatComesBackEndsTheWaiting) {
  Start();
  EXPECT_THAT(ingest().OnCluster("cluster-2"), Not(IsOk()));
  EV_ASSERT_OK(ingest().OnCluster("cluster-1"));
  EXPECT_EQ(parts_->readiness.Get().health, metrics::Health::kReady);
  EXPECT_EQ(ingest().waiting_cluster(), "");
  EXPECT_THAT(ingest().AcceptCluster("cluster-2"), StatusIs(absl::StatusCode::kFailedPrecondition));
}

// B183
TEST_F(FactIngestTest, WhatComesDuringAHoldIsNotTakenAndReadAnewAfterIt) {
  Start();
  EV_ASSERT_OK(Give(start_, 5));
  ASSERT_TRUE(Becomes(SessionState::kCharging));
  const TopicPartition partition{world_.topics.session_data.name, world_.ShardOf(session_.cp)};
  ingest().Hold("3 partitions");
  EXPECT_THAT(Give(sample_, 6), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("3 partitions")));
  EXPECT_THAT(ingest().OnGap({.partition = partition, .wanted_next = 6, .low = 9, .high = 9}), Not(IsOk()));
  EXPECT_TRUE(parts_->subscriber.generations().empty());
  ingest().Hold("");
  EXPECT_THAT(Give(sample_, 6), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(parts_->subscriber.generations(), SizeIs(2 * kShards));
  EXPECT_EQ(parts_->subscriber.rewound().at(partition), 6);
  EV_ASSERT_OK(Give(sample_, 6, /*generation=*/1));
  EXPECT_TRUE(Eventually(kPatience, [&] { return world_.store.FindSession(session_.id)->energy_mwh == 500'000; }));
  EXPECT_TRUE(world_.store.ListGaps()->empty());
}

// B60 B183
TEST_F(FactIngestTest, WhileTopicsAreNotAsTheyMustBeNeitherAnotherLogNorAGapIsPassed) {
  Open();
  ingest().SetTopicCheck([] { return absl::FailedPreconditionError("3 partitions"); });
  parts_->host->Start();
  EV_ASSERT_OK(ingest().Start());
  EV_ASSERT_OK(ingest().OnCluster("cluster-1"));
  EV_ASSERT_OK(Give(start_, 5));
  EXPECT_THAT(ingest().OnCluster("mockCluster-2"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(*world_.store.KafkaClusterId(), "cluster-1");
  EXPECT_THAT(
      ingest().OnGap({.partition = {world_.topics.session_data.name, 0}, .wanted_next = 6, .low = 9, .high = 9}),
      StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(parts_->subscriber.generations().empty());
  EXPECT_TRUE(world_.store.ListGaps()->empty());
}

// B60 B99
TEST_F(FactIngestTest, TheStoreNamesTheNewClusterOnlyWhenItHoldsTheNewPositions) {
  Start();
  EV_ASSERT_OK(Give(start_, 5));
  ASSERT_TRUE(Becomes(SessionState::kCharging));
  parts_.reset();

  Open();  // Nothing is committed yet.
  EXPECT_THAT(ingest().OnCluster("mockCluster-2"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(*world_.store.KafkaClusterId(), "cluster-1");
  parts_->host->Start();
  EV_ASSERT_OK(ingest().OnCluster("mockCluster-2"));
  EXPECT_EQ(*world_.store.KafkaClusterId(), "mockCluster-2");
  const std::vector<store::Offset> offsets = world_.TakeOffsets();
  ASSERT_THAT(offsets, SizeIs(1));
  EXPECT_EQ(offsets[0].next, 0);
  EXPECT_THAT(*world_.store.ListGaps(), SizeIs(1));
}

}  // namespace
}  // namespace ev::central
