#include "services/central/console/panel_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace ev::central {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

const absl::Time kNoon = absl::FromUnixSeconds(1'700'000'000);  // 2023-11-14 22:13:20 UTC

std::string CpName(int number) {
  char name[16];
  std::snprintf(name, sizeof(name), "cp_%05d", number);
  return name;
}

PointView Point(const std::string& cp, PointState state = PointState::kAvailable) {
  PointView point;
  point.record.id = CpId(cp);
  point.record.location = "Harbour 4";
  point.record.price = {.micros_per_kwh = 350'000, .currency = "EUR"};
  point.state = state;
  return point;
}

Session SessionOf(const std::string& cp, SessionState state, const std::string& driver = "driver_001") {
  Session session;
  session.id = SessionId("4c85abb94c85abb94c85abb94c85abb9");
  session.cp = CpId(cp);
  session.driver = DriverId(driver);
  session.price = {.micros_per_kwh = 350'000, .currency = "EUR"};
  session.state = state;
  session.requested = session.updated = kNoon;
  return session;
}

PointChanged Changed(PointView point, PointState previous = PointState::kDisconnected) {
  return {.point = std::move(point), .previous = previous};
}

Ticket TicketOf(const Session& session) {
  Ticket ticket;
  ticket.id = session.id.value();
  ticket.session = session.id;
  ticket.cp = session.cp;
  ticket.driver = session.driver;
  ticket.price = session.price;
  ticket.energy_mwh = 2'799'500;
  ticket.amount_micros = 975'000;
  ticket.issued = kNoon;
  ticket.end_reason = EndReason::kVehicleFull;
  return ticket;
}

class PanelModelTest : public ::testing::Test {
 protected:
  // The line of the panel that contains `text`; empty: none does.
  terminal::Line Line(const std::string& text, int rows = 40) {
    const auto lines = model_.Render(rows);
    const auto it = std::find_if(lines.begin(), lines.end(),
                                 [&](const terminal::Line& line) { return line.text.find(text) != std::string::npos; });
    return it == lines.end() ? terminal::Line{} : *it;
  }
  std::string All(int rows = 40) {
    std::string all;
    for (const terminal::Line& line : model_.Render(rows)) absl::StrAppend(&all, line.text, "\n");
    return all;
  }

  PanelModel model_{"EVCharge Central"};
};

// --- what is said of a charging point --------------------------------------------------------------------------------

// B182
TEST_F(PanelModelTest, EachStateHasItsColourAndSaysWhatBelongsToIt) {
  model_.Apply(Changed(Point("cp_available")));
  EXPECT_EQ(Line("cp_available").color, terminal::kGreen);
  EXPECT_EQ(Line("cp_available").text, "cp_available  AVAILABLE     EUR 0.35 per kWh  Harbour 4");

  PointView reserved = Point("cp_reserved", PointState::kReserved);
  reserved.session = SessionOf("cp_reserved", SessionState::kGranted);
  model_.Apply(Changed(reserved));
  EXPECT_EQ(Line("cp_reserved").color, terminal::kGreen);
  EXPECT_THAT(Line("cp_reserved").text, AllOf(HasSubstr("RESERVED"), HasSubstr("driver_001"), HasSubstr("EUR 0.35")));

  PointView charging = Point("cp_charging", PointState::kCharging);
  charging.session = SessionOf("cp_charging", SessionState::kCharging);
  charging.session->power_w = 11'049;
  charging.session->energy_mwh = 3'141'500;
  charging.session->amount_micros = 1'105'000;
  model_.Apply(Changed(charging));
  EXPECT_EQ(Line("cp_charging").color, terminal::kGreen);
  EXPECT_THAT(Line("cp_charging").text, AllOf(HasSubstr("CHARGING"), HasSubstr(" 11.0 kW"), HasSubstr(" 3.142 kWh"),
                                              HasSubstr(" EUR 1.11"), HasSubstr("driver_001")));

  PointView stopped = Point("cp_stopped", PointState::kStopped);
  stopped.causes = {{.cause = Cause::kOperator, .who = "console", .reason = "cleaning", .since = kNoon},
                    {.cause = Cause::kWeather, .who = {}, .reason = {}, .since = kNoon}};
  model_.Apply(Changed(stopped));
  EXPECT_EQ(Line("cp_stopped").color, terminal::kOrange);
  EXPECT_THAT(Line("cp_stopped").text, HasSubstr("Out of Order: operator, cleaning (console); weather"));

  PointView faulted = Point("cp_faulted", PointState::kFaulted);
  faulted.fault = "cable damaged";
  model_.Apply(Changed(faulted));
  EXPECT_EQ(Line("cp_faulted").color, terminal::kRed);
  EXPECT_THAT(Line("cp_faulted").text, AllOf(HasSubstr("FAULTED"), HasSubstr("cable damaged")));

  PointView gone = Point("cp_gone", PointState::kDisconnected);
  gone.last_seen = kNoon;
  gone.last_state = PointState::kCharging;
  model_.Apply(Changed(gone));
  EXPECT_EQ(Line("cp_gone").color, terminal::kGrey);
  EXPECT_THAT(Line("cp_gone").text, HasSubstr("last seen 2023-11-14 22:13:20 UTC  was CHARGING"));

  model_.Apply(Changed(Point("cp_never", PointState::kDisconnected)));
  EXPECT_THAT(Line("cp_never").text, HasSubstr("never seen"));
}

TEST_F(PanelModelTest, AStopIsShownAlsoWhileSomethingElseIsTheState) {
  for (PointState state : {PointState::kCharging, PointState::kFaulted, PointState::kDisconnected}) {
    PointView point = Point("cp_001", state);
    point.causes = {{.cause = Cause::kOperator, .who = {}, .reason = "cleaning", .since = kNoon}};
    model_.Apply(Changed(point));
    EXPECT_THAT(Line("cp_001").text, HasSubstr("Out of Order: operator, cleaning")) << Name(state);
  }
}

TEST_F(PanelModelTest, PointsAreInTheOrderOfTheirIds) {
  for (const char* cp : {"cp_b", "cp_c", "cp_a"}) model_.Apply(Changed(Point(cp)));
  const auto lines = model_.Render(20);
  EXPECT_THAT(lines[2].text, StartsWith("cp_a"));
  EXPECT_THAT(lines[3].text, StartsWith("cp_b"));
  EXPECT_THAT(lines[4].text, StartsWith("cp_c"));
}

TEST_F(PanelModelTest, ADeletedPointIsShownNoMore) {
  model_.SetPoints({Point("cp_001"), Point("cp_002")});
  PointChanged gone = Changed(Point("cp_001"), PointState::kAvailable);
  gone.deleted = true;
  model_.Apply(gone);
  EXPECT_THAT(All(), AllOf(Not(HasSubstr("cp_001")), HasSubstr("cp_002"), HasSubstr("1 point: 1 available")));
  model_.Apply(gone);
  EXPECT_EQ(model_.points(), 1u);
}

TEST_F(PanelModelTest, TheFiguresOfARunningChargeFollowItsSession) {
  PointView point = Point("cp_001", PointState::kCharging);
  Session session = SessionOf("cp_001", SessionState::kCharging);
  point.session = session;
  model_.Apply(Changed(point));
  session.energy_mwh = 1'000'000;
  session.power_w = 22'000;
  model_.Apply({.session = session, .previous = SessionState::kCharging});
  EXPECT_THAT(Line("cp_001").text, AllOf(HasSubstr("1.000 kWh"), HasSubstr("22.0 kW")));
  EXPECT_THAT(model_.Render(20)[1].text, HasSubstr("22.0 kW"));

  Session other = SessionOf("cp_001", SessionState::kCharging, "driver_of_yesterday");
  other.id = SessionId("00000000000000000000000000000000");
  model_.Apply({.session = other, .previous = SessionState::kCharging});
  EXPECT_THAT(Line("cp_001").text, AllOf(HasSubstr("driver_001"), Not(HasSubstr("yesterday"))));

  session.state = SessionState::kCompleted;
  model_.Apply({.session = session, .previous = SessionState::kCharging});
  EXPECT_THAT(Line("cp_001 ").text, Not(HasSubstr("driver_001")));
  EXPECT_THAT(model_.Render(20)[1].text, HasSubstr(" 0.0 kW"));
}

TEST_F(PanelModelTest, TotalsCountPointsByStateWhateverWayTheyTook) {
  model_.SetPoints({Point("cp_001"), Point("cp_002"), Point("cp_003", PointState::kDisconnected)});
  EXPECT_THAT(model_.Render(20)[1].text, StartsWith("3 points: 2 available 1 disconnected"));
  model_.Apply(Changed(Point("cp_002", PointState::kFaulted), PointState::kAvailable));
  model_.Apply(Changed(Point("cp_002", PointState::kFaulted), PointState::kFaulted));
  EXPECT_THAT(model_.Render(20)[1].text, StartsWith("3 points: 1 available 1 faulted 1 disconnected"));
  EXPECT_THAT(model_.Render(20)[1].text, HasSubstr("faults 1"));
}

// --- what happened ---------------------------------------------------------------------------------------------------

TEST_F(PanelModelTest, RequestsDenialsAndTicketsAreToldAndCounted) {
  Session session = SessionOf("cp_001", SessionState::kRequested);
  model_.Apply({.session = session});
  EXPECT_THAT(All(), HasSubstr("22:13:20  request  driver_001 at cp_001"));

  session.state = SessionState::kCompleted;
  model_.Apply({.session = session, .previous = SessionState::kCharging, .ticket = TicketOf(session)});
  EXPECT_EQ(Line("ticket ").text,
            "22:13:20  ticket   driver_001 at cp_001  2.800 kWh  EUR 0.98  VEHICLE_FULL  4c85abb9");

  model_.Apply({.driver = DriverId("driver_002"),
                .cp = CpId("cp_unknown"),
                .reason = DenialReason::kPointUnknown,
                .text = "no charging point cp_unknown",
                .time = kNoon});
  EXPECT_EQ(Line("cp_unknown").text,
            "22:13:20  denied   driver_002 at cp_unknown  POINT_UNKNOWN  no charging point cp_unknown");

  Session denied = SessionOf("cp_002", SessionState::kDenied);
  denied.denial = DenialReason::kPointBusy;
  model_.Apply({.session = denied, .previous = SessionState::kRequested});
  EXPECT_THAT(Line("POINT_BUSY").text, HasSubstr("driver_001 at cp_002"));
  EXPECT_THAT(model_.Render(20)[1].text, HasSubstr("requests 2  denials 2  tickets 1"));
}

TEST_F(PanelModelTest, TheEndOfTheLogIsShownAndOnlyNewLinesCount) {
  EXPECT_TRUE(model_.SetLog({"one", "two"}));
  EXPECT_FALSE(model_.SetLog({"one", "two"}));
  EXPECT_TRUE(model_.SetLog({"two", "three"}));
  EXPECT_THAT(All(), HasSubstr("-- log\ntwo\nthree\n"));
}

TEST_F(PanelModelTest, AnAnswerIsShownUntilTheNext) {
  model_.SetAnswer("> list\nfirst\nsecond");
  EXPECT_THAT(All(), HasSubstr("-- answer\n> list\nfirst\nsecond\n"));
  model_.SetAnswer("third");
  EXPECT_THAT(All(), AllOf(HasSubstr("-- answer\nthird\n"), Not(HasSubstr("first"))));
  model_.SetAnswer("");
  EXPECT_THAT(All(), Not(HasSubstr("answer")));
}

// --- room ------------------------------------------------------------------------------------------------------------

TEST_F(PanelModelTest, NeverMoreLinesThanThereIsRoomFor) {
  for (int points : {0, 1, 30}) {
    for (int i = 0; i < points; ++i) model_.Apply(Changed(Point(CpName(i))));
    for (int happened = 0; happened < 3; ++happened) {
      for (const char* answer : {"", "one", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20"}) {
        model_.SetAnswer(answer);
        for (int rows = 0; rows < 60; ++rows) {
          EXPECT_LE(model_.Render(rows).size(), static_cast<std::size_t>(rows)) << points << " points";
        }
      }
      model_.Apply({.session = SessionOf("cp_00001", SessionState::kRequested)});
      model_.SetLog({"a", "b", "c"});
    }
  }
}

TEST_F(PanelModelTest, WithLittleRoomPointsComeBeforeLogAndNews) {
  for (int i = 0; i < 5; ++i) model_.Apply(Changed(Point(CpName(i))));
  model_.SetLog({"a line of the log"});
  model_.Apply({.session = SessionOf("cp_00001", SessionState::kRequested)});
  const std::string all = All(PanelModel::kMinRows);
  for (int i = 0; i < 5; ++i) EXPECT_THAT(all, HasSubstr(CpName(i)));
  EXPECT_THAT(all, Not(HasSubstr("a line of the log")));
}

TEST_F(PanelModelTest, MorePointsThanLinesComeInPagesThatShowEachPointOnce) {
  for (int i = 0; i < 50; ++i) model_.Apply(Changed(Point(CpName(i))));
  std::vector<std::string> seen;
  for (int page = 1; page < 100; ++page) {
    model_.ShowPage(page);
    const auto lines = model_.Render(20);
    std::string pages;
    for (const terminal::Line& line : lines) {
      if (line.text.rfind("cp_", 0) == 0) seen.push_back(line.text.substr(0, 8));
      if (line.text.rfind("-- page", 0) == 0) pages = line.text;
    }
    EXPECT_THAT(pages, HasSubstr(absl::StrCat("page ", page, " of ")));
    if (pages.find(absl::StrCat("page ", page, " of ", page, ":")) != std::string::npos) break;
  }
  ASSERT_THAT(seen, SizeIs(50));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], CpName(i));
}

TEST_F(PanelModelTest, APageThatDoesNotExistBecomesTheNearest) {
  for (int i = 0; i < 50; ++i) model_.Apply(Changed(Point(CpName(i))));
  model_.ShowPage(1000);
  EXPECT_THAT(All(20), HasSubstr(CpName(49)));
  model_.TurnPage(1);
  EXPECT_THAT(All(20), HasSubstr(CpName(49)));
  model_.TurnPage(-1000);
  EXPECT_THAT(All(20), HasSubstr(CpName(0)));
}

TEST_F(PanelModelTest, ItsMemoryDoesNotGrowWithWhatHappens) {
  const std::string text(10'000, 'x');
  for (int i = 0; i < 1000; ++i) {
    model_.Apply({.driver = DriverId("driver_001"),
                  .cp = CpId(absl::StrCat("cp_", i)),
                  .reason = DenialReason::kPointUnknown,
                  .text = text,
                  .time = kNoon});
  }
  std::string answer;
  for (int i = 0; i < 5000; ++i) absl::StrAppend(&answer, text.substr(0, 1000), "\n");
  model_.SetAnswer(answer);
  model_.SetLog({text});
  const auto lines = model_.Render(100'000);
  EXPECT_LE(lines.size(), 2 + 1 + (1 + PanelModel::kRecent) + 2 + (1 + PanelModel::kAnswerLines));
  for (const terminal::Line& line : lines) EXPECT_LE(line.text.size(), PanelModel::kMaxLineBytes);
  EXPECT_EQ(model_.points(), 0u) << "a denied request makes no charging point";
}

// --- what a terminal gets --------------------------------------------------------------------------------------------

TEST_F(PanelModelTest, NothingThatComesFromOutsideIsACommandToTheTerminal) {
  PointView point = Point("cp_001", PointState::kFaulted);
  point.fault =
      "\x1b[2Jcable\r\n\a\x9b"
      "31m \xc2\x9b"
      "2J \xff\xc3";
  point.record.location = "Calle Mayor, \xc3\xb1";
  model_.Apply(Changed(point));
  model_.SetAnswer("\x1b]0;title\a");
  model_.SetLog({"\x1b[31m"});
  for (const terminal::Line& line : model_.Render(40)) {
    for (const unsigned char c : line.text) EXPECT_TRUE(c >= 0x20 && c != 0x7f) << line.text;
    EXPECT_THAT(line.text, AllOf(Not(HasSubstr("\xc2\x9b")), Not(HasSubstr("\xff"))));
  }
  EXPECT_THAT(Line("cp_001").text, AllOf(HasSubstr("?[2Jcable????31m ?2J ??"), HasSubstr("\xc3\xb1")));
}

TEST_F(PanelModelTest, IdsAreCompletedFromTheirBeginning) {
  for (const char* cp : {"cp_001", "cp_002", "other"}) model_.Apply(Changed(Point(cp)));
  EXPECT_THAT(model_.Ids("cp_", 10), ElementsAre("cp_001", "cp_002"));
  EXPECT_THAT(model_.Ids("", 2), ElementsAre("cp_001", "cp_002"));
  EXPECT_THAT(model_.Ids("x", 10), IsEmpty());
}

}  // namespace
}  // namespace ev::central
