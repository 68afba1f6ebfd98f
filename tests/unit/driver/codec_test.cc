#include "services/driver/adapters/codec.h"

#include <gmock/gmock.h>

#include "tests/support/status_matchers.h"
#include "wire/common_codec.h"

namespace ev::driver {
namespace {

namespace common_pb = evcharging::common::v1;
namespace events_pb = evcharging::events::v1;

constexpr char kSession[] = "0123456789abcdef0123456789abcdef";

// Every field differs from its default.
Charge Full() {
  const absl::Time time = absl::FromUnixSeconds(1'738'318'272) + absl::Nanoseconds(5);
  const Ticket ticket{.id = kSession,
                      .session = SessionId(kSession),
                      .kind = TicketKind::kFinal,
                      .cp = CpId("cp_001"),
                      .driver = DriverId("driver_001"),
                      .price = {.micros_per_kwh = 350'000, .currency = "EUR"},
                      .energy_mwh = 3'141'593,
                      .amount_micros = 1'099'558,
                      .start = time,
                      .end = time + absl::Seconds(2),
                      .issued = time + absl::Seconds(3),
                      .end_reason = EndReason::kWrittenOff,
                      .estimated = true,
                      .recovered = true};
  Charge charge{.id = SessionId(kSession),
                .cp = CpId("cp_001"),
                .driver = DriverId("driver_001"),
                .number = GrantNumber(7),
                .state = SessionState::kCompleted,
                .price = ticket.price,
                .target = EnergyTarget{10'000'000},
                .energy_mwh = 3'141'593,
                .power_w = 11'000,
                .amount_micros = 1'099'558,
                .manual = true,
                .requested = time - absl::Seconds(2),
                .start = time,
                .end = time + absl::Seconds(2),
                .last_sample = time + absl::Seconds(1),
                .end_reason = EndReason::kWrittenOff,
                .denial = Denial{.reason = "NOT_DELIVERED", .text = "it was denied first"},
                .ticket = ticket,
                .adjustment = ticket,
                .notice = "a notice",
                .revision = {.incarnation = 3, .counter = 9},
                .trace = TraceOfId("4bf92f3577b34da6a3ce929d0e0e4736")};
  charge.adjustment->kind = TicketKind::kAdjustment;
  charge.adjustment->amount_micros = -5;
  charge.adjustment->adjusts_ticket = kSession;
  return charge;
}

TEST(DriverCodecTest, ASessionComesBackAsItWentToTheLastDigit) {
  const auto back = FromProto(ToProto(Full()));
  EV_ASSERT_OK(back);
  EXPECT_EQ(*back, Full());
  Charge bare{.id = SessionId(kSession), .cp = CpId("c"), .driver = DriverId("d"), .state = SessionState::kRequested};
  const auto proto = ToProto(bare);
  EXPECT_FALSE(proto.has_target() || proto.has_start_time() || proto.has_ticket() || proto.has_denial());
  EXPECT_EQ(*FromProto(proto), bare);
}

TEST(DriverCodecTest, ASessionThatCannotBeIsRefused) {
  const auto proto = ToProto(Full());
  auto no_id = proto;
  no_id.set_session_id("x");
  EXPECT_THAT(FromProto(no_id), StatusIs(absl::StatusCode::kInvalidArgument));
  auto bad_point = proto;
  bad_point.set_charging_point_id("cp\x1b[2J");
  EXPECT_THAT(FromProto(bad_point), StatusIs(absl::StatusCode::kInvalidArgument));
  auto no_state = proto;
  no_state.clear_state();
  EXPECT_THAT(FromProto(no_state), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(DriverCodecTest, EveryDenialKeepsItsWord) {
  for (int i = common_pb::DenialReason_MIN; i <= common_pb::DenialReason_MAX; ++i) {
    if (!common_pb::DenialReason_IsValid(i)) continue;
    auto proto = ToProto(Full());
    proto.mutable_denial()->set_reason(static_cast<common_pb::DenialReason>(i));
    const auto charge = FromProto(proto);
    EV_ASSERT_OK(charge);
    EXPECT_EQ("DENIAL_REASON_" + charge->denial->reason,
              common_pb::DenialReason_Name(static_cast<common_pb::DenialReason>(i)));
    EXPECT_EQ(ToProto(*charge->denial).reason(), i);
  }
}

TEST(DriverCodecTest, AnUpdateFromTheLogIsTheSessionAsItStands) {
  events_pb::StatusUpdate update;
  update.set_driver_id("driver_001");
  update.set_session_id(kSession);
  update.set_charging_point_id("cp_001");
  update.set_state(common_pb::SESSION_STATE_COMPLETED);
  update.set_energy_mwh(5);
  update.mutable_revision()->set_counter(4);
  *update.mutable_ticket() = wire::ToProto(*Full().ticket);
  auto charge = FromProto(update);
  EV_ASSERT_OK(charge);
  ASSERT_TRUE(charge->has_value());
  EXPECT_EQ((*charge)->ticket, Full().ticket);
  EXPECT_EQ((*charge)->end_reason, EndReason::kWrittenOff);
  EXPECT_EQ((*charge)->revision.counter, 4);
  EXPECT_FALSE((*charge)->adjustment.has_value());

  *update.mutable_ticket() = wire::ToProto(*Full().adjustment);
  charge = FromProto(update);
  EV_ASSERT_OK(charge);
  EXPECT_EQ((*charge)->adjustment, Full().adjustment);
  EXPECT_FALSE((*charge)->ticket.has_value());
}

TEST(DriverCodecTest, ADenialWithoutASessionIsNoNewsOfOne) {
  events_pb::StatusUpdate update;
  update.set_driver_id("driver_001");
  update.set_charging_point_id("cp_001");
  update.set_state(common_pb::SESSION_STATE_DENIED);
  const auto charge = FromProto(update);
  EV_ASSERT_OK(charge);
  EXPECT_FALSE(charge->has_value());
}

}  // namespace
}  // namespace ev::driver
