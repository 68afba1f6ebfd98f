#include "services/driver/core/lines.h"

#include <gmock/gmock.h>

#include <limits>
#include <string>

namespace ev::driver {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Charge Charging() {
  return {.id = SessionId("0123456789abcdef0123456789abcdef"),
          .cp = CpId("cp_001"),
          .driver = DriverId("d"),
          .state = SessionState::kCharging,
          .price = {.micros_per_kwh = 350'000, .currency = "EUR"},
          .energy_mwh = 3'141'593,
          .power_w = 11'000,
          .amount_micros = 1'099'558};
}

Ticket TicketOf(const Charge& charge) {
  return {.id = charge.id.value(),
          .session = charge.id,
          .cp = charge.cp,
          .price = charge.price,
          .energy_mwh = charge.energy_mwh,
          .amount_micros = charge.amount_micros,
          .start = absl::FromUnixSeconds(1'738'318'272),
          .end = absl::FromUnixSeconds(1'738'318'333),
          .end_reason = EndReason::kVehicleFull};
}

TEST(LinesTest, FiguresAreRoundedForTheEyeHalvesUp) {
  EXPECT_EQ(EnergyText(3'141'499), "3.141 kWh");
  EXPECT_EQ(EnergyText(3'141'500), "3.142 kWh");
  EXPECT_EQ(EnergyText(0), "0.000 kWh");
  EXPECT_EQ(EnergyText(999'999'500), "1000.000 kWh");
  EXPECT_EQ(PowerText(11'000), "11.0 kW");
  EXPECT_EQ(PowerText(49), "0.0 kW");
  EXPECT_EQ(PowerText(50), "0.1 kW");
  EXPECT_EQ(AmountText(1'104'999, "EUR"), "EUR 1.10");
  EXPECT_EQ(AmountText(1'105'000, "EUR"), "EUR 1.11");
  EXPECT_EQ(AmountText(-1'105'000, "EUR"), "EUR -1.11");
  EXPECT_EQ(AmountText(-4'999, "EUR"), "EUR 0.00");
  EXPECT_EQ(AmountText(std::numeric_limits<std::int64_t>::min(), "EUR"), "EUR -9223372036854.78");
}

TEST(LinesTest, APriceIsShownExactly) {
  EXPECT_EQ(PriceText({.micros_per_kwh = 350'000, .currency = "EUR"}), "EUR 0.35 per kWh");
  EXPECT_EQ(PriceText({.micros_per_kwh = 1'000'000, .currency = "EUR"}), "EUR 1.00 per kWh");
  EXPECT_EQ(PriceText({.micros_per_kwh = 123'456, .currency = "USD"}), "USD 0.123456 per kWh");
  EXPECT_EQ(PriceText({.micros_per_kwh = 0, .currency = "EUR"}), "EUR 0.00 per kWh");
}

TEST(LinesTest, AGrantTellsPriceTargetAndSession) {
  Charge charge = Charging();
  charge.state = SessionState::kGranted;
  EXPECT_EQ(LinesFor({.charge = charge, .before = std::nullopt}).step,
            "cp_001: granted  EUR 0.35 per kWh  plug in  session 0123456789abcdef0123456789abcdef");
  charge.target = AmountTarget{5'500'000};
  EXPECT_THAT(LinesFor({.charge = charge, .before = std::nullopt}).step, HasSubstr("per kWh  until EUR 5.50  plug in"));
}

TEST(LinesTest, LiveFiguresAreEnergyPowerAndAmount) {
  const Charge charge = Charging();
  const ChangeLines lines = LinesFor({.charge = charge, .before = charge});
  EXPECT_EQ(lines.step, "");
  EXPECT_EQ(lines.live, "cp_001: 3.142 kWh  11.0 kW  EUR 1.10");
}

TEST(LinesTest, ATicketTellsFiguresReasonAndTimes) {
  Charge charge = Charging();
  charge.state = SessionState::kCompleted;
  charge.ticket = TicketOf(charge);
  const ChangeLines lines = LinesFor({.charge = charge, .before = Charging()});
  EXPECT_EQ(lines.step,
            "cp_001: ticket  3.142 kWh  EUR 1.10  VEHICLE_FULL  2025-01-31 10:11:12 to 10:12:13 UTC  "
            "session 0123456789abcdef0123456789abcdef");
  EXPECT_EQ(lines.live, "");
}

TEST(LinesTest, AnAdjustmentThatComesLaterIsTold) {
  Charge before = Charging();
  before.state = SessionState::kCompleted;
  before.ticket = TicketOf(before);
  before.ticket->estimated = true;
  Charge after = before;
  after.adjustment = TicketOf(before);
  after.adjustment->kind = TicketKind::kAdjustment;
  after.adjustment->amount_micros = -20'000;
  EXPECT_THAT(TicketLine(*before.ticket), HasSubstr("estimated"));
  EXPECT_THAT(LinesFor({.charge = after, .before = before}).step,
              HasSubstr("cp_001: adjustment  3.142 kWh  EUR -0.02"));
}

TEST(LinesTest, ADenialTellsItsReason) {
  EXPECT_EQ(DenialLine(CpId("cp_001"), {.reason = "POINT_BUSY", .text = "charging point cp_001 is busy"}),
            "cp_001: denied  POINT_BUSY  charging point cp_001 is busy");
  Charge charge = Charging();
  charge.state = SessionState::kExpired;
  EXPECT_EQ(LinesFor({.charge = charge, .before = Charging()}).step, "cp_001: denied  EXPIRED");
}

TEST(LinesTest, UnconfirmedIsToldAsSuchAndNotAsADenial) {
  Charge charge = Charging();
  charge.state = SessionState::kUnconfirmed;
  const std::string line = LinesFor({.charge = charge, .before = std::nullopt}).step;
  EXPECT_THAT(line, HasSubstr("cp_001: not confirmed"));
  EXPECT_THAT(line, Not(HasSubstr("denied")));
}

TEST(LinesTest, AwaitingTheFinalFiguresIsTold) {
  Charge charge = Charging();
  charge.state = SessionState::kAwaitingFinal;
  charge.end_reason = EndReason::kFault;
  EXPECT_EQ(LinesFor({.charge = charge, .before = Charging()}).step,
            "cp_001: ended  3.142 kWh  FAULT  the ticket comes when the final figures are booked");
}

TEST(LinesTest, ANoticeIsToldOnceWhileItStands) {
  Charge charge = Charging();
  charge.notice = "the charging point is disconnected";
  EXPECT_EQ(LinesFor({.charge = charge, .before = Charging()}).step, "cp_001: the charging point is disconnected");
  EXPECT_EQ(LinesFor({.charge = charge, .before = charge}).step, "");
}

TEST(LinesTest, AListTellsWhereItStands) {
  const ListProgress progress{.index = 1, .total = 5, .cp = CpId("cp_002"), .completed = 3, .denied = 1, .failed = 1};
  EXPECT_EQ(ProgressText(progress), "2 of 5: cp_002");
  EXPECT_EQ(CountsText(progress), "3 completed, 1 denied, 1 failed");
}

}  // namespace
}  // namespace ev::driver
