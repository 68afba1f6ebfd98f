#include "services/driver/adapters/backbone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "kafka/embedded_broker.h"
#include "kafka/producer.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace ev::driver {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(20);
constexpr int kTopicAuthorizationFailed = 29;  // Of the Kafka protocol.

// B117
TEST(DriverBackboneTest, NewsThatStandStillAreSeenInReadinessAndMetricUntilTheyGoOn) {
  const TopicConfig topic{.name = "charging_status_updates", .partitions = 1};
  const auto broker = *kafka::EmbeddedBroker::Start(0, {topic});
  metrics::Registry registry("ev-driver", "test");
  metrics::Readiness readiness(registry, {Backbone::kCondition, Backbone::kConsumerCondition});
  const auto exports = [&](absl::string_view series) { return absl::StrContains(registry.RenderText(), series); };
  const auto reading = [&] { return readiness.Get().conditions.at(Backbone::kConsumerCondition); };
  const auto publish_something = [&] {
    auto producer = *kafka::Producer::Create({.kafka = {.brokers = broker->bootstrap()}, .topics = {topic.name}});
    EV_ASSERT_OK(
        producer->Publish({.topic = topic.name, .key = "driver_001", .value = "\xff", .headers = {}, .done = nullptr}));
    EV_ASSERT_OK(producer->Flush(kLimit));
  };
  const auto backbone = Backbone::Create(
      {.kafka = {.brokers = broker->bootstrap()},
       .topic = topic.name,
       .group_id = "driver_001_consumer_group",
       .stall = {.interval = absl::Milliseconds(20), .looks = 5}},
      [](const Charge&) {}, registry, readiness);
  EV_ASSERT_OK(backbone);
  // Reading begins at the log's end, whenever that is.
  EXPECT_TRUE(Eventually(kLimit, [&] {
    publish_something();
    return !exports(absl::StrCat("\nev_messages_in_total{result=\"undecodable\",topic=\"", topic.name, "\"} 0\n"));
  }));
  broker->FailFetch(kTopicAuthorizationFailed);
  publish_something();
  EXPECT_TRUE(Eventually(kLimit, [&] { return absl::StrContains(reading().reason, "although the log holds more"); }));
  EXPECT_EQ(reading().health, metrics::Health::kDegraded);
  EXPECT_TRUE(exports("\nev_kafka_consumer_stalled 1\n"));
  broker->HealReading();
  EXPECT_TRUE(Eventually(kLimit, [&] { return reading().health == metrics::Health::kReady; }));
  EXPECT_TRUE(exports("\nev_kafka_consumer_stalled 0\n"));
}

}  // namespace
}  // namespace ev::driver
