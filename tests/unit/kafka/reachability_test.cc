#include "kafka/reachability.h"

#include <gtest/gtest.h>

#include "absl/time/time.h"

namespace ev::kafka {
namespace {

absl::Time At(int seconds) {
  return absl::FromUnixSeconds(1'700'000'000 + seconds);
}

class ReachabilityTest : public ::testing::Test {
 protected:
  Reachability state_{"producer", "localhost:9092", "Kafka producer initialized successfully"};
};

TEST_F(ReachabilityTest, AnAbsentBrokerIsSaidOnceAndKeptAsTheReason) {
  EXPECT_EQ(state_.OnSilence("Connection refused", At(1)),
            "Kafka producer cannot reach localhost:9092: Connection refused");
  EXPECT_EQ(state_.OnSilence("Connection refused", At(2)), std::nullopt);
  EXPECT_EQ(state_.OnSilence("no answer", At(3)), std::nullopt);
  EXPECT_FALSE(state_.health().connected);
  EXPECT_EQ(state_.health().degraded_reason, "Kafka producer cannot reach localhost:9092: no answer");
  EXPECT_EQ(state_.health().since, At(1));
}

TEST_F(ReachabilityTest, EachOutageAndEachReturnIsSaidOnce) {
  EXPECT_EQ(state_.OnAnswer("A", At(1)), "Kafka producer initialized successfully");
  EXPECT_EQ(state_.OnAnswer("A", At(2)), std::nullopt);
  EXPECT_EQ(state_.health().since, At(1));
  EXPECT_TRUE(state_.health().degraded_reason.empty());
  EXPECT_TRUE(state_.OnSilence("x", At(3)).has_value());
  EXPECT_EQ(state_.health().since, At(3));
  EXPECT_EQ(state_.OnAnswer("A", At(4)), "Kafka producer initialized successfully");
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
