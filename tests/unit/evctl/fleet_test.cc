#include "cli/evctl/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ev::evctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

namespace central = evcharging::central::v1;
namespace common = evcharging::common::v1;

class FleetTest : public ::testing::Test {
 protected:
  FleetTest() {
    fleet_.BeginPoints();
    fleet_.BeginSessions(absl::FromUnixSeconds(0));
  }

  static central::ChargingPoint Point(const std::string& id, int power_w, int counter = 1) {
    central::ChargingPoint point;
    point.set_charging_point_id(id);
    point.set_state(power_w > 0 ? common::CHARGING_POINT_STATE_CHARGING : common::CHARGING_POINT_STATE_AVAILABLE);
    if (power_w > 0) point.mutable_current_session()->set_power_w(power_w);
    point.mutable_revision()->set_counter(counter);
    return point;
  }
  void Put(const central::ChargingPoint& point) {
    central::WatchChargingPointsResponse message;
    *message.mutable_changed() = point;
    fleet_.Apply(message);
  }
  void CompletePoints() {
    central::WatchChargingPointsResponse message;
    message.mutable_snapshot_complete();
    EXPECT_TRUE(fleet_.Apply(message));
  }
  void Put(const std::string& id, common::SessionState state, std::int64_t micros, const std::string& ticket = "") {
    central::WatchSessionsResponse message;
    central::Session& session = *message.mutable_changed();
    session.set_session_id(id);
    session.set_state(state);
    session.set_energy_mwh(micros * 2);
    session.set_amount_micros(micros);
    session.mutable_price()->set_currency("EUR");
    if (!ticket.empty()) {
      session.mutable_ticket()->set_ticket_id(ticket);
      session.mutable_ticket()->set_energy_mwh(micros * 2);
      session.mutable_ticket()->set_amount_micros(micros);
      session.mutable_ticket()->mutable_price()->set_currency("EUR");
    }
    fleet_.Apply(message);
  }
  std::vector<std::string> Ids(FleetOrder order = FleetOrder::kPower, const std::string& filter = "") {
    std::vector<std::string> ids;
    for (const auto* point : fleet_.Points(order, filter)) ids.push_back(point->charging_point_id());
    return ids;
  }
  std::vector<std::string> Shown(FleetView& view, int rows) {
    std::vector<std::string> texts;
    for (const terminal::Line& line : view.Render(fleet_, {"title"}, rows)) texts.push_back(line.text);
    return texts;
  }

  Fleet fleet_;
};

// B207
TEST_F(FleetTest, PointsStandByPowerThenByIdAndAreFilteredByWhatIsShown) {
  for (const auto& [id, power] : {std::pair("b", 0), {"a", 0}, {"low", 11'000}, {"high", 22'000}})
    Put(Point(id, power));
  EXPECT_THAT(Ids(), ElementsAre("high", "low", "a", "b"));
  EXPECT_THAT(Ids(FleetOrder::kId), ElementsAre("a", "b", "high", "low"));
  EXPECT_THAT(Ids(FleetOrder::kState), ElementsAre("a", "b", "high", "low"));
  EXPECT_THAT(Ids(FleetOrder::kPower, "CHARGING"), ElementsAre("high", "low"));
  EXPECT_THAT(Ids(FleetOrder::kPower, "Hig"), ElementsAre("high"));
  EXPECT_EQ(fleet_.PointTotals(), "4 points: 2 available, 2 charging  |  33.0 kW");
}

// B207
TEST_F(FleetTest, ANewStreamReplacesWhatWasThereWhenItsSnapshotIsComplete) {
  Put(Point("stays", 0, 7));
  Put(Point("goes", 0, 7));
  CompletePoints();
  Put(Point("stays", 11'000, 6));  // Older.
  EXPECT_EQ(fleet_.PointTotals(), "2 points: 2 available  |  0.0 kW");
  fleet_.BeginPoints();
  Put(Point("stays", 11'000, 1));  // Of a store that was restored, for instance.
  EXPECT_EQ(Ids().size(), 2);
  CompletePoints();
  EXPECT_THAT(Ids(), ElementsAre("stays"));
  EXPECT_EQ(fleet_.PointTotals(), "1 point: 1 charging  |  11.0 kW");
  EXPECT_FALSE(fleet_.is_complete()) << "sessions are not there yet";
}

// B207
TEST_F(FleetTest, ATicketIsCountedOnceAndFromTheStreamsBeginning) {
  Put("s1", common::SESSION_STATE_CHARGING, 1'000'000);
  EXPECT_EQ(
      fleet_.SessionTotals(true),
      "1 session: 1 charging  |  on the meter 2.000 kWh, EUR 1.00  |  billed since 00:00:00: 0 tickets, 0.000 kWh");
  Put("s1", common::SESSION_STATE_COMPLETED, 1'500'000, "t1");
  Put("s1", common::SESSION_STATE_COMPLETED, 1'500'000, "t1");
  EXPECT_EQ(fleet_.SessionTotals(false), "0 sessions  |  on the meter 0.000 kWh");
  EXPECT_THAT(fleet_.SessionTotals(true), HasSubstr("00:00:00: 1 ticket, 3.000 kWh, EUR 1.50"));
  fleet_.BeginSessions(absl::FromUnixSeconds(60));
  EXPECT_THAT(fleet_.SessionTotals(true), HasSubstr("00:01:00: 0 tickets, 0.000 kWh"));
}

// B207
TEST_F(FleetTest, KeysSortFilterAndTurnPages) {
  for (const char* id : {"p1", "p2", "p3", "p4", "p5"}) Put(Point(id, 0));
  FleetView view(Output::kTable);
  EXPECT_THAT(Shown(view, 5), ElementsAre(HasSubstr("too small")));
  EXPECT_THAT(Shown(view, 7), ElementsAre("title", HasSubstr("5 points"), HasSubstr("0 sessions"), StartsWith("POINT"),
                                          StartsWith("p1 "), StartsWith("p2 "), StartsWith("-- page 1 of 3 by power")));
  view.OnKey("\x1b[6~");
  EXPECT_THAT(Shown(view, 7)[4], StartsWith("p3 "));
  for (const char* key : {"n", "n", "n"}) view.OnKey(key);
  const auto last = Shown(view, 7);
  EXPECT_THAT(last[4], StartsWith("p5 "));
  EXPECT_THAT(last[5], IsEmpty());
  view.OnKey("p");
  EXPECT_THAT(Shown(view, 7)[4], StartsWith("p3 "));
  for (const char* key : {"/", "q", "\x7f", "P", "4", "\x1b[A"}) {
    EXPECT_EQ(view.OnKey(key), FleetView::Wish::kNothing) << "while typing q is a letter";
  }
  EXPECT_THAT(Shown(view, 7)[4], StartsWith("p4 "));
  EXPECT_THAT(Shown(view, 7)[6], StartsWith("filter: P4_"));
  view.OnKey("\r");
  view.OnKey("\x1b");
  EXPECT_THAT(Shown(view, 7)[4], StartsWith("p1 "));
  view.OnKey("S");
  EXPECT_THAT(Shown(view, 7)[6], HasSubstr("by state"));
  EXPECT_EQ(view.OnKey("\x1a"), FleetView::Wish::kSuspend);
  EXPECT_EQ(view.OnKey("q"), FleetView::Wish::kLeave);
}

TEST(SplitKeysTest, SequencesAndCharactersAreKeysAndWhatMayGoOnStays) {
  std::string typed = "a\x1b[6~\x1bOA\xc3\xb1\x1b[";
  EXPECT_THAT(SplitKeys(typed), ElementsAre("a", "\x1b[6~", "\x1bOA", "\xc3\xb1"));
  EXPECT_EQ(typed, "\x1b[");
  typed += "A\x1b";
  EXPECT_THAT(SplitKeys(typed), ElementsAre("\x1b[A"));
  EXPECT_EQ(typed, "\x1b");
  typed = "\xff\xc3";
  EXPECT_THAT(SplitKeys(typed), IsEmpty());
  typed =
      "\xff"
      "abcd\xc3";
  EXPECT_THAT(SplitKeys(typed), ElementsAre("\xff", "a", "b", "c", "d"));
  EXPECT_EQ(typed, "\xc3");
}

}  // namespace
}  // namespace ev::evctl
