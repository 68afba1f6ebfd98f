#include "services/central/adapters/codec.h"

#include <gmock/gmock.h>

#include "base/error_detail.h"
#include "tests/support/status_matchers.h"

namespace ev::central {
namespace {

namespace pb = evcharging::central::v1;
namespace common = evcharging::common::v1;

pb::CommandAnswer AnswerOf(const std::string& id) {
  pb::CommandAnswer answer;
  answer.set_command_id(id);
  return answer;
}

TEST(CodecTest, EachFateOfAGrantHasItsVerdict) {
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

TEST(CodecTest, EachFateOfAStopHasItsVerdict) {
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
TEST(CodecTest, OnlyWhatTheEngineHasNeverSeenForCertainWasNotSent) {
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

TEST(CodecTest, ADenialOfAnUnknownKindStaysADenial) {
  pb::CommandAnswer answer = AnswerOf("7");
  answer.mutable_prepared()->mutable_denial()->set_reason(static_cast<common::DenialReason>(99));
  const auto read = FromProto(answer);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->verdict, Verdict::kDenied);
  EXPECT_EQ(read->denial, DenialReason::kPointNotReady);
}

TEST(CodecTest, TheMonitorsJudgementOverridesTheEnginesReport) {
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
  EXPECT_FALSE(read->report->occupation.has_value());

  beat.mutable_report()->set_journal_full(true);
  EXPECT_EQ(FromProto(beat)->report->journal_room, 0) << "a full journal has no room, whatever the number says";
  beat.clear_report();
  EXPECT_FALSE(FromProto(beat)->report.has_value()) << "an old report is never repeated";
}

TEST(CodecTest, AFailureSaysItsReasonAndItsSession) {
  const absl::Status status =
      ToStatus(Failure{.status = absl::NotFoundError("text"), .reason = "POINT_UNKNOWN", .session = SessionId("s")});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "text"));
  EXPECT_EQ(DetailOf(status).reason, "POINT_UNKNOWN");
  EXPECT_EQ(DetailOf(status).metadata.at("session_id"), "s");
}

TEST(CodecTest, ACauseOfTheNetworkIsTellableFromThePointsOwn) {
  PointView view;
  view.record.id = CpId("cp_001");
  view.record.causes = {{.cause = Cause::kOperator, .who = "anna", .reason = "cable", .since = absl::UnixEpoch()}};
  view.causes = view.record.causes;
  view.causes.push_back({.cause = Cause::kOperator, .who = "bob", .reason = "storm", .since = absl::UnixEpoch()});
  const pb::ChargingPoint point = ToProto(view);
  ASSERT_EQ(point.causes_size(), 2);
  EXPECT_FALSE(point.causes(0).network_wide());
  EXPECT_TRUE(point.causes(1).network_wide());
  EXPECT_FALSE(point.connection().has_last_seen_time());
  EXPECT_EQ(point.connection().last_state(), common::CHARGING_POINT_STATE_DISCONNECTED);
}

TEST(CodecTest, WhatHasNotHappenedIsAbsentFromASession) {
  Session session;
  session.state = SessionState::kGranted;
  session.requested = absl::FromUnixMillis(1'500);
  pb::Session proto = ToProto(session);
  EXPECT_EQ(proto.request_time().seconds(), 1);
  EXPECT_EQ(proto.request_time().nanos(), 500'000'000);
  EXPECT_FALSE(proto.has_start_time() || proto.has_end_time() || proto.has_last_sample_time() || proto.has_target() ||
               proto.has_denial() || proto.has_ticket() || proto.has_write_off());
  session.stop_asked = EndReason::kDriverStop;
  session.measured = absl::FromUnixSeconds(7);
  session.updated = absl::FromUnixSeconds(8);
  EXPECT_EQ(ToProto(session).stop_requested(), common::END_REASON_DRIVER_STOP);
  EXPECT_EQ(ToProto(session).last_sample_time().seconds(), 7);
  session.state = SessionState::kExpired;
  session.denial = DenialReason::kCancelled;
  session.power_w = 5;
  proto = ToProto(session);
  EXPECT_EQ(proto.denial().reason(), common::DENIAL_REASON_CANCELLED);
  EXPECT_EQ(proto.power_w(), 0);
  EXPECT_EQ(proto.stop_requested(), common::END_REASON_UNSPECIFIED) << "there is nothing to stop any more";
}

}  // namespace
}  // namespace ev::central
