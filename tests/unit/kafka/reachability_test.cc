#include "kafka/reachability.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "absl/time/time.h"

namespace ev::kafka {
namespace {

absl::Time At(int seconds) {
  return absl::FromUnixSeconds(1'700'000'000 + seconds);
}

class ReachabilityTest : public ::testing::Test {
 protected:
  Reachability state_{{.client = "producer", .connected = "ready", .away = "cannot reach"}, "localhost:9092"};
};

TEST_F(ReachabilityTest, AnAbsentBrokerIsSaidOnceAndKeptAsTheReason) {
  const auto note = state_.OnSilence("Connection refused", At(1));
  ASSERT_TRUE(note.has_value());
  EXPECT_EQ(note->level, NoteLevel::kWarn);
  EXPECT_EQ(note->message, "cannot reach");
  ASSERT_EQ(note->fields.size(), 2U);
  EXPECT_EQ(note->fields[0].key, "brokers");
  EXPECT_EQ(std::get<std::string>(note->fields[0].value), "localhost:9092");
  EXPECT_EQ(note->fields[1].key, "reason");
  EXPECT_EQ(std::get<std::string>(note->fields[1].value), "Connection refused");
  EXPECT_FALSE(state_.OnSilence("Connection refused", At(2)).has_value());
  EXPECT_FALSE(state_.OnSilence("no answer", At(3)).has_value());
  EXPECT_FALSE(state_.health().connected);
  EXPECT_EQ(state_.health().degraded_reason, "Kafka producer cannot reach localhost:9092: no answer");
  EXPECT_EQ(state_.health().since, At(1));
}

TEST_F(ReachabilityTest, EachOutageAndEachReturnIsSaidOnce) {
  const auto ready = state_.OnAnswer("A", At(1));
  ASSERT_TRUE(ready.has_value());
  EXPECT_EQ(ready->level, NoteLevel::kInfo);
  EXPECT_EQ(ready->message, "ready");
  EXPECT_FALSE(state_.OnAnswer("A", At(2)).has_value());
  EXPECT_EQ(state_.health().since, At(1));
  EXPECT_TRUE(state_.health().degraded_reason.empty());
  EXPECT_TRUE(state_.OnSilence("x", At(3)).has_value());
  EXPECT_EQ(state_.health().since, At(3));
  EXPECT_TRUE(state_.OnAnswer("A", At(4)).has_value());
  EXPECT_TRUE(state_.OnSilence("x", At(5)).has_value());
}

TEST_F(ReachabilityTest, TheClusterIdIsTheLastOneHeard) {
  EXPECT_EQ(state_.health().cluster_id, "");
  state_.OnAnswer("A", At(1));
  state_.OnSilence("x", At(2));
  EXPECT_EQ(state_.health().cluster_id, "A");
  state_.OnAnswer("B", At(3));
  EXPECT_EQ(state_.health().cluster_id, "B");
  state_.OnAnswer("", At(4));
  EXPECT_EQ(state_.health().cluster_id, "B");
}

}  // namespace
}  // namespace ev::kafka
