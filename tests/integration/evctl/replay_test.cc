#include "cli/evctl/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/evctl/dead_letters.h"
#include "kafka/embedded_broker.h"
#include "kafka/producer.h"
#include "tests/support/status_matchers.h"

namespace ev::evctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kLetters[] = "letters";
constexpr char kFacts[] = "facts";

class ReplayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto broker =
        kafka::EmbeddedBroker::Start(0, {{{.name = kLetters, .partitions = 1}, {.name = kFacts, .partitions = 1}}});
    EV_ASSERT_OK(broker);
    broker_ = *std::move(broker);
    log_ = {.kafka = {.brokers = broker_->bootstrap()}, .topic = kLetters};
    auto producer = kafka::Producer::Create({.kafka = log_.kafka, .topics = {kLetters}});
    EV_ASSERT_OK(producer);
    producer_ = *std::move(producer);
  }

  void PutAside(const std::string& key, std::string value, const std::string& reason) {
    ASSERT_THAT(producer_->Publish({.topic = kLetters,
                                    .key = key,
                                    .value = std::move(value),
                                    .headers = {{"ev-reason", reason}, {"ev-origin-topic", kFacts}}}),
                IsOk());
  }
  void Flush() { ASSERT_THAT(producer_->Flush(absl::Seconds(20)), IsOk()); }

  // How many messages the topic holds.
  int Size(const std::string& topic) const {
    int size = 0;
    const ReadLogOptions log{.kafka = {.brokers = broker_->bootstrap()}, .topic = topic};
    EXPECT_THAT(ReadLog(log, nullptr,
                        [&](absl::string_view, std::int32_t, const IncomingMessage& message) {
                          size += IsReplayMark(message) ? 0 : 1;
                          return true;
                        }),
                IsOk());
    return size;
  }

  std::unique_ptr<kafka::EmbeddedBroker> broker_;
  std::unique_ptr<kafka::Producer> producer_;
  ReadLogOptions log_;
  std::ostringstream out_;
};

// B214
TEST_F(ReplayTest, LettersThatAreTooBigDoNotHoldUpTheOthers) {
  for (int i = 0; i < 150; ++i) PutAside("big", std::string(2000, 'x'), "UNDECODABLE");
  PutAside("small", "x", "UNDECODABLE");
  Flush();
  log_.kafka.extra.push_back({"message.max.bytes", "1000"});
  EXPECT_THAT(ReplayDeadLetters(log_, {}, out_), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(out_.str(), HasSubstr("0/150  UNDECODABLE  small  put back into facts\n"));
  EXPECT_THAT(out_.str(), HasSubstr("0/0  UNDECODABLE  big  not put back into facts: "));
  EXPECT_EQ(Size(kFacts), 1);
}

// B214
TEST_F(ReplayTest, WhatIsRefusedInCompanyIsPutBackAlone) {
  for (int i = 0; i < 3; ++i) PutAside("cp", absl::StrCat(i), "UNDECODABLE");
  Flush();
  log_.kafka.extra.push_back({"linger.ms", "500"});  // All three are one batch.
  broker_->FailProduce({87, 87});                    // INVALID_RECORD: the batch, and the first of it alone.
  EXPECT_THAT(ReplayDeadLetters(log_, {}, out_), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(out_.str(), HasSubstr("0/0  UNDECODABLE  cp  not put back into facts: "));
  EXPECT_THAT(out_.str(), HasSubstr("0/1  UNDECODABLE  cp  put back into facts\n"));
  EXPECT_THAT(out_.str(), HasSubstr("0/2  UNDECODABLE  cp  put back into facts\n"));
  out_.str("");
  EXPECT_THAT(ReplayDeadLetters(log_, {}, out_), IsOk());
  EXPECT_EQ(out_.str(), "0/0  UNDECODABLE  cp  put back into facts\n");
  EXPECT_EQ(Size(kFacts), 3);
}

// B214
TEST_F(ReplayTest, WhatTheBrokerTakesNothingOfEndsIt) {
  for (int i = 0; i < 150; ++i) PutAside("cp", absl::StrCat(i), "UNDECODABLE");
  Flush();
  broker_->FailProduce(std::vector<int>(100, 29));  // TOPIC_AUTHORIZATION_FAILED: not about one letter.
  EXPECT_THAT(ReplayDeadLetters(log_, {}, out_), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(out_.str(), HasSubstr("0/99  "));
  EXPECT_THAT(out_.str(), Not(HasSubstr("0/100  ")));
  EXPECT_THAT(out_.str(), Not(HasSubstr("  put back into")));
}

// B214
TEST_F(ReplayTest, AReasonThatNothingHasIsNamedBesideThoseThatThereAre) {
  PutAside("cp", "x", "UNDECODABLE");
  PutAside("cp", "x", "UNKNOWN_SESSION");
  Flush();
  const absl::Status status = ReplayDeadLetters(log_, {.reason = "UNDECODEABLE"}, out_);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(status.message(), HasSubstr("its reasons: UNDECODABLE, UNKNOWN_SESSION"));
  // The reason is there, but nothing is as new.
  EXPECT_THAT(ReplayDeadLetters(log_, {.reason = "undecodable", .since = absl::InfiniteFuture()}, out_), IsOk());
  EXPECT_EQ(out_.str(), "none\n");
  EXPECT_EQ(Size(kFacts), 0);
}

// B214
TEST_F(ReplayTest, ALetterIsNamedByItsOffsetOrItsPartitionAndOffset) {
  PutAside("first", "x", "UNDECODABLE");
  PutAside("second", "x", "UNDECODABLE");
  Flush();
  for (const char* text : {"1", "0/1"}) {
    const auto place = ParsePlace(text);
    EV_ASSERT_OK(place);
    out_.str("");
    EXPECT_THAT(ShowDeadLetter(log_, *place, out_), IsOk());
    EXPECT_THAT(out_.str(), HasSubstr("offset: 1\nkey: second\n"));
  }
  EXPECT_THAT(ShowDeadLetter(log_, {.partition = 0, .offset = 2}, out_), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ShowDeadLetter(log_, {.partition = 1, .offset = 1}, out_), StatusIs(absl::StatusCode::kNotFound));
  for (const char* text : {"", "/", "1/", "/1", "x", "1/2/3", "-1", "0/-1", "1.5"}) {
    EXPECT_THAT(ParsePlace(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

}  // namespace
}  // namespace ev::evctl
