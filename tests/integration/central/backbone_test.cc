#include "services/central/adapters/backbone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "kafka/admin.h"
#include "kafka/embedded_broker.h"
#include "kafka/producer.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "store/inmemory/inmemory_store.h"
#include "tests/support/eventually.h"
#include "tests/support/notification.h"
#include "tests/support/status_matchers.h"

namespace ev::central {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLimit = absl::Seconds(20);
// Lets two dead letters pass, then holds the committer up until it is released.
class HangingObserver final : public Observer {
 public:
  void OnSession(const SessionChanged&) override {}
  void OnPoint(const PointChanged&) override {}
  void OnDeadLetter(const DeadLettered&) override {
    if (++seen_ > 2) release.WaitForNotificationWithTimeout(kLimit);
  }

  Notification release;

 private:
  int seen_ = 0;
};

// Error codes of the Kafka protocol.
constexpr int kMessageTooLarge = 10;
constexpr int kTopicAuthorizationFailed = 29;

class CentralBackboneTest : public ::testing::Test {
 protected:
  CentralBackboneTest() {
    topics_.session_data.partitions = topics_.session_complete.partitions = 1;
    broker_ = *kafka::EmbeddedBroker::Start(0, topics_.All());
    host_ = *ShardHost::Create(
        {.backlog_bound = 10}, store_, clock_, [this](const OutboxItem& item) { return codec_.Encode(item); },
        registry_);
    backbone_ = *Backbone::Create({.kafka = {.brokers = broker_->bootstrap()},
                                   .topics = topics_,
                                   .stall = {.interval = absl::Milliseconds(20), .looks = 5},
                                   .look_again = absl::Milliseconds(100)},
                                  codec_, *host_, clock_, registry_, readiness_);
  }
  ~CentralBackboneTest() override {
    if (!hanging_.release.HasBeenNotified()) hanging_.release.Notify();
    backbone_->StopReading();
    host_->Stop(absl::Seconds(1));
  }

  metrics::Condition Reading() const { return readiness_.Get().conditions.at("kafka_consumer"); }
  metrics::Condition TopicsOf() const { return readiness_.Get().conditions.at("topics"); }
  bool Exports(const std::string& line) const {
    return absl::StrContains(registry_.RenderText(), absl::StrCat("\n", line, "\n"));
  }
  // Nobody can decode it.
  void PublishSomething(int count = 1, const std::string& value = "\xff") {
    PublishTo(topics_.session_data.name, count, value);
  }
  void PublishTo(const std::string& topic, int count = 1, const std::string& value = "\xff") {
    auto producer = *kafka::Producer::Create({.kafka = {.brokers = broker_->bootstrap()}, .topics = {topic}});
    for (int i = 0; i < count; ++i) {
      EV_ASSERT_OK(producer->Publish(
          {.topic = topic, .key = absl::StrCat("cp_", i), .value = value, .headers = {}, .done = nullptr}));
    }
    EV_ASSERT_OK(producer->Flush(kLimit));
  }
  bool HasTaken(int messages, absl::string_view topic = "charging_session_data") const {
    return Exports(absl::StrCat("ev_messages_in_total{result=\"undecodable\",topic=\"", topic, "\"} ", messages));
  }
  std::string ClusterId() { return *(*kafka::Admin::Create({.brokers = broker_->bootstrap()}))->ClusterId(kLimit); }
  // An empty one comes back at the same address. The mock cluster's id is its address in memory, which the next one may
  // be given again: then others take the place.
  void ReplaceBroker(const Topics& topics) {
    const int port = broker_->port();
    ids_.insert(ClusterId());
    do {
      broker_.reset();
      blockers_.push_back(*kafka::EmbeddedBroker::Start());
      broker_ = *kafka::EmbeddedBroker::Start(port, topics.All());
    } while (ids_.contains(ClusterId()));
  }

  Topics topics_;
  const SystemClock clock_;
  std::vector<std::unique_ptr<kafka::EmbeddedBroker>> blockers_;
  std::set<std::string> ids_;  // Of all clusters before this one.
  std::unique_ptr<kafka::EmbeddedBroker> broker_;
  metrics::Registry registry_{"ev-central", "test"};
  metrics::Readiness readiness_{registry_, {"kafka", "topics", "kafka_consumer"}};
  store::InMemoryStore store_{1, "5700000000000000000000000000001d", absl::Now()};
  const OutboxCodec codec_{topics_};
  HangingObserver hanging_;
  std::unique_ptr<ShardHost> host_;
  std::unique_ptr<Backbone> backbone_;
};

// B117
TEST_F(CentralBackboneTest, ReadingThatStandsStillIsSeenInReadinessAndMetricUntilItGoesOn) {
  EXPECT_TRUE(Exports("ev_kafka_consumer_stalled 0"));
  PublishSomething();
  broker_->FailFetch(kTopicAuthorizationFailed);
  host_->Start();
  backbone_->Start();
  EXPECT_TRUE(Eventually(kLimit, [&] { return Exports("ev_kafka_consumer_stalled 1"); }));
  EXPECT_TRUE(Eventually(kLimit, [&] { return Reading().health == metrics::Health::kDegraded; }));
  EXPECT_THAT(Reading().reason, HasSubstr("[0] was never read"));
  EXPECT_THAT(readiness_.Get().ToText(), HasSubstr("kafka_consumer: charging_session_"));

  broker_->HealReading();
  EXPECT_TRUE(Eventually(kLimit, [&] { return Exports("ev_kafka_consumer_stalled 0"); }));
  EXPECT_TRUE(Eventually(kLimit, [&] { return Reading().health == metrics::Health::kReady; }));
  EXPECT_TRUE(Eventually(kLimit, [&] {
    return Exports("ev_messages_in_total{result=\"undecodable\",topic=\"charging_session_data\"} 1");
  }));
}

// B60 B183
TEST_F(CentralBackboneTest, FromTopicsMadeAnewWithOtherPartitionsNothingIsTakenUntilTheyAreMadeAsTheyWere) {
  host_->Start();
  backbone_->Start();
  PublishSomething();
  ASSERT_TRUE(Eventually(kLimit, [&] { return HasTaken(1); }));
  Topics others = topics_;
  others.session_data.partitions = 3;
  ReplaceBroker(others);
  PublishSomething(/*count=*/20);  // To each of the partitions.
  ASSERT_TRUE(Eventually(kLimit, [&] { return TopicsOf().health == metrics::Health::kNotReady; }));
  EXPECT_THAT(TopicsOf().reason, HasSubstr("topic charging_session_data has 3 partitions, the store was made for 1"));
  ASSERT_TRUE(Eventually(kLimit, [&] { return Reading().health == metrics::Health::kDegraded; }));
  EXPECT_TRUE(HasTaken(1));
  EXPECT_TRUE(store_.ListGaps()->empty());

  ReplaceBroker(topics_);
  PublishSomething(/*count=*/2);
  EXPECT_TRUE(Eventually(kLimit, [&] { return HasTaken(3); }));
  EXPECT_TRUE(Eventually(kLimit, [&] { return TopicsOf().health == metrics::Health::kReady; }));
  EXPECT_TRUE(Eventually(kLimit, [&] { return Reading().health == metrics::Health::kReady; }));
  EXPECT_TRUE(Eventually(kLimit, [&] { return store_.ListGaps()->size() == 1; }));
}

// B63
TEST_F(CentralBackboneTest, ADeadLetterAsLargeAsARecordMayBeIsKeptWhole) {
  // With its key as large as a producer's default lets it be; the headers come on top.
  PublishSomething(/*count=*/1, std::string(999'900, '\xff'));
  host_->Start();
  backbone_->Start();
  const auto admin = *kafka::Admin::Create({.brokers = broker_->bootstrap()});
  EXPECT_TRUE(Eventually(kLimit, [&] {
    const auto marks = admin->QueryWatermarks({.topic = topics_.dead_letter.name, .partition = 0}, kLimit);
    return marks.ok() && marks->high == 1;
  }));
  EXPECT_TRUE(Eventually(kLimit, [&] { return store_.ReadOutbox(0, 1)->empty(); }));
}

// B95 B112
TEST_F(CentralBackboneTest, WhatTheBrokerRefusesAsABatchReachesItAlone) {
  PublishSomething(/*count=*/3);
  broker_->FailProduce({kMessageTooLarge});
  host_->Start();
  backbone_->Start();
  const auto admin = *kafka::Admin::Create({.brokers = broker_->bootstrap()});
  EXPECT_TRUE(Eventually(kLimit, [&] {
    const auto marks = admin->QueryWatermarks({.topic = topics_.dead_letter.name, .partition = 0}, kLimit);
    return marks.ok() && marks->high == 3;
  }));
  EXPECT_TRUE(Eventually(kLimit, [&] {
    return Exports("ev_messages_out_total{result=\"acknowledged\",topic=\"charging_dead_letter\"} 3");
  }));
  EXPECT_TRUE(Exports("ev_messages_out_total{result=\"dropped\",topic=\"charging_dead_letter\"} 0"));
}

// B122
TEST_F(CentralBackboneTest, FactsWaitInKafkaWhileTheCommitIsBehindAndAreTakenWhenItGoesOn) {
  host_->AddObserver(hanging_);
  EXPECT_TRUE(Exports("ev_commit_backlog_bound 10"));
  host_->Start();
  backbone_->Start();
  // Both partitions are being read before anything hangs.
  PublishSomething();
  PublishTo(topics_.session_complete.name);
  ASSERT_TRUE(Eventually(kLimit, [&] { return HasTaken(1) && HasTaken(1, topics_.session_complete.name); }));
  PublishSomething(/*count=*/20);
  ASSERT_TRUE(Eventually(kLimit, [&] { return host_->is_behind(); }));
  PublishSomething(/*count=*/20);
  ASSERT_TRUE(Eventually(kLimit, [&] { return absl::StrContains(Reading().reason, "stays at offset"); }));
  EXPECT_FALSE(HasTaken(41));
  EXPECT_FALSE(Exports("ev_commit_backlog 0"));
  hanging_.release.Notify();
  EXPECT_TRUE(Eventually(kLimit, [&] { return HasTaken(41); }));
  EXPECT_TRUE(Eventually(kLimit, [&] { return Exports("ev_commit_backlog 0"); }));
}

}  // namespace
}  // namespace ev::central
