#include "events/topics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace ev {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(TopicsTest, TheDefaultsAreTheNamesThatUsersKnow) {
  const Topics topics;
  std::vector<std::string> names;
  std::vector<int> partitions;
  for (const TopicConfig& topic : topics.All()) {
    names.push_back(topic.name);
    partitions.push_back(topic.partitions);
    EXPECT_EQ(topic.retention, absl::Hours(7 * 24));
  }
  EXPECT_THAT(names, ElementsAre("charging_session_data", "charging_session_complete", "charging_status_updates",
                                 "system_alerts", "charging_dead_letter"));
  EXPECT_THAT(partitions, ElementsAre(12, 12, 3, 1, 1));
  EV_EXPECT_OK(ValidateTopics(topics));
}

TEST(TopicsTest, AWrongTopicIsNamed) {
  struct Case {
    std::function<void(Topics&)> spoil;
    std::string complaint;
  };
  const std::vector<Case> cases = {
      {[](Topics& t) { t.alerts.name = ""; }, "''"},
      {[](Topics& t) { t.alerts.name = ".."; }, "'..'"},
      {[](Topics& t) { t.alerts.name = "with space"; }, "'with space'"},
      {[](Topics& t) { t.alerts.name = std::string(250, 'a'); }, "1 to 249"},
      {[](Topics& t) { t.alerts.name = t.dead_letter.name; }, "charging_dead_letter' is used twice"},
      {[](Topics& t) { t.alerts.partitions = 0; }, "system_alerts: 0 partitions"},
      {[](Topics& t) { t.alerts.partitions = 10001; }, "system_alerts: 10001 partitions"},
      {[](Topics& t) { t.alerts.retention = absl::ZeroDuration(); }, "system_alerts: retention 0"},
      {[](Topics& t) { t.alerts.replication = 0; }, "system_alerts: replication 0"},
      {[](Topics& t) { t.session_complete.partitions = 3; }, "same number of partitions, not 12 and 3"},
  };
  for (const Case& c : cases) {
    Topics topics;
    c.spoil(topics);
    EXPECT_THAT(ValidateTopics(topics), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.complaint)));
  }
}

}  // namespace
}  // namespace ev
