#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "metrics/process_metrics.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"

namespace ev::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

// B181
TEST(RegistryTest, ASeriesIsThereAtZeroBeforeItCountsAnything) {
  Registry registry("ev-test", "1.2.3");
  registry.AddCounter("ev_messages_total", "Messages.", {{"topic", "a"}, {"result", "applied"}});
  registry.AddCounter("ev_messages_total", "Said otherwise.", {{"topic", "a"}, {"result", "refused"}});
  registry.AddHistogram("ev_commit_seconds", "Commits.", LatencyBuckets());
  const std::string text = registry.RenderText();
  EXPECT_THAT(text, HasSubstr("ev_messages_total{result=\"applied\",topic=\"a\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("ev_messages_total{result=\"refused\",topic=\"a\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("ev_commit_seconds_count 0\n"));
  EXPECT_THAT(text, HasSubstr("ev_build_info{service=\"ev-test\",version=\"1.2.3\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("Said otherwise")));
}

TEST(RegistryTest, TheSameNameAndLabelsAreTheSameSeries) {
  Registry registry("ev-test", "1");
  registry.AddCounter("ev_x_total", "X.", {{"a", "b"}}).Increment();
  const Counter again = registry.AddCounter("ev_x_total", "X.", {{"a", "b"}});
  again.Increment(2);
  EXPECT_EQ(again.Value(), 3);
}

TEST(RegistryTest, AHandleWithoutARegistryDropsWhatItIsGiven) {
  Counter().Increment();
  Gauge().Set(1);
  Histogram().Observe(1);
  EXPECT_EQ(Counter().Value(), 0);
}

TEST(RegistryTest, CollectorsRunAtEachRenderingUntilTheirTokenGoes) {
  Registry registry("ev-test", "1");
  const Gauge depth = registry.AddGauge("ev_queue_depth", "Depth.");
  int calls = 0;
  auto token = registry.OnCollect([&] { depth.Set(++calls); });
  EXPECT_THAT(registry.RenderText(), HasSubstr("ev_queue_depth 1\n"));
  EXPECT_THAT(registry.RenderText(), HasSubstr("ev_queue_depth 2\n"));
  token.reset();
  registry.RenderText();
  EXPECT_EQ(calls, 2);
}

// The value of a series without labels.
double ValueOf(const Registry& registry, const std::string& name) {
  double value = -1;
  for (const absl::string_view line : absl::StrSplit(registry.RenderText(), '\n')) {
    if (!absl::StartsWith(line, name + " ")) continue;
    EXPECT_TRUE(absl::SimpleAtod(line.substr(name.size() + 1), &value)) << line;
  }
  return value;
}

// B204
TEST(ProcessMetricsTest, AProcessSaysSinceWhenItRunsAndWhatItUses) {
  const absl::Time before = absl::Now();
  const Registry registry("ev-test", "1");
  EXPECT_GE(ValueOf(registry, "process_start_time_seconds"), absl::ToDoubleSeconds(before - absl::UnixEpoch()) - 1e-3);
  EXPECT_LE(ValueOf(registry, "process_start_time_seconds"), absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()));
  EXPECT_GT(ValueOf(registry, "process_resident_memory_bytes"), 1e6);
  EXPECT_GT(ValueOf(registry, "process_cpu_seconds_total"), 0);
  const double open = ValueOf(registry, "process_open_fds");
  const int more = ::dup(0);
  EXPECT_EQ(ValueOf(registry, "process_open_fds"), open + 1);
  ::close(more);
  EXPECT_GT(ValueOf(registry, "process_max_fds"), open);
}

// B204
TEST(ProcessMetricsTest, TheRoomBesideTheDataIsThatOfItsFileSystem) {
  Registry registry("ev-test", "1");
  auto token = ExportDataFolder(registry, testing::TempDir());
  const std::filesystem::space_info space = std::filesystem::space(testing::TempDir());
  EXPECT_EQ(ValueOf(registry, "ev_data_size_bytes"), static_cast<double>(space.capacity));
  EXPECT_LE(ValueOf(registry, "ev_data_free_bytes"), static_cast<double>(space.capacity));
  EXPECT_GT(ValueOf(registry, "ev_data_free_bytes"), 0);
  token = ExportDataFolder(registry, "/nowhere/at/all");
  EXPECT_TRUE(std::isnan(ValueOf(registry, "ev_data_free_bytes")));
}

TEST(RegistryDeathTest, ANameWithTwoTypesIsABug) {
  Registry registry("ev-test", "1");
  registry.AddCounter("ev_twice", "Twice.");
  EXPECT_DEATH(registry.AddGauge("ev_twice", "Twice."), "ev_twice");
}

// The rules that promtool checks: each family has help and type once and in one piece, counters end in _total.
TEST(RegistryTest, TheTextIsWellFormed) {
  Registry registry("ev-test", "1");
  registry.AddCounter("ev_a_total", "A \"quoted\"\nhelp.", {{"l", "va\"l\nue"}}).Increment();
  registry.AddHistogram("ev_b_seconds", "B.", {1, 2}).Observe(1.5);
  Readiness readiness(registry, {"store"});
  std::set<std::string> families;
  std::string type;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(registry.RenderText(), '\n'))) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (absl::StartsWith(line, "# TYPE ")) {
      EXPECT_TRUE(families.insert(words[2]).second) << line;
      type = words[3];
      EXPECT_EQ(absl::EndsWith(words[2], "_total"), type == "counter") << line;
    } else if (!line.empty() && !absl::StartsWith(line, "# HELP ")) {
      EXPECT_THAT(line, MatchesRegex("[a-z_]+([{].*[}])? [0-9.e+-]+"));
    }
  }
  EXPECT_THAT(families, testing::IsSupersetOf({"ev_a_total", "ev_b_seconds", "ev_ready", "ev_condition"}));
}

// B181
TEST(ReadinessTest, TheWorstConditionDecidesAndEachGivesItsReason) {
  Registry registry("ev-test", "1");
  Readiness readiness(registry, {"kafka", "store"});
  EXPECT_EQ(readiness.Get().ToText(), "not ready\nkafka: starting\nstore: starting\n");
  readiness.SetReady("store");
  readiness.SetDegraded("kafka", "no broker");
  EXPECT_EQ(readiness.Get().ToText(), "degraded\nkafka: no broker\n");
  EXPECT_EQ(readiness.Get().Reasons(), "kafka: no broker");
  EXPECT_THAT(registry.RenderText(), HasSubstr("ev_condition{condition=\"kafka\",state=\"degraded\"} 1\n"));
  EXPECT_THAT(registry.RenderText(), HasSubstr("ev_condition{condition=\"kafka\",state=\"ready\"} 0\n"));
  EXPECT_THAT(registry.RenderText(), HasSubstr("ev_ready 1\n"));
  readiness.SetReady("kafka");
  EXPECT_EQ(readiness.Get().ToText(), "ready\n");
}

TEST(ReadinessTest, AfterStopNothingMakesItReadyAgain) {
  Registry registry("ev-test", "1");
  Readiness readiness(registry, {"store"});
  readiness.SetReady("store");
  readiness.Stop();
  readiness.SetDegraded("store", "slow");
  readiness.SetReady("store");
  EXPECT_EQ(readiness.Get().ToText(), "not ready\nprocess: stopping\n");
  EXPECT_THAT(registry.RenderText(), HasSubstr("ev_ready 0\n"));
}

TEST(ReadinessTest, ListenersHearChangesOnlyAndOnlyWhileTheyHoldTheirToken) {
  Registry registry("ev-test", "1");
  Readiness readiness(registry, {"store"});
  int heard = 0;
  auto token = readiness.OnChange([&] { heard += readiness.Get().health == Health::kReady ? 1 : 100; });
  readiness.SetReady("store");
  readiness.SetReady("store");
  EXPECT_EQ(heard, 1);
  token.reset();
  readiness.SetNotReady("store", "lost");
  EXPECT_EQ(heard, 1);
}

}  // namespace
}  // namespace ev::metrics
