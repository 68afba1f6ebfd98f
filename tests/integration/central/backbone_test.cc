#include "services/central/adapters/backbone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "kafka/embedded_broker.h"
#include "kafka/producer.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "store/inmemory/inmemory_store.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace ev::central {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLimit = absl::Seconds(20);
constexpr int kTopicAuthorizationFailed = 29;  // Of the Kafka protocol.

class CentralBackboneTest : public ::testing::Test {
 protected:
  CentralBackboneTest() {
    topics_.session_data.partitions = topics_.session_complete.partitions = 1;
    broker_ = *kafka::EmbeddedBroker::Start(0, topics_.All());
    host_ = *ShardHost::Create(
        {}, store_, clock_, [this](const OutboxItem& item) { return codec_.Encode(item); }, registry_);
    backbone_ = *Backbone::Create({.kafka = {.brokers = broker_->bootstrap()},
                                   .topics = topics_,
                                   .stall = {.interval = absl::Milliseconds(20), .looks = 5}},
                                  codec_, *host_, clock_, registry_, readiness_);
  }
  ~CentralBackboneTest() override {
    backbone_->StopReading();
    host_->Stop(absl::Seconds(1));
  }

  metrics::Condition Reading() const { return readiness_.Get().conditions.at("kafka_consumer"); }
  bool Exports(const std::string& line) const {
    return absl::StrContains(registry_.RenderText(), absl::StrCat("\n", line, "\n"));
  }
  void PublishSomething() {
    auto producer =
        *kafka::Producer::Create({.kafka = {.brokers = broker_->bootstrap()}, .topics = {topics_.session_data.name}});
    EV_ASSERT_OK(producer->Publish(
        {.topic = topics_.session_data.name, .key = "cp_001", .value = "\xff", .headers = {}, .done = nullptr}));
    EV_ASSERT_OK(producer->Flush(kLimit));
  }

  Topics topics_;
  const SystemClock clock_;
  std::unique_ptr<kafka::EmbeddedBroker> broker_;
  metrics::Registry registry_{"ev-central", "test"};
  metrics::Readiness readiness_{registry_, {"kafka", "topics", "kafka_consumer"}};
  store::InMemoryStore store_{1, "5700000000000000000000000000001d", absl::Now()};
  const OutboxCodec codec_{topics_};
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

}  // namespace
}  // namespace ev::central
