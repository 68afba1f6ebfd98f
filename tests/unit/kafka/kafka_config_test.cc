#include "kafka/kafka_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "events/murmur2.h"
#include "kafka/handles.h"
#include "tests/support/status_matchers.h"

namespace ev::kafka {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

absl::Status Check(const std::string& name, const std::string& value) {
  return ValidateKafkaConfig({.extra = {{name, value}}});
}

// B172
TEST(KafkaConfigTest, AnySettingOfLibrdkafkaPassesThrough) {
  EV_EXPECT_OK(Check("linger.ms", "20"));
  EV_EXPECT_OK(Check("sasl.password", "x"));
  EV_EXPECT_OK(ValidateKafkaConfig({.extra = {{"security.protocol", "SASL_PLAINTEXT"},
                                              {"sasl.mechanism", "SCRAM-SHA-256"},
                                              {"sasl.username", "u"},
                                              {"sasl.password", "p"}}}));
}

TEST(KafkaConfigTest, ASettingThatLibrdkafkaRefusesIsNamed) {
  EXPECT_THAT(Check("lingre.ms", "20"),
              StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("--kafka-config: 'lingre.ms'")));
  EXPECT_THAT(Check("linger.ms", "soon"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'linger.ms'")));
  EXPECT_THAT(Check("linger.ms", "-9"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'linger.ms'")));
}

TEST(KafkaConfigTest, SettingsThatDoNotFitTogetherAreNamedBeforeAnythingStarts) {
  EXPECT_THAT(Check("max.in.flight", "6"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("max.in.flight")));
  EXPECT_THAT(
      ValidateKafkaConfig({.extra = {{"security.protocol", "SASL_PLAINTEXT"}, {"sasl.mechanism", "NONE"}}}),
      StatusIs(absl::StatusCode::kInvalidArgument, AllOf(StartsWith("--kafka-config: "), HasSubstr("SASL mechanism"))));
}

TEST(KafkaConfigTest, ASettingOnWhichAPromiseHangsCannotBeChanged) {
  for (const char* name : {"acks", "request.required.acks", "enable.idempotence", "partitioner", "enable.auto.commit",
                           "auto.offset.reset", "message.timeout.ms", "bootstrap.servers", "group.id", "client.id"}) {
    EXPECT_THAT(Check(name, "1"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(StartsWith(std::string("--kafka-config: '") + name + "'"), HasSubstr("is fixed"))));
  }
}

TEST(KafkaConfigTest, AddressesAreCheckedBeforeAnyoneConnects) {
  for (const char* good :
       {"localhost:9092", "a:1,b:65535", " a:1 , b:2 ", "[::1]:9092", "SSL://kafka.example:9093", "10.0.0.1:9092"}) {
    EXPECT_THAT(ValidateKafkaConfig({.brokers = good}), IsOk()) << good;
  }
  for (const char* bad : {"", ",", "a:1,", "host", "[::1]", ":9092", "a:0", "a:65536", "a:b", "a:", "[]:9092", "::1",
                          "a b:9092", "tcp://10.0.0.1:9092/x", "http:///"}) {
    EXPECT_THAT(ValidateKafkaConfig({.brokers = bad}),
                StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("--kafka-brokers: ")))
        << bad;
  }
}

TEST(KafkaConfigTest, AClientIdIsAtMost49CharactersLong) {
  EV_EXPECT_OK(ValidateKafkaConfig({.client_id = std::string(49, 'a')}));
  EXPECT_THAT(ValidateKafkaConfig({.client_id = std::string(50, 'a')}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("50 characters")));
  EXPECT_THAT(ValidateKafkaConfig({.client_id = ""}), StatusIs(absl::StatusCode::kInvalidArgument));
}

// B172
TEST(KafkaConfigTest, ASettingIsTypedAsKeyEqualsValue) {
  EXPECT_EQ(*ParseSetting("sasl.password=a=b c"), Setting("sasl.password", "a=b c"));
  EXPECT_EQ(*ParseSetting("ssl.ca.location="), Setting("ssl.ca.location", ""));
  EXPECT_THAT(ParseSetting("=x"), StatusIs(absl::StatusCode::kInvalidArgument));
  // A forgotten name must not put the secret into a message.
  EXPECT_THAT(ParseSetting("hunter2"), StatusIs(absl::StatusCode::kInvalidArgument, Not(HasSubstr("hunter2"))));
}

// B172
TEST(KafkaConfigTest, ARefusedSecretIsNotQuoted) {
  EXPECT_THAT(
      Check("ssl.password", "hunter2"),  // Whatever librdkafka says to it.
      StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("ssl.password"), Not(HasSubstr("hunter2")))));
}

TEST(KafkaConfigTest, OurPartitionIsTheOneThatLibrdkafkaChooses) {
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "cp_" + std::to_string(i * 7919);
    EXPECT_EQ(PartitionFor(key, 12),
              rd_kafka_msg_partitioner_murmur2(nullptr, key.data(), key.size(), 12, nullptr, nullptr))
        << key;
  }
}

}  // namespace
}  // namespace ev::kafka
