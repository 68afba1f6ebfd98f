#include "services/central/adapters/link_codec.h"

#include <gmock/gmock.h>

#include <string>
#include <utility>

#include "tests/support/status_matchers.h"

namespace ev::central {
namespace {

using ::testing::HasSubstr;

namespace pb = evcharging::central::v1;
namespace common = evcharging::common::v1;

pb::CommandAnswer AnswerOf(const std::string& id) {
  pb::CommandAnswer answer;
  answer.set_command_id(id);
  return answer;
}

TEST(LinkCodecTest, EachFateOfAGrantHasItsVerdict) {
  const std::pair<common::GrantFate, Verdict> kFates[] = {
      {common::GRANT_FATE_NEVER_SEEN, Verdict::kCancelled},
      {common::GRANT_FATE_RELEASED, Verdict::kCancelled},
      {common::GRANT_FATE_FORGOTTEN, Verdict::kCancelled},
      {common::GRANT_FATE_CHARGING, Verdict::kRunning},
      {common::GRANT_FATE_ENDED, Verdict::kEnded},
      {common::GRANT_FATE_UNSPECIFIED, Verdict::kFailed},
      {static_cast<common::GrantFate>(99), Verdict::kFailed},
  };
  for (const auto& [fate, verdict] : kFates) {
    pb::CommandAnswer answer = AnswerOf("7");
    answer.mutable_cancelled()->set_fate(fate);
    answer.mutable_cancelled()->set_grant_mark(12);
    const auto read = FromProto(answer);
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(read->id, CommandId(7));
    EXPECT_EQ(read->verdict, verdict) << fate;
    EXPECT_EQ(read->mark, GrantNumber(12));
  }
}

TEST(LinkCodecTest, EachFateOfAStopHasItsVerdict) {
  const auto verdict = [](common::StopFate fate, common::EndReason reason) {
    pb::CommandAnswer answer = AnswerOf("7");
    answer.mutable_stopped()->set_fate(fate);
    answer.mutable_stopped()->set_end_reason(reason);
    return FromProto(answer)->verdict;
  };
  EXPECT_EQ(verdict(common::STOP_FATE_STOPPED, common::END_REASON_DRIVER_STOP), Verdict::kStopped);
  EXPECT_EQ(verdict(common::STOP_FATE_NOT_RUNNING, common::END_REASON_UNPLUGGED), Verdict::kEnded);
  EXPECT_EQ(verdict(common::STOP_FATE_NOT_RUNNING, common::END_REASON_UNSPECIFIED), Verdict::kUnknown);
  EXPECT_EQ(verdict(common::STOP_FATE_NOT_STARTED, common::END_REASON_UNSPECIFIED), Verdict::kCancelled);
  EXPECT_EQ(verdict(static_cast<common::StopFate>(9), common::END_REASON_UNSPECIFIED), Verdict::kFailed);
}

// B75 B80
TEST(LinkCodecTest, OnlyWhatTheEngineHasNeverSeenForCertainWasNotSent) {
  const std::pair<pb::UndeliveredCause, Verdict> kCauses[] = {
      {pb::UNDELIVERED_CAUSE_NOT_SENT, Verdict::kNotSent},       {pb::UNDELIVERED_CAUSE_EXPIRED, Verdict::kNotSent},
      {pb::UNDELIVERED_CAUSE_UNKNOWN, Verdict::kFailed},         {pb::UNDELIVERED_CAUSE_UNSPECIFIED, Verdict::kFailed},
      {static_cast<pb::UndeliveredCause>(99), Verdict::kFailed},
  };
  for (const auto& [cause, verdict] : kCauses) {
    pb::CommandAnswer answer = AnswerOf("7");
    answer.mutable_undelivered()->set_cause(cause);
    EXPECT_EQ(FromProto(answer)->verdict, verdict) << cause;
  }
  EXPECT_EQ(FromProto(AnswerOf("7"))->verdict, Verdict::kFailed);
}

TEST(LinkCodecTest, ADenialOfAnUnknownKindStaysADenial) {
  pb::CommandAnswer answer = AnswerOf("7");
  answer.mutable_prepared()->mutable_denial()->set_reason(static_cast<common::DenialReason>(99));
  const auto read = FromProto(answer);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->verdict, Verdict::kDenied);
  EXPECT_EQ(read->denial, DenialReason::kPointNotReady);
}

// B70 B160
TEST(LinkCodecTest, NumbersAreTakenUpToTheHighestThatCentralMayGive) {
  pb::Hello hello;
  hello.set_charging_point_id("cp_001");
  common::EngineReport& report = *hello.mutable_report();
  report.set_health(common::ENGINE_HEALTH_HEALTHY);
  report.set_highest_link_epoch(kMaxCounter);
  report.set_configured_link_epoch(kMaxCounter);
  report.set_grant_mark(kMaxCounter);
  EXPECT_THAT(FromProto(hello), IsOk());
  report.set_highest_link_epoch(kMaxCounter + 1);
  EXPECT_THAT(FromProto(hello), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("highest_link_epoch")));
}

TEST(LinkCodecTest, TheMonitorsJudgementOverridesTheEnginesReport) {
  pb::Beat beat;
  beat.set_engine_health(common::ENGINE_HEALTH_FAULTED);
  beat.set_fault("relay\nstuck");
  beat.mutable_report()->set_health(common::ENGINE_HEALTH_HEALTHY);
  beat.mutable_report()->set_configured_link_epoch(5);
  beat.mutable_report()->set_grant_mark(3);
  beat.mutable_report()->set_journal_room_facts(100);
  const auto read = FromProto(beat);
  ASSERT_THAT(read, IsOk());
  ASSERT_TRUE(read->report.has_value());
  EXPECT_EQ(read->report->health, EngineHealth::kFaulted);
  EXPECT_EQ(read->report->fault, "relay stuck");
  EXPECT_EQ(read->report->configured_epoch, LinkEpoch(5));
  EXPECT_EQ(read->report->mark, GrantNumber(3));
  EXPECT_EQ(read->report->journal_room, 100);
  EXPECT_FALSE(read->report->journal_full);
  EXPECT_FALSE(read->report->occupation.has_value());

  beat.mutable_report()->set_journal_full(true);
  EXPECT_TRUE(FromProto(beat)->report->journal_full);
  beat.clear_report();
  EXPECT_FALSE(FromProto(beat)->report.has_value()) << "an old report is never repeated";
}

}  // namespace
}  // namespace ev::central
