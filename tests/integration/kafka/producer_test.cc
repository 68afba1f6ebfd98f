#include "kafka/producer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "kafka/consumer.h"
#include "kafka/embedded_broker.h"
#include "tests/integration/kafka/recording_handler.h"
#include "tests/integration/kafka/replace_broker.h"
#include "tests/support/eventually.h"
#include "tests/support/free_port.h"
#include "tests/support/status_matchers.h"

namespace ev::kafka {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr absl::Duration kLimit = absl::Seconds(20);
constexpr int kOutOfOrderSequenceNumber = 45;  // Of Kafka's protocol: fatal to an idempotent producer.
constexpr int kUnknownTopic = 3;
const TopicConfig kTopic{.name = "facts", .partitions = 4};

class ProducerTest : public ::testing::Test {
 protected:
  LogSink Log() {
    return [this](const Note& note) {
      if (note.level != NoteLevel::kDebug) lines_.Add(note);
    };
  }
  ProducerConfig Config(std::string brokers) {
    return {
        .kafka = {.brokers = std::move(brokers)}, .topics = {kTopic.name}, .watch = {.limit = absl::Milliseconds(400)}};
  }
  void StartBroker(int port = 0) { broker_ = *EmbeddedBroker::Start(port, {kTopic}); }
  void StartProducer(ProducerConfig config) {
    absl::StatusOr<std::unique_ptr<Producer>> producer = Producer::Create(std::move(config), Log());
    EV_ASSERT_OK(producer);
    producer_ = *std::move(producer);
  }
  absl::Status Publish(const std::string& value, DeliveryCallback done = nullptr) {
    return producer_->Publish(
        {.topic = kTopic.name, .key = "cp_001", .value = value, .headers = {}, .done = std::move(done)});
  }
  // What the broker holds for the key.
  std::vector<std::string> Stored(std::size_t count) {
    auto consumer = *Consumer::Create(
        {.kafka = {.brokers = broker_->bootstrap()}, .group_id = "g", .fetch_wait = absl::Milliseconds(10)});
    RecordingHandler handler;
    std::vector<TopicPartitionOffset> positions;
    for (int p = 0; p < kTopic.partitions; ++p) positions.push_back({.topic = kTopic.name, .partition = p, .next = {}});
    EV_EXPECT_OK(consumer->Start(positions, handler));
    EXPECT_TRUE(handler.WaitForMessages(count));
    consumer->Stop();
    return handler.values();
  }

  LogLines lines_;
  std::unique_ptr<EmbeddedBroker> broker_;
  Deliveries deliveries_;
  std::unique_ptr<Producer> producer_;
};

TEST_F(ProducerTest, AnAbsentBrokerIsSaidOnceAndWhatWasPublishedArrivesWhenItComes) {
  const int port = FreePort();
  StartProducer(Config(Loopback(port)));
  EV_ASSERT_OK(Publish("early", deliveries_.Note("early")));
  const std::string complaint = "Kafka producer cannot reach its brokers brokers=" + Loopback(port) + " reason=";
  ASSERT_TRUE(Eventually(kLimit, [&] { return lines_.CountContaining(complaint) == 1; }));
  EXPECT_TRUE(Eventually(kLimit, [&] {
    return producer_->Health().degraded_reason.find("Connection refused") != std::string::npos;
  })) << producer_->Health().degraded_reason;
  EXPECT_FALSE(producer_->Health().connected);
  StartBroker(port);
  EV_EXPECT_OK(producer_->Flush(kLimit));
  EXPECT_THAT(deliveries_.done(), ElementsAre(Pair("early", IsOk())));
  EXPECT_TRUE(Eventually(kLimit, [&] { return producer_->Health().connected; }));
  EXPECT_TRUE(
      Eventually(kLimit, [&] { return lines_.CountContaining("Kafka producer initialized successfully") == 1; }));
  EXPECT_EQ(lines_.CountContaining(complaint), 1);
  EXPECT_THAT(producer_->Health().cluster_id, ::testing::StartsWith("mockCluster"));
}

// The shim that ThreadSanitizer needs makes waiting expensive.
#ifndef EV_TSAN
TEST_F(ProducerTest, WithoutABrokerItWaitsAndDoesNotSpin) {
  const std::string address = Loopback(FreePort());
  StartProducer(Config(address));
  EV_ASSERT_OK(Publish("early"));
  ASSERT_TRUE(Eventually(kLimit, [&] {
    return lines_.CountContaining("Kafka producer cannot reach its brokers brokers=" + address) == 1;
  }));
  // From here on there is nothing to do but to try again. A thread that spins takes all the time that it gets.
  const absl::Duration stretch = absl::Seconds(1);
  const std::clock_t cpu_before = std::clock();
  Eventually(stretch, [] { return false; });
  const absl::Duration cpu = absl::Seconds(std::clock() - cpu_before) / CLOCKS_PER_SEC;
  EXPECT_LT(cpu, stretch / 3);
}
#endif

TEST_F(ProducerTest, EachOutageIsSaidOnce) {
  StartBroker();
  StartProducer(Config(broker_->bootstrap()));
  for (int outage = 1; outage <= 2; ++outage) {
    ASSERT_TRUE(Eventually(
        kLimit, [&] { return lines_.CountContaining("Kafka producer initialized successfully") == outage; }));
    broker_->SetDown();
    ASSERT_TRUE(Eventually(kLimit, [&] { return lines_.CountContaining("Kafka producer cannot reach") == outage; }));
    broker_->SetUp();
  }
  EXPECT_TRUE(Eventually(kLimit, [&] { return producer_->Health().connected; }));
  EXPECT_EQ(lines_.CountContaining("Kafka producer cannot reach"), 2);
}

TEST_F(ProducerTest, ABrokerThatAcceptsConnectionsAndIsSilentCountsAsUnreachable) {
  StartBroker();
  ProducerConfig config = Config(broker_->bootstrap());
  config.watch.interval = absl::Milliseconds(50);
  StartProducer(config);
  ASSERT_TRUE(Eventually(kLimit, [&] { return producer_->Health().connected; }));
  broker_->SetRoundTrip(absl::Seconds(3));
  EXPECT_TRUE(Eventually(kLimit, [&] { return !producer_->Health().connected; }));
  broker_->SetRoundTrip(absl::ZeroDuration());
  EXPECT_TRUE(Eventually(kLimit, [&] { return producer_->Health().connected; }));
}

TEST_F(ProducerTest, ALostAcknowledgementMayStoreTwiceAndTheReaderSeesBoth) {
  StartBroker();
  ProducerConfig config = Config(broker_->bootstrap());
  config.kafka.extra = {{"socket.timeout.ms", "300"}};
  StartProducer(config);
  EV_ASSERT_OK(Publish("0"));
  EV_ASSERT_OK(producer_->Flush(kLimit));
  broker_->DelayProduceAnswer(absl::Milliseconds(2500));  // librdkafka looks for late answers once a second.
  EV_ASSERT_OK(Publish("1", deliveries_.Note("1")));
  EV_ASSERT_OK(producer_->Flush(kLimit));
  EXPECT_THAT(deliveries_.done(), ElementsAre(Pair("1", IsOk())));
  EXPECT_THAT(Stored(3), ElementsAre("0", "1", "1"));
}

TEST_F(ProducerTest, AfterAFatalErrorANewClientSendsWhatIsNotDeliveredInOrder) {
  StartBroker();
  StartProducer(Config(broker_->bootstrap()));
  EV_ASSERT_OK(Publish("0"));
  EV_ASSERT_OK(producer_->Flush(kLimit));
  broker_->FailProduce({kOutOfOrderSequenceNumber});
  for (const char* value : {"1", "2", "3"}) EV_ASSERT_OK(Publish(value, deliveries_.Note(value)));
  EV_ASSERT_OK(producer_->Flush(kLimit));
  EXPECT_THAT(deliveries_.done(), ElementsAre(Pair("1", IsOk()), Pair("2", IsOk()), Pair("3", IsOk())));
  EXPECT_EQ(producer_->replacements(), 1);
  EXPECT_EQ(lines_.CountContaining("Kafka producer ended"), 1);
  EXPECT_THAT(Stored(4), ElementsAre("0", "1", "2", "3"));
}

// A client keeps its producer id. An empty broker that comes back gives that id to another program.
TEST_F(ProducerTest, AfterAnOutageANewClientSendsWhatWaitedInOrder) {
  StartBroker();
  StartProducer(Config(broker_->bootstrap()));
  for (int outage = 1; outage <= 2; ++outage) {
    ASSERT_TRUE(Eventually(kLimit, [&] { return producer_->Health().connected; }));
    broker_->SetDown();
    for (const char* value : {"a", "b", "c"}) EV_ASSERT_OK(Publish(value, deliveries_.Note(value)));
    ASSERT_TRUE(Eventually(kLimit, [&] { return producer_->replacements() == outage; }));
    EXPECT_EQ(producer_->queued(), 3);
    broker_->SetUp();
    EV_ASSERT_OK(producer_->Flush(kLimit));
  }
  EXPECT_THAT(deliveries_.done(), ElementsAre(Pair("a", IsOk()), Pair("b", IsOk()), Pair("c", IsOk()),  //
                                              Pair("a", IsOk()), Pair("b", IsOk()), Pair("c", IsOk())));
  EXPECT_THAT(Stored(6), ElementsAre("a", "b", "c", "a", "b", "c"));
  EXPECT_EQ(producer_->replacements(), 2);
}

TEST_F(ProducerTest, AnotherClusterUnderTheSameAddressGetsANewClientAlthoughTheOldOneWasNotMissed) {
  StartBroker();
  ProducerConfig config = Config(broker_->bootstrap());
  config.watch.limit = absl::Seconds(20);  // Longer than the place is empty: the first answer is the new cluster's.
  StartProducer(config);
  ASSERT_TRUE(Eventually(kLimit, [&] { return producer_->Health().connected; }));
  const std::string old_cluster = producer_->Health().cluster_id;
  ReplaceBroker(broker_, kTopic);
  ASSERT_TRUE(Eventually(kLimit, [&] { return producer_->Health().cluster_id != old_cluster; }));
  ASSERT_TRUE(Eventually(kLimit, [&] { return producer_->replacements() > 0; }));
  EV_ASSERT_OK(Publish("x", deliveries_.Note("x")));
  EV_ASSERT_OK(producer_->Flush(kLimit));
  EXPECT_THAT(Stored(1), ElementsAre("x"));
}

TEST_F(ProducerTest, WhatWaitsIsBoundedInNumberAndInBytes) {
  const int port = FreePort();
  ProducerConfig config = Config(Loopback(port));
  config.max_queued_messages = 3;
  config.max_queued_bytes = 1024;
  StartProducer(config);
  EV_ASSERT_OK(Publish("1"));
  EXPECT_THAT(Publish(std::string(1024, 'x')), StatusIs(absl::StatusCode::kResourceExhausted));
  EV_ASSERT_OK(Publish("2"));
  EV_ASSERT_OK(Publish("3"));
  EXPECT_THAT(Publish("4", deliveries_.Note("4")),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("3 messages wait for the broker")));
  EXPECT_EQ(producer_->queued(), 3);
  EXPECT_EQ(deliveries_.size(), 0U);
  StartBroker(port);
  EV_ASSERT_OK(producer_->Flush(kLimit));
  EV_EXPECT_OK(Publish(std::string(1024 - 6, 'x')));  // With its key of six.
}

TEST_F(ProducerTest, AMessageThatCanNeverBeStoredIsRefusedAtOnce) {
  StartBroker();
  StartProducer(Config(broker_->bootstrap()));
  EXPECT_THAT(Publish(std::string(2'000'000, 'x'), deliveries_.Note("big")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("facts")));
  EXPECT_EQ(producer_->queued(), 0);
  EXPECT_EQ(deliveries_.size(), 0U);
}

// With headers: librdkafka frees them itself when it takes the message, and twice when it does not find the topic.
TEST_F(ProducerTest, ATopicThatIsNotThereRefusesMessagesUntilItIs) {
  StartBroker();
  broker_->SetTopicError(kTopic.name, kUnknownTopic);
  ProducerConfig config = Config(broker_->bootstrap());
  config.kafka.extra = {{"topic.metadata.propagation.max.ms", "1"}, {"topic.metadata.refresh.interval.ms", "100"}};
  StartProducer(config);
  const auto publish = [&] {
    return producer_->Publish({.topic = kTopic.name,
                               .key = "cp_001",
                               .value = "x",
                               .headers = {{"traceparent", "00-1-2-01"}, {"empty", ""}},
                               .done = deliveries_.Note("x")});
  };
  ASSERT_TRUE(Eventually(kLimit, [&] { return absl::IsNotFound(publish()); }));
  for (int i = 0; i < 20; ++i) EXPECT_THAT(publish(), StatusIs(absl::StatusCode::kNotFound));
  EV_ASSERT_OK(producer_->Flush(kLimit));
  for (const auto& [value, status] : deliveries_.done()) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound)) << "what was taken before the broker had answered";
  }

  broker_->SetTopicError(kTopic.name, 0);
  const std::size_t before = deliveries_.size();
  ASSERT_TRUE(Eventually(kLimit, [&] { return publish().ok(); }));
  EV_ASSERT_OK(producer_->Flush(kLimit));
  ASSERT_EQ(deliveries_.size(), before + 1);
  EXPECT_THAT(deliveries_.done().back(), Pair("x", IsOk()));
}

TEST_F(ProducerTest, AWrongSettingIsNamedAndNothingStarts) {
  ProducerConfig config = Config("127.0.0.1:9");
  config.kafka.extra = {{"compression.level", "many"}};
  EXPECT_THAT(Producer::Create(config), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'compression.level'")));
}

TEST_F(ProducerTest, ClosingWithoutABrokerTellsWhatItGaveUpAndLeavesNothingBehind) {
  StartProducer(Config(Loopback(FreePort())));
  EV_ASSERT_OK(Publish("x", deliveries_.Note("x")));
  producer_.reset();
  EXPECT_THAT(deliveries_.done(), ElementsAre(Pair("x", StatusIs(absl::StatusCode::kCancelled))));
  EXPECT_EQ(lines_.CountContaining("closed with messages undelivered messages=1"), 1);
  EXPECT_EQ(lines_.CountContaining("did not close"), 0);
}

}  // namespace
}  // namespace ev::kafka
