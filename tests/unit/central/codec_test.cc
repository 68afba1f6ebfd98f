#include "services/central/adapters/codec.h"

#include <gmock/gmock.h>

#include "base/error_detail.h"
#include "tests/support/status_matchers.h"

namespace ev::central {
namespace {

namespace pb = evcharging::central::v1;
namespace common = evcharging::common::v1;

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
  pb::Session proto = ToProto(session, PointState::kReserved);
  EXPECT_EQ(proto.request_time().seconds(), 1);
  EXPECT_EQ(proto.request_time().nanos(), 500'000'000);
  EXPECT_FALSE(proto.has_start_time() || proto.has_end_time() || proto.has_last_sample_time() || proto.has_target() ||
               proto.has_denial() || proto.has_ticket() || proto.has_write_off());
  session.stop_asked = EndReason::kDriverStop;
  session.measured = absl::FromUnixSeconds(7);
  session.updated = absl::FromUnixSeconds(8);
  EXPECT_EQ(ToProto(session, PointState::kReserved).stop_requested(), common::END_REASON_DRIVER_STOP);
  EXPECT_EQ(ToProto(session, PointState::kReserved).last_sample_time().seconds(), 7);
  session.state = SessionState::kExpired;
  session.denial = DenialReason::kCancelled;
  session.power_w = 5;
  proto = ToProto(session, PointState::kReserved);
  EXPECT_EQ(proto.denial().reason(), common::DENIAL_REASON_CANCELLED);
  EXPECT_EQ(proto.power_w(), 0);
  EXPECT_EQ(proto.stop_requested(), common::END_REASON_UNSPECIFIED) << "there is nothing to stop any more";
}

}  // namespace
}  // namespace ev::central
