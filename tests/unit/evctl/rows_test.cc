#include "cli/evctl/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "cli/evctl/doctor.h"
#include "cli/evctl/get.h"
#include "evcharging/central/v1/charging_point.pb.h"
#include "evcharging/central/v1/server_service.pb.h"
#include "evcharging/central/v1/session.pb.h"
#include "evcharging/common/v1/ticket.pb.h"
#include "tests/support/status_matchers.h"

namespace ev::evctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace central = evcharging::central::v1;
namespace common = evcharging::common::v1;

std::vector<std::string> Texts(const std::vector<Cell>& row) {
  std::vector<std::string> texts;
  for (const Cell& cell : row) texts.push_back(cell.text);
  return texts;
}

common::Ticket ATicket() {
  common::Ticket ticket;
  ticket.set_ticket_id("t1");
  ticket.set_session_id("s1");
  ticket.set_kind(common::TICKET_KIND_FINAL);
  ticket.set_driver_id("ann");
  ticket.set_charging_point_id("cp_001");
  ticket.set_energy_mwh(2'444'444);
  ticket.set_amount_micros(855'555);
  ticket.mutable_price()->set_micros_per_kwh(350'000);
  ticket.mutable_price()->set_currency("EUR");
  ticket.mutable_end_time()->set_seconds(1'700'000'000);
  ticket.mutable_end_time()->set_nanos(5'000'000);
  ticket.set_end_reason(common::END_REASON_UNPLUGGED);
  ticket.set_estimated(true);
  return ticket;
}

// B193
TEST(RowsTest, CsvHasEveryDigitOfATicketAndATableIsRounded) {
  EXPECT_THAT(Names<common::Ticket>(Output::kCsv),
              ElementsAre("ticket_id", "driver_id", "charging_point_id", "session_id", "kind", "energy_kwh", "amount",
                          "currency", "price_per_kwh", "start_time", "end_time", "create_time", "end_reason",
                          "estimated", "recovered", "adjusts_ticket_id"));
  EXPECT_THAT(Texts(Row(ATicket(), Output::kCsv)),
              ElementsAre("t1", "ann", "cp_001", "s1", "FINAL", "2.444444", "0.855555", "EUR", "0.350000", "",
                          "2023-11-14T22:13:20.005Z", "", "UNPLUGGED", "true", "false", ""));
  EXPECT_THAT(Texts(Row(ATicket(), Output::kTable)),
              ElementsAre("t1", "ann", "cp_001", "2.444 kWh", "EUR 0.86", "11-14 22:13:20", "UNPLUGGED", "ESTIMATED"));
}

// B193
TEST(RowsTest, EachRowHasACellForEachName) {
  for (const Output output : {Output::kTable, Output::kWide, Output::kCsv}) {
    EXPECT_EQ(Row(central::ChargingPoint(), output).size(), Names<central::ChargingPoint>(output).size());
    EXPECT_EQ(Row(central::Session(), output).size(), Names<central::Session>(output).size());
    EXPECT_EQ(Row(common::Ticket(), output).size(), Names<common::Ticket>(output).size());
    EXPECT_EQ(Row(central::Gap(), output).size(), Names<central::Gap>(output).size());
  }
  EXPECT_GT(Names<central::Session>(Output::kWide).size(), Names<central::Session>(Output::kTable).size());
}

// B193
TEST(RowsTest, ExactLosesNoDigit) {
  EXPECT_EQ(Exact(0), "0.000000");
  EXPECT_EQ(Exact(-1), "-0.000001");
  EXPECT_EQ(Exact(12'345'678), "12.345678");
  EXPECT_EQ(Exact(std::numeric_limits<std::int64_t>::min()), "-9223372036854.775808");
}

// B194
TEST(RowsTest, ASessionIsDescribedFromMeterToBill) {
  central::Session session;
  session.set_session_id("s1");
  session.set_state(common::SESSION_STATE_COMPLETED);
  session.set_energy_mwh(2'444'444);
  session.set_amount_micros(855'555);
  *session.mutable_price() = ATicket().price();
  *session.mutable_ticket() = ATicket();
  const std::string text = Describe(session);
  EXPECT_THAT(text, HasSubstr("meter:         2.444444 kWh\n"));
  EXPECT_THAT(text, HasSubstr("price:         0.350000 EUR per kWh\n"));
  EXPECT_THAT(text, HasSubstr("bills:       2.444444 kWh x 0.350000 = 0.855555 EUR\n"));
  EXPECT_THAT(text, HasSubstr("ESTIMATED"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("trace:"))) << "of a session from before there were traces";
  session.set_trace_id("4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_THAT(Describe(session), HasSubstr("trace:         4bf92f3577b34da6a3ce929d0e0e4736\n"));
  session.clear_ticket();
  EXPECT_THAT(Describe(session), HasSubstr("ticket:        none\n"));
}

// B193
TEST(ParseTimeTest, ADateATimeAndAnAge) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  EXPECT_EQ(*ParseTime("7d", now), now - absl::Hours(24 * 7));
  EXPECT_EQ(*ParseTime("30m", now), now - absl::Minutes(30));
  EXPECT_EQ(*ParseTime("2023-11-14", now), absl::FromUnixSeconds(1'699'920'000));
  EXPECT_EQ(*ParseTime("2023-11-14T22:13:20Z", now), now);
  for (const char* wrong : {"", "yesterday", "-1d", "-5m", "2023-13-01", "99999999999d", "inf"}) {
    EXPECT_THAT(ParseTime(wrong, now).status().ToString(), HasSubstr("write 30m, 24h, 7d, 2026-11-01")) << wrong;
  }
}

// B195
TEST(DoctorTest, WhatIsWrongIsNamedWithTheNextStep) {
  central::ServerInfo info;
  info.set_charging_point_count(3);
  info.set_linked_charging_point_count(3);
  for (const Finding& finding : Examine(info)) EXPECT_EQ(finding.verdict, Verdict::kOk) << finding.part;

  info.mutable_store()->set_health(central::HEALTH_FAILED);
  info.mutable_store()->set_reason("the disk is full");
  info.mutable_broker()->set_health(central::HEALTH_DEGRADED);
  info.mutable_lag()->set_seconds(11);
  info.set_linked_charging_point_count(1);
  info.set_unaccepted_cluster_id("abc");
  std::string said;
  for (const Finding& finding : Examine(info)) {
    said += finding.part +
            (finding.verdict == Verdict::kFailed ? " FAILED "
             : finding.verdict == Verdict::kOk   ? " ok "
                                                 : " warning ") +
            finding.text + "; " + finding.next_step + "\n";
  }
  EXPECT_THAT(said, HasSubstr("store FAILED the disk is full; look at"));
  EXPECT_THAT(said, HasSubstr("broker warning"));
  EXPECT_THAT(said, HasSubstr("lag warning Central is 11s behind"));
  EXPECT_THAT(said, HasSubstr("points warning 1 of 3 connected; evctl get points --state disconnected"));
  EXPECT_THAT(said, HasSubstr("cluster FAILED"));
  EXPECT_THAT(said, HasSubstr("evctl accept-cluster abc"));
}

}  // namespace
}  // namespace ev::evctl
