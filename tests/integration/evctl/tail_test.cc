#include "cli/evctl/tail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "kafka/embedded_broker.h"
#include "kafka/producer.h"
#include "tests/support/status_matchers.h"

namespace ev::evctl {
namespace {

using ::testing::HasSubstr;

TEST(TailTest, ARecordIsOneLineOfJsonWithoutAControlCharacter) {
  const TopicConfig topic{.name = "facts", .partitions = 1};
  const auto broker = kafka::EmbeddedBroker::Start(0, {topic});
  EV_ASSERT_OK(broker);
  const kafka::KafkaConfig config{.brokers = (*broker)->bootstrap()};
  const std::string key = "cp\n\x1b\x7f\xc2\x9b\xc3\xa9";
  const auto producer = kafka::Producer::Create({.kafka = config, .topics = {topic.name}});
  EV_ASSERT_OK(producer);
  EV_ASSERT_OK((*producer)->Publish(
      {.topic = topic.name, .key = key, .value = "\xff", .headers = {{"why", "\xc2\x85"}}, .done = nullptr}));
  EV_ASSERT_OK((*producer)->Flush(absl::Seconds(20)));

  std::ostringstream out;
  EV_ASSERT_OK(Tail({.log = {.kafka = config, .topic = topic.name}}, nullptr, out));
  EXPECT_THAT(out.str(), HasSubstr(R"("key":"cp\n\u001b\u007f\u009b)"
                                   "\xc3\xa9\""));
  EXPECT_THAT(out.str(), HasSubstr(R"("why":"\u0085")"));
  const auto line = nlohmann::json::parse(out.str());
  EXPECT_EQ(line["key"], key);
  EXPECT_EQ(line["undecodable"], "ff");
}

}  // namespace
}  // namespace ev::evctl
