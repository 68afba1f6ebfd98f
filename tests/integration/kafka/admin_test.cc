#include "kafka/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "kafka/embedded_broker.h"
#include "tests/support/free_port.h"
#include "tests/support/status_matchers.h"

namespace ev::kafka {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr absl::Duration kLimit = absl::Seconds(20);

class AdminTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { broker_ = *EmbeddedBroker::Start(0, Topics().All()); }
  static void TearDownTestSuite() { broker_.reset(); }

  static std::unique_ptr<EmbeddedBroker> broker_;
  std::unique_ptr<Admin> admin_ = *Admin::Create({.brokers = broker_->bootstrap()});
};

std::unique_ptr<EmbeddedBroker> AdminTest::broker_;

TEST_F(AdminTest, ExistingTopicsAreLeftAsTheyAreAndTheirPartitionsTold) {
  Topics wanted;
  wanted.session_data.partitions = 3;
  const absl::StatusOr<std::vector<TopicState>> states = admin_->EnsureTopics(wanted.All(), kLimit);
  ASSERT_THAT(states, IsOk());
  ASSERT_THAT(*states, SizeIs(5));
  EXPECT_EQ((*states)[0].name, "charging_session_data");
  EXPECT_EQ((*states)[0].partitions, 12);
  EXPECT_FALSE((*states)[0].is_new);
}

TEST_F(AdminTest, ATopicThatCannotBeCreatedIsNamed) {
  const TopicConfig missing{.name = "missing", .partitions = 3};
  EXPECT_THAT(admin_->EnsureTopics({missing}, kLimit),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("create topic missing")));
}

TEST_F(AdminTest, AskingForATopicDoesNotCreateIt) {
  EXPECT_THAT(admin_->PartitionCount("missing", kLimit), StatusIs(absl::StatusCode::kNotFound, HasSubstr("missing")));
  EXPECT_THAT(admin_->PartitionCount("missing", kLimit), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(*admin_->PartitionCount("charging_status_updates", kLimit), 3);
}

TEST_F(AdminTest, TheClusterAndTheEndsOfALogAreTold) {
  EXPECT_THAT(*admin_->ClusterId(kLimit), StartsWith("mockCluster"));
  const absl::StatusOr<Watermarks> marks = admin_->QueryWatermarks({.topic = "system_alerts", .partition = 0}, kLimit);
  ASSERT_THAT(marks, IsOk());
  EXPECT_EQ(marks->low, 0);
  EXPECT_EQ(marks->high, 0);
}

TEST(AdminWithoutABrokerTest, EveryQuestionHasAnEnd) {
  const auto admin = *Admin::Create({.brokers = Loopback(FreePort())});
  const absl::Duration limit = absl::Milliseconds(200);
  const absl::Time before = absl::Now();
  EXPECT_FALSE(admin->ClusterId(limit).ok());
  EXPECT_FALSE(admin->PartitionCount("system_alerts", limit).ok());
  EXPECT_FALSE(admin->EnsureTopics(Topics().All(), limit).ok());
  EXPECT_FALSE(admin->QueryWatermarks({.topic = "system_alerts", .partition = 0}, limit).ok());
  EXPECT_LT(absl::Now() - before, absl::Minutes(1));
}

TEST(EmbeddedBrokerTest, ATakenPortIsSaidAndATopicIsMadeOnce) {
  const auto broker = *EmbeddedBroker::Start();
  EXPECT_THAT(EmbeddedBroker::Start(broker->port()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(Loopback(broker->port()))));
  EV_EXPECT_OK(broker->CreateTopic({.name = "t"}));
  EXPECT_THAT(broker->CreateTopic({.name = "t"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("topic t")));
}

}  // namespace
}  // namespace ev::kafka
