#include "kafka/consumer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "events/murmur2.h"
#include "kafka/embedded_broker.h"
#include "kafka/producer.h"
#include "tests/integration/kafka/recording_handler.h"
#include "tests/integration/kafka/replace_broker.h"
#include "tests/support/eventually.h"
#include "tests/support/free_port.h"
#include "tests/support/notification.h"
#include "tests/support/status_matchers.h"

namespace ev::kafka {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kLimit = absl::Seconds(20);
// Error codes of the Kafka protocol.
constexpr int kNotLeader = 6;
constexpr int kTopicAuthorizationFailed = 29;
const TopicConfig kTopic{.name = "facts", .partitions = 1};
const TopicPartition kPartition{.topic = "facts", .partition = 0};

class ConsumerTest : public ::testing::Test {
 protected:
  ~ConsumerTest() override {
    if (consumer_ != nullptr) consumer_->Stop();
  }
  void StartBroker(int port = 0) { broker_ = *EmbeddedBroker::Start(port, {kTopic}); }
  std::unique_ptr<Consumer> NewConsumer(const std::string& brokers) {
    auto consumer = Consumer::Create(
        {.kafka = {.brokers = brokers},
         .group_id = "central_charging_data_group",
         .fetch_wait = absl::Milliseconds(10),
         .commit_interval = absl::Milliseconds(20),
         .watch = {.limit = absl::Milliseconds(400)},
         .stall = {.interval = absl::Milliseconds(20), .looks = 5}},
        [this](const Note& note) {
          if (note.level != NoteLevel::kDebug) lines_.Add(note);
        },
        nullptr, [this](absl::string_view reason) { stalls_.Add(reason); });
    EXPECT_THAT(consumer, IsOk());
    return *std::move(consumer);
  }
  void StartConsumer(const std::string& brokers, std::optional<std::int64_t> next = {}) {
    consumer_ = NewConsumer(brokers);
    EV_ASSERT_OK(consumer_->Start({{.topic = kTopic.name, .partition = 0, .next = next}}, handler_));
  }
  void Store(const std::vector<std::string>& values) {
    auto producer = *Producer::Create({.kafka = {.brokers = broker_->bootstrap()}, .topics = {kTopic.name}});
    for (const std::string& value : values) {
      EV_ASSERT_OK(
          producer->Publish({.topic = kTopic.name, .key = "k", .value = value, .headers = {}, .done = nullptr}));
    }
    EV_ASSERT_OK(producer->Flush(kLimit));
  }

  LogLines lines_;
  LogLines stalls_;  // What was told; a stall that ended is empty.
  std::unique_ptr<EmbeddedBroker> broker_;
  RecordingHandler handler_;
  std::unique_ptr<Consumer> consumer_;
};

TEST_F(ConsumerTest, AnAbsentBrokerIsSaidOnceAndReadingBeginsWhenItComes) {
  const int port = FreePort();
  StartConsumer(Loopback(port));
  const std::string complaint = "Kafka consumer cannot reach its brokers brokers=" + Loopback(port) + " reason=";
  ASSERT_TRUE(Eventually(kLimit, [&] { return lines_.CountContaining(complaint) == 1; }));
  StartBroker(port);
  Store({"a", "b"});
  ASSERT_TRUE(handler_.WaitForMessages(2));
  EXPECT_THAT(handler_.values(), ElementsAre("a", "b"));
  EXPECT_TRUE(Eventually(kLimit, [&] { return consumer_->Health().connected; }));
  EXPECT_TRUE(
      Eventually(kLimit, [&] { return lines_.CountContaining("Kafka consumers initialized successfully") == 1; }));
  EXPECT_EQ(lines_.CountContaining(complaint), 1);
}

TEST_F(ConsumerTest, MarksFollowBehindWithTheirMetadata) {
  StartBroker();
  Store({"a", "b", "c"});
  StartConsumer(broker_->bootstrap());
  ASSERT_TRUE(handler_.WaitForMessages(3));
  consumer_->CommitBehind(kPartition, 2, "store-1");
  auto reader = NewConsumer(broker_->bootstrap());
  absl::StatusOr<std::vector<Mark>> marks;
  EXPECT_TRUE(Eventually(kLimit, [&] {
    marks = reader->Marks({kPartition}, kLimit);
    return marks.ok() && !marks->empty();
  }));
  ASSERT_THAT(*marks, SizeIs(1));
  EXPECT_EQ((*marks)[0].partition, kPartition);
  EXPECT_EQ((*marks)[0].next, 2);
  EXPECT_EQ((*marks)[0].metadata, "store-1");
  consumer_->CommitBehind(kPartition, 3, "store-1");
  consumer_->Stop();
  marks = reader->Marks({kPartition}, kLimit);
  ASSERT_THAT(marks, IsOk());
  EXPECT_EQ((*marks)[0].next, 3);
}

TEST_F(ConsumerTest, APartitionWithoutAMarkIsLeftOut) {
  StartBroker();
  auto reader = NewConsumer(broker_->bootstrap());
  const absl::StatusOr<std::vector<Mark>> marks = reader->Marks({kPartition}, kLimit);
  ASSERT_THAT(marks, IsOk());
  EXPECT_THAT(*marks, IsEmpty());
}

TEST_F(ConsumerTest, WhatTheBrokerForgotIsAGapAndReadingGoesOnWhereTheOwnerSays) {
  StartBroker();
  // The embedded broker keeps 5 MiB of a partition. Random bytes, because lz4 would shrink anything else.
  std::mt19937 random(17);
  std::vector<std::string> values(9, std::string(900'000, ' '));
  for (std::string& value : values) {
    for (char& c : value) c = static_cast<char>(random());
  }
  Store(values);
  StartConsumer(broker_->bootstrap(), 0);
  ASSERT_TRUE(handler_.WaitUntil([](const RecordingHandler& h) { return !h.gaps().empty(); }));
  const Gap gap = handler_.gaps()[0];
  EXPECT_EQ(gap.wanted_next, 0);
  EXPECT_GT(gap.low, 0);
  EXPECT_EQ(gap.high, 9);
  const auto left = static_cast<std::size_t>(gap.high - gap.low);
  ASSERT_TRUE(handler_.WaitForMessages(left));
  EXPECT_EQ(handler_.received()[0].offset, gap.low);
  EXPECT_EQ(handler_.values().back(), values.back());
}

TEST_F(ConsumerTest, AnotherClusterAtTheSameAddressIsShownBeforeItsMessages) {
  StartBroker();
  Store({"a", "b", "c"});
  handler_.answer_cluster = [&, first = std::string()](absl::string_view id) mutable {
    if (first.empty()) first = std::string(id);
    if (id == first) return absl::OkStatus();
    return consumer_->Rewind(kPartition, std::nullopt).status();  // Its offsets are another log's.
  };
  StartConsumer(broker_->bootstrap());
  ASSERT_TRUE(handler_.WaitForMessages(3));
  const std::string first_id = handler_.clusters()[0];
  ReplaceBroker(broker_, kTopic);
  Store({"x", "y", "z", "after"});
  ASSERT_TRUE(handler_.WaitForMessages(7));
  EXPECT_THAT(handler_.values(), ElementsAre("a", "b", "c", "x", "y", "z", "after"));
  ASSERT_THAT(handler_.clusters(), SizeIs(2));
  EXPECT_NE(handler_.clusters()[1], first_id);
}

TEST_F(ConsumerTest, AClusterWithoutMessagesIsShownToo) {
  StartBroker();
  StartConsumer(broker_->bootstrap());
  ASSERT_TRUE(handler_.WaitUntil([](const RecordingHandler& h) { return h.clusters().size() == 1; }));
  ReplaceBroker(broker_, kTopic);
  ASSERT_TRUE(handler_.WaitUntil([](const RecordingHandler& h) { return h.clusters().size() == 2; }));
  EXPECT_NE(handler_.clusters()[1], handler_.clusters()[0]);
}

TEST_F(ConsumerTest, WhatARefusedClusterHandedOutIsNeverTakenForTheMessagesOfTheNext) {
  StartBroker();
  std::atomic<bool> is_refusing = true;
  handler_.answer_cluster = [&, first = std::string(), refused = std::string()](absl::string_view id) mutable {
    if (first.empty()) first = std::string(id);
    if (id == first) return absl::OkStatus();
    if (is_refusing) refused = std::string(id);
    return id == refused ? absl::FailedPreconditionError("a stranger") : absl::OkStatus();
  };
  StartConsumer(broker_->bootstrap());
  ASSERT_TRUE(handler_.WaitUntil([](const RecordingHandler& h) { return h.clusters().size() == 1; }));
  ReplaceBroker(broker_, kTopic);
  Store({"not ours", "not ours", "not ours"});
  // Often enough for its messages to have come.
  const std::size_t asked = handler_.clusters().size();
  ASSERT_TRUE(handler_.WaitUntil([asked](const RecordingHandler& h) { return h.clusters().size() >= asked + 5; }));
  is_refusing = false;
  ReplaceBroker(broker_, kTopic);
  Store({"a", "b"});
  ASSERT_TRUE(handler_.WaitForMessages(2));
  EXPECT_THAT(handler_.values(), ElementsAre("a", "b"));
}

TEST_F(ConsumerTest, RewindsUnderLoadNeverBringWhatIsStale) {
  StartBroker();
  constexpr std::int64_t kCount = 3000;
  std::vector<std::string> values;
  for (int i = 0; i < kCount; ++i) values.push_back(std::to_string(i));
  Store(values);
  // Each generation must begin at its offset and go on without a hole.
  std::atomic<bool> is_wrong = false;
  std::map<std::int64_t, std::int64_t> begin_of = {{0, 0}};
  std::int64_t generation = 0;
  std::int64_t expected = 0;
  std::mt19937 random(17);
  handler_.answer_batch = [&](const IncomingBatch& batch) -> absl::Status {
    if (batch.generation != generation) {
      generation = batch.generation;
      expected = begin_of[generation];
    }
    for (const IncomingMessage& message : batch.messages) is_wrong = is_wrong || message.offset != expected++;
    if (generation < 20) {
      const std::int64_t next = random() % kCount;
      const absl::StatusOr<std::int64_t> rewound = consumer_->Rewind(kPartition, next);
      if (rewound.ok()) begin_of[*rewound] = next;
    }
    return absl::OkStatus();
  };
  StartConsumer(broker_->bootstrap(), 0);
  EXPECT_TRUE(handler_.WaitUntil([](const RecordingHandler& h) {
    const std::vector<Received> received = h.received();
    return !received.empty() && received.back().generation == 20 && received.back().offset == kCount - 1;
  }));
  EXPECT_FALSE(is_wrong);
}

// B117
TEST_F(ConsumerTest, AHandlerThatHangsIsSaidOnceAndSoIsItsReturn) {
  StartBroker();
  Store({"a"});
  Notification release;
  handler_.answer_batch = [&](const IncomingBatch&) {
    release.WaitForNotificationWithTimeout(kLimit);
    return absl::OkStatus();
  };
  StartConsumer(broker_->bootstrap(), 0);
  const std::string reason = "facts[0] stays at offset 0 although the log holds more";
  EXPECT_TRUE(Eventually(kLimit, [&] { return stalls_.All() == std::vector<std::string>{reason}; }));
  EXPECT_EQ(lines_.CountContaining("Kafka consumer stands still reason=" + reason), 1);
  EXPECT_EQ(lines_.CountContaining("Kafka consumer goes on"), 0);
  release.Notify();
  ASSERT_TRUE(handler_.WaitForMessages(1));
  EXPECT_TRUE(Eventually(kLimit, [&] { return stalls_.All() == std::vector<std::string>{reason, ""}; }));
  EXPECT_EQ(lines_.CountContaining("Kafka consumer stands still"), 1);
  EXPECT_EQ(lines_.CountContaining("Kafka consumer goes on"), 1);
}

// B117
TEST_F(ConsumerTest, APartitionThatHandsOutNothingIsSaidOnceAndSoIsItsReturn) {
  StartBroker();
  Store({"a", "b"});
  broker_->FailFetch(kTopicAuthorizationFailed);
  StartConsumer(broker_->bootstrap(), 1);
  const std::string reason = "facts[0] stays at offset 1 although the log holds more";
  EXPECT_TRUE(Eventually(kLimit, [&] { return stalls_.All() == std::vector<std::string>{reason}; }));
  broker_->HealReading();
  ASSERT_TRUE(handler_.WaitForMessages(1));
  EXPECT_TRUE(Eventually(kLimit, [&] { return stalls_.All() == std::vector<std::string>{reason, ""}; }));
}

// B117: an empty log counts as read when its end was seen, and nothing else ends this stall.
TEST_F(ConsumerTest, EndsThatCannotBeLearnedAreAStallUntilTheLogWasReadToItsEnd) {
  for (const std::optional<std::int64_t> next : {std::optional<std::int64_t>(), std::optional(kLogEnd)}) {
    StartBroker();
    broker_->FailListOffsets(kNotLeader);
    StartConsumer(broker_->bootstrap(), next);
    EXPECT_TRUE(Eventually(kLimit, [&] { return stalls_.CountContaining("cannot be learned") == 1; }));
    broker_->HealReading();
    EXPECT_TRUE(Eventually(kLimit, [&] { return stalls_.All().back().empty(); }));
    consumer_.reset();
    stalls_.Clear();
  }
}

TEST_F(ConsumerTest, AWrongSettingOrNoGroupIsNamed) {
  EXPECT_THAT(Consumer::Create({.group_id = ""}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("group id")));
  EXPECT_THAT(Consumer::Create({.kafka = {.extra = {{"fetch.min.byte", "1"}}}, .group_id = "g"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'fetch.min.byte'")));
}

TEST_F(ConsumerTest, ClosingWithoutABrokerLeavesNothingBehind) {
  StartConsumer(Loopback(FreePort()));
  consumer_->CommitBehind(kPartition, 1, "");
  // By then the marks would have been sent, if it tried.
  ASSERT_TRUE(Eventually(kLimit, [&] { return lines_.CountContaining("Kafka consumer cannot reach") == 1; }));
  consumer_.reset();
  EXPECT_EQ(lines_.CountContaining("did not close"), 0);
}

}  // namespace
}  // namespace ev::kafka
