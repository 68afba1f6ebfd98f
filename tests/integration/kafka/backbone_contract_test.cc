// What Publisher and Subscriber promise, on both implementations: Kafka (the embedded broker) and the in-memory twin.
// With EV_TEST_KAFKA_BROKERS=host:port on the broker there too, which must be able to create topics.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "events/inmemory/inmemory_log.h"
#include "events/inmemory/inmemory_publisher.h"
#include "events/inmemory/inmemory_subscriber.h"
#include "events/murmur2.h"
#include "events/publisher.h"
#include "events/subscriber.h"
#include "kafka/admin.h"
#include "kafka/consumer.h"
#include "kafka/embedded_broker.h"
#include "kafka/producer.h"
#include "tests/integration/kafka/recording_handler.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace ev {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr absl::Duration kLimit = absl::Seconds(20);
constexpr int kPartitions = 4;

// A topic for each test: the embedded broker is shared, because ending one takes a second.
TopicConfig NewTopic() {
  static int count = 0;
  return {.name = absl::StrCat("facts-", ++count), .partitions = kPartitions};
}

// One log with its clients.
class Backbone {
 public:
  virtual ~Backbone() = default;
  virtual std::unique_ptr<Publisher> NewPublisher(int max_queued) = 0;
  virtual std::unique_ptr<Subscriber> NewSubscriber() = 0;
  virtual const TopicConfig& topic() const = 0;
  virtual void SetDown() = 0;
  virtual void SetUp() = 0;
};

class InMemoryBackbone final : public Backbone {
 public:
  explicit InMemoryBackbone(TopicConfig topic) : topic_(std::move(topic)) { EV_EXPECT_OK(log_.CreateTopic(topic_)); }
  const TopicConfig& topic() const override { return topic_; }
  std::unique_ptr<Publisher> NewPublisher(int max_queued) override {
    return std::make_unique<InMemoryPublisher>(log_, static_cast<std::size_t>(max_queued));
  }
  std::unique_ptr<Subscriber> NewSubscriber() override { return std::make_unique<InMemorySubscriber>(log_); }
  void SetDown() override { log_.SetDown(); }
  void SetUp() override { log_.SetUp(); }

 private:
  const TopicConfig topic_;
  InMemoryLog log_;
};

class KafkaBackbone final : public Backbone {
 public:
  // Without an embedded broker: on the one in the environment.
  KafkaBackbone(kafka::EmbeddedBroker* broker, TopicConfig topic)
      : broker_(broker), brokers_(broker == nullptr ? RealBrokers() : broker->bootstrap()), topic_(std::move(topic)) {
    if (broker_ != nullptr) {
      EV_EXPECT_OK(broker_->CreateTopic(topic_));
      return;
    }
    // What an earlier run left must not be read.
    topic_.name = absl::StrCat(topic_.name, "-", absl::ToUnixMillis(absl::Now()));
    EV_EXPECT_OK((*kafka::Admin::Create({.brokers = brokers_}))->EnsureTopics({topic_}, kLimit));
  }
  ~KafkaBackbone() override { SetUp(); }

  static std::string RealBrokers() {
    const char* brokers = std::getenv("EV_TEST_KAFKA_BROKERS");
    return brokers == nullptr ? "" : brokers;
  }

  const TopicConfig& topic() const override { return topic_; }
  std::unique_ptr<Publisher> NewPublisher(int max_queued) override {
    auto producer = kafka::Producer::Create(
        {.kafka = {.brokers = brokers_}, .max_queued_messages = max_queued, .topics = {topic_.name}, .watch = kWatch});
    EXPECT_THAT(producer, IsOk());
    return *std::move(producer);
  }
  std::unique_ptr<Subscriber> NewSubscriber() override {
    auto consumer = kafka::Consumer::Create({.kafka = {.brokers = brokers_},
                                             .group_id = "contract",
                                             .fetch_wait = absl::Milliseconds(10),
                                             .watch = kWatch});
    EXPECT_THAT(consumer, IsOk());
    return *std::move(consumer);
  }
  void SetDown() override { broker_->SetDown(); }
  void SetUp() override {
    if (broker_ != nullptr) broker_->SetUp();
  }

 private:
  static constexpr kafka::WatchConfig kWatch{.limit = absl::Milliseconds(400)};

  kafka::EmbeddedBroker* const broker_;
  const std::string brokers_;
  TopicConfig topic_;
};

enum class Kind { kInMemory, kKafka, kRealKafka };

std::vector<Kind> Kinds() {
  std::vector<Kind> kinds = {Kind::kInMemory, Kind::kKafka};
  if (!KafkaBackbone::RealBrokers().empty()) kinds.push_back(Kind::kRealKafka);
  return kinds;
}

std::string NameOf(Kind kind) {
  if (kind == Kind::kInMemory) return "InMemory";
  return kind == Kind::kKafka ? "Kafka" : "RealKafka";
}

class BackboneContractTest : public ::testing::TestWithParam<Kind> {
 protected:
  BackboneContractTest() {
    if (GetParam() == Kind::kInMemory) {
      backbone_ = std::make_unique<InMemoryBackbone>(NewTopic());
    } else {
      backbone_ = std::make_unique<KafkaBackbone>(GetParam() == Kind::kKafka ? broker_.get() : nullptr, NewTopic());
    }
    topic_ = backbone_->topic();
    publisher_ = backbone_->NewPublisher(1000);
    subscriber_ = backbone_->NewSubscriber();
  }
  ~BackboneContractTest() override { subscriber_->Stop(); }

  static void SetUpTestSuite() { broker_ = *kafka::EmbeddedBroker::Start(); }
  static void TearDownTestSuite() { broker_.reset(); }

  std::vector<TopicPartitionOffset> Everything() const {
    std::vector<TopicPartitionOffset> positions;
    for (int p = 0; p < kPartitions; ++p) positions.push_back({.topic = topic_.name, .partition = p, .next = {}});
    return positions;
  }
  TopicPartition PartitionOfKey(const std::string& key) const {
    return {.topic = topic_.name, .partition = PartitionFor(key, kPartitions)};
  }
  absl::Status Publish(std::string key, std::string value, DeliveryCallback done = nullptr) {
    return publisher_->Publish({.topic = topic_.name,
                                .key = std::move(key),
                                .value = std::move(value),
                                .headers = {},
                                .done = std::move(done)});
  }
  // Values "0", "1", ... of one key, stored when it returns.
  void Store(const std::string& key, int count, int from = 0) {
    for (int i = from; i < from + count; ++i) EV_ASSERT_OK(Publish(key, std::to_string(i)));
    EV_ASSERT_OK(publisher_->Flush(kLimit));
  }

  static std::unique_ptr<kafka::EmbeddedBroker> broker_;
  TopicConfig topic_;
  std::unique_ptr<Backbone> backbone_;
  std::unique_ptr<Publisher> publisher_;
  RecordingHandler handler_;
  std::unique_ptr<Subscriber> subscriber_;
};

std::unique_ptr<kafka::EmbeddedBroker> BackboneContractTest::broker_;

// On those that can go down: a broker in the environment is not ours to end.
class BackboneOutageTest : public BackboneContractTest {};

TEST_P(BackboneContractTest, MessagesOfAKeyKeepTheirOrderAndTheirPartition) {
  Deliveries deliveries;
  std::map<std::string, std::vector<std::string>> sent;
  for (int i = 0; i < 300; ++i) {
    const std::string key = "cp_" + std::to_string(i % 7);
    sent[key].push_back(std::to_string(i));
    EV_ASSERT_OK(Publish(key, std::to_string(i), deliveries.Note("m")));
  }
  EV_ASSERT_OK(subscriber_->Start(Everything(), handler_));
  ASSERT_TRUE(handler_.WaitForMessages(300));
  EV_EXPECT_OK(publisher_->Flush(kLimit));
  std::map<std::string, std::vector<std::string>> seen;
  for (const Received& message : handler_.received()) {
    EXPECT_EQ(message.partition, PartitionOfKey(message.key));
    EXPECT_GE(message.log_end, message.offset + 1);
    seen[message.key].push_back(message.value);
  }
  EXPECT_EQ(seen, sent);
  EXPECT_EQ(deliveries.size(), 300U);
  EXPECT_THAT(deliveries.done(), Each(Pair("m", IsOk())));
}

TEST_P(BackboneContractTest, KeyValueHeadersAndTimeArriveAsTheyWereSent) {
  const std::string bytes("\0\x01\xff", 3);
  EV_ASSERT_OK(publisher_->Publish({.topic = topic_.name,
                                    .key = "cp_001",
                                    .value = bytes,
                                    .headers = {{"reason", "BAD"}, {"reason", "WORSE"}, {"empty", ""}},
                                    .done = nullptr}));
  EV_ASSERT_OK(subscriber_->Start(Everything(), handler_));
  ASSERT_TRUE(handler_.WaitForMessages(1));
  const Received message = handler_.received()[0];
  EXPECT_EQ(message.key, "cp_001");
  EXPECT_EQ(message.value, bytes);
  EXPECT_THAT(message.headers, ElementsAre(Pair("reason", "BAD"), Pair("reason", "WORSE"), Pair("empty", "")));
  EXPECT_LT(absl::AbsDuration(absl::Now() - message.broker_time), absl::Minutes(1));
}

TEST_P(BackboneContractTest, ReadingBeginsAtTheOffsetThatItsOwnerKept) {
  Store("cp_001", 10);
  EV_ASSERT_OK(subscriber_->Start({{.topic = topic_.name, .partition = PartitionOfKey("cp_001").partition, .next = 7}},
                                  handler_));
  ASSERT_TRUE(handler_.WaitForMessages(3));
  EXPECT_THAT(handler_.values(), ElementsAre("7", "8", "9"));
}

TEST_P(BackboneContractTest, ReadingFromTheEndSkipsThePast) {
  Store("cp_001", 5);
  // Nothing tells when the subscriber has got to the end, so messages are added until one arrives.
  EV_ASSERT_OK(subscriber_->Start(
      {{.topic = topic_.name, .partition = PartitionOfKey("cp_001").partition, .next = kLogEnd}}, handler_));
  int next = 5;
  EXPECT_TRUE(Eventually(kLimit, [&] {
    Store("cp_001", 1, next++);
    return !handler_.received().empty();
  }));
  EXPECT_GE(handler_.received()[0].offset, 5);
}

// B112
TEST_P(BackboneContractTest, WhatIsNotTakenIsOfferedAgainAndNothingOvertakesIt) {
  Store("cp_001", 5);
  std::atomic<int> refusals = 3;
  handler_.answer_batch = [&](const IncomingBatch&) {
    return refusals-- > 0 ? absl::UnavailableError("busy") : absl::OkStatus();
  };
  EV_ASSERT_OK(subscriber_->Start(Everything(), handler_));
  ASSERT_TRUE(handler_.WaitForMessages(5));
  EXPECT_THAT(handler_.values(), ElementsAre("0", "1", "2", "3", "4"));
  EXPECT_GE(handler_.offers(), 4);
}

TEST_P(BackboneContractTest, ARewindReadsAgainUnderANewGeneration) {
  Store("cp_001", 5);
  const TopicPartition partition = PartitionOfKey("cp_001");
  EV_ASSERT_OK(subscriber_->Start(Everything(), handler_));
  ASSERT_TRUE(handler_.WaitForMessages(5));
  EXPECT_EQ(*subscriber_->Rewind(partition, 3), 1);
  ASSERT_TRUE(handler_.WaitForMessages(7));
  EXPECT_EQ(*subscriber_->Rewind(partition, std::nullopt), 2);
  ASSERT_TRUE(handler_.WaitForMessages(12));
  EXPECT_THAT(handler_.values(), ElementsAre("0", "1", "2", "3", "4", "3", "4", "0", "1", "2", "3", "4"));
  const std::vector<Received> received = handler_.received();
  EXPECT_EQ(received[4].generation, 0);
  EXPECT_EQ(received[5].generation, 1);
  EXPECT_EQ(received[7].generation, 2);
  EXPECT_THAT(subscriber_->Rewind({.topic = "other", .partition = 0}, 0), StatusIs(absl::StatusCode::kNotFound));
}

TEST_P(BackboneContractTest, ARewindFromTheHandlerDropsWhatItRefused) {
  Store("cp_001", 5);
  const TopicPartition partition = PartitionOfKey("cp_001");
  handler_.answer_batch = [&](const IncomingBatch& batch) -> absl::Status {
    if (batch.generation > 0) return absl::OkStatus();
    EXPECT_EQ(*subscriber_->Rewind(partition, 4), 1);
    return absl::UnavailableError("the shard was dropped");
  };
  EV_ASSERT_OK(subscriber_->Start(Everything(), handler_));
  ASSERT_TRUE(handler_.WaitForMessages(1));
  EXPECT_THAT(handler_.values(), ElementsAre("4"));
}

TEST_P(BackboneContractTest, AnOffsetThatTheLogDoesNotHoldIsItsOwnersDecision) {
  Store("cp_001", 5);
  const TopicPartition partition = PartitionOfKey("cp_001");
  std::atomic<int> undecided = 1;
  handler_.answer_gap = [&](const Gap& gap) -> absl::StatusOr<std::int64_t> {
    if (undecided-- > 0) return absl::UnavailableError("the store is busy");
    return gap.low + 3;
  };
  EV_ASSERT_OK(
      subscriber_->Start({{.topic = partition.topic, .partition = partition.partition, .next = 1000}}, handler_));
  ASSERT_TRUE(handler_.WaitForMessages(2));
  EXPECT_THAT(handler_.values(), ElementsAre("3", "4"));
  ASSERT_EQ(handler_.gaps().size(), 2U);
  const Gap gap = handler_.gaps()[1];
  EXPECT_EQ(gap.partition, partition);
  EXPECT_EQ(gap.wanted_next, 1000);
  EXPECT_EQ(gap.low, 0);
  EXPECT_EQ(gap.high, 5);
}

TEST_P(BackboneOutageTest, ABrokerThatGoesAndComesBackLosesNothing) {
  Deliveries deliveries;
  EV_ASSERT_OK(subscriber_->Start(Everything(), handler_));
  Store("cp_001", 5);
  ASSERT_TRUE(handler_.WaitForMessages(5));
  backbone_->SetDown();
  EXPECT_TRUE(Eventually(kLimit, [&] { return !publisher_->Health().connected && !subscriber_->Health().connected; }));
  EXPECT_FALSE(publisher_->Health().degraded_reason.empty());
  for (int i = 5; i < 10; ++i) EV_ASSERT_OK(Publish("cp_001", std::to_string(i), deliveries.Note("m")));
  EXPECT_THAT(publisher_->Flush(absl::Milliseconds(50)), StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("5")));
  EXPECT_EQ(deliveries.size(), 0U);
  backbone_->SetUp();
  ASSERT_TRUE(handler_.WaitForMessages(10));
  EXPECT_THAT(handler_.values(), ElementsAre("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"));
  EV_EXPECT_OK(publisher_->Flush(kLimit));
  EXPECT_EQ(deliveries.size(), 5U);
  EXPECT_TRUE(Eventually(kLimit, [&] { return publisher_->Health().connected && subscriber_->Health().connected; }));
  EXPECT_THAT(publisher_->Health().degraded_reason, IsEmpty());
  EXPECT_THAT(handler_.gaps(), IsEmpty());
}

// B122
TEST_P(BackboneOutageTest, AFullQueueRefusesAndTakesAgainWhenThereIsRoom) {
  publisher_ = backbone_->NewPublisher(10);
  EXPECT_TRUE(Eventually(kLimit, [&] { return publisher_->Health().connected; }));
  backbone_->SetDown();
  Deliveries deliveries;
  for (int i = 0; i < 10; ++i) EV_ASSERT_OK(Publish("cp_001", std::to_string(i), deliveries.Note("taken")));
  EXPECT_THAT(Publish("cp_001", "10", deliveries.Note("refused")), StatusIs(absl::StatusCode::kResourceExhausted));
  backbone_->SetUp();
  EV_ASSERT_OK(publisher_->Flush(kLimit));
  EV_EXPECT_OK(Publish("cp_001", "10", deliveries.Note("taken")));
  EV_ASSERT_OK(publisher_->Flush(kLimit));
  EXPECT_EQ(deliveries.size(), 11U);
  EXPECT_THAT(deliveries.done(), Each(Pair("taken", IsOk())));
}

TEST_P(BackboneOutageTest, WhatIsUndeliveredAtTheEndIsToldAsCancelled) {
  Store("cp_001", 1);
  backbone_->SetDown();
  Deliveries deliveries;
  for (int i = 0; i < 3; ++i) EV_ASSERT_OK(Publish("cp_001", "x", deliveries.Note(std::to_string(i))));
  publisher_.reset();
  EXPECT_THAT(deliveries.done(), ElementsAre(Pair("0", StatusIs(absl::StatusCode::kCancelled)),
                                             Pair("1", StatusIs(absl::StatusCode::kCancelled)),
                                             Pair("2", StatusIs(absl::StatusCode::kCancelled))));
}

TEST_P(BackboneContractTest, TheClusterIsShownBeforeItsFirstMessageAndCanBeRefused) {
  Store("cp_001", 3);
  std::atomic<int> refusals = 2;
  std::atomic<bool> is_taken = false;
  handler_.answer_cluster = [&](absl::string_view id) -> absl::Status {
    EXPECT_FALSE(id.empty());
    if (refusals-- > 0) return absl::FailedPreconditionError("an unknown cluster");
    is_taken = true;
    return absl::OkStatus();
  };
  handler_.answer_batch = [&](const IncomingBatch&) {
    EXPECT_TRUE(is_taken);
    return absl::OkStatus();
  };
  EV_ASSERT_OK(subscriber_->Start(Everything(), handler_));
  ASSERT_TRUE(handler_.WaitForMessages(3));
  EXPECT_EQ(handler_.clusters().size(), 3U);
  EXPECT_EQ(subscriber_->Health().cluster_id, handler_.clusters()[0]);
}

TEST_P(BackboneContractTest, NothingIsCalledAfterTheStop) {
  EV_ASSERT_OK(subscriber_->Start(Everything(), handler_));
  Store("cp_001", 3);
  ASSERT_TRUE(handler_.WaitForMessages(3));
  subscriber_->Stop();
  Store("cp_001", 3);
  EXPECT_EQ(handler_.received().size(), 3U);
}

TEST_P(BackboneContractTest, AStopDoesNotWaitForAHandlerThatRefuses) {
  Store("cp_001", 3);
  handler_.answer_batch = [](const IncomingBatch&) { return absl::UnavailableError("never"); };
  EV_ASSERT_OK(subscriber_->Start(Everything(), handler_));
  ASSERT_TRUE(handler_.WaitUntil([](const RecordingHandler& h) { return h.offers() > 0; }));
  const absl::Time before = absl::Now();
  subscriber_->Stop();
  EXPECT_LT(absl::Now() - before, absl::Seconds(5));
}

TEST_P(BackboneContractTest, StartingTwiceOrWithAPartitionTwiceIsRefused) {
  EXPECT_THAT(subscriber_->Start({{.topic = topic_.name, .partition = 0, .next = {}},
                                  {.topic = topic_.name, .partition = 0, .next = 1}},
                                 handler_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EV_EXPECT_OK(subscriber_->Start(Everything(), handler_));
  EXPECT_THAT(subscriber_->Start(Everything(), handler_), StatusIs(absl::StatusCode::kFailedPrecondition));
}

INSTANTIATE_TEST_SUITE_P(Backbones, BackboneContractTest, ::testing::ValuesIn(Kinds()),
                         [](const auto& p) { return NameOf(p.param); });
INSTANTIATE_TEST_SUITE_P(Backbones, BackboneOutageTest, ::testing::Values(Kind::kInMemory, Kind::kKafka),
                         [](const auto& p) { return NameOf(p.param); });

}  // namespace
}  // namespace ev
