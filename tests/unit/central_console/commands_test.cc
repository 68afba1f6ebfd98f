#include "services/central/console/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error_detail.h"

namespace ev::central {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const absl::Time kNoon = absl::FromUnixSeconds(1'700'000'000);

// Keeps charging points and sessions, and writes down what it was asked.
class FakeOperator final : public OperatorPort {
 public:
  absl::StatusOr<std::vector<PointView>> ListPoints() override {
    if (!failure.ok()) return failure;
    return All();
  }
  absl::StatusOr<PointView> GetPoint(const CpId& cp) override {
    if (!failure.ok()) return failure;
    const auto it = points.find(cp.value());
    if (it == points.end()) return Unknown(cp);
    return it->second;
  }
  absl::StatusOr<std::vector<Session>> OpenSessions(int) override {
    if (!failure.ok()) return failure;
    return sessions;
  }
  absl::StatusOr<std::vector<Ticket>> Tickets(const DriverId& driver, int limit) override {
    if (!failure.ok()) return failure;
    std::vector<Ticket> found;
    for (const Ticket& ticket : tickets) {
      if (driver.empty() || ticket.driver == driver) found.push_back(ticket);
    }
    if (found.size() > static_cast<std::size_t>(limit)) found.resize(static_cast<std::size_t>(limit));
    return found;
  }
  absl::StatusOr<std::vector<PointView>> Stop(const CpId& cp, const std::string& reason) override {
    asked.push_back(absl::StrCat("stop ", cp.value(), "|", reason));
    if (!failure.ok()) return failure;
    return SetCauses(cp,
                     {OutOfService{.cause = ev::Cause::kOperator, .who = "console", .reason = reason, .since = kNoon}});
  }
  absl::StatusOr<std::vector<PointView>> Resume(const CpId& cp) override {
    asked.push_back(absl::StrCat("resume ", cp.value()));
    if (!failure.ok()) return failure;
    return SetCauses(cp, {});
  }
  absl::StatusOr<PointView> SetPrice(const CpId& cp, const Price& price) override {
    asked.push_back(absl::StrCat("price ", cp.value(), " ", price.micros_per_kwh, price.currency));
    points.at(cp.value()).record.price = price;
    return points.at(cp.value());
  }
  absl::StatusOr<Session> Charge(const DriverId& driver, const CpId& cp) override {
    asked.push_back(absl::StrCat("charge ", driver.value(), " ", cp.value()));
    if (!failure.ok()) return failure;
    return Open("11112222333344445555666677778888", cp.value(), SessionState::kGranted);
  }
  absl::StatusOr<Session> End(const SessionId& session) override {
    asked.push_back(absl::StrCat("end ", session.value()));
    if (!failure.ok()) return failure;
    return Open(session.value(), "cp_001", SessionState::kAwaitingFinal);
  }

  static Session Open(const std::string& id, const std::string& cp, SessionState state) {
    Session session;
    session.id = SessionId(id);
    session.cp = CpId(cp);
    session.driver = DriverId("driver_001");
    session.state = state;
    return session;
  }
  PointView& Add(const std::string& cp) {
    PointView& point = points[cp];
    point.record.id = CpId(cp);
    point.record.location = "Harbour 4";
    point.record.price = {.micros_per_kwh = 350'000, .currency = "EUR"};
    point.state = PointState::kAvailable;
    return point;
  }
  static absl::Status Unknown(const CpId& cp) {
    return WithReason(absl::NotFoundError(absl::StrCat("no charging point ", cp.value())), "POINT_UNKNOWN");
  }

  absl::Status failure;
  std::map<std::string, PointView> points;
  std::vector<Session> sessions;
  std::vector<Ticket> tickets;
  std::vector<std::string> asked;

 private:
  std::vector<PointView> All() const {
    std::vector<PointView> all;
    for (auto it = points.rbegin(); it != points.rend(); ++it) all.push_back(it->second);  // In no order.
    return all;
  }
  absl::StatusOr<std::vector<PointView>> SetCauses(const CpId& cp, std::vector<OutOfService> causes) {
    if (cp.empty()) {
      for (auto& [id, point] : points) Set(point, causes);
      return All();
    }
    const auto it = points.find(cp.value());
    if (it == points.end()) return Unknown(cp);
    Set(it->second, std::move(causes));
    return std::vector<PointView>{it->second};
  }
  static void Set(PointView& point, std::vector<OutOfService> causes) {
    point.state = causes.empty() ? PointState::kAvailable : PointState::kStopped;
    point.causes = std::move(causes);
  }
};

class CommandsTest : public ::testing::Test {
 protected:
  CommandsTest() {
    port_.Add("cp_001");
    port_.Add("cp_002");
  }
  std::string Run(const std::string& line) { return Execute(line, port_).text; }

  FakeOperator port_;
};

TEST_F(CommandsTest, HelpNamesEveryCommand) {
  for (const std::string& word : CommandWords()) EXPECT_THAT(Run("help"), HasSubstr(word));
  EXPECT_EQ(Run("?"), Run("help"));
  EXPECT_THAT(CommandWords(), Contains("stop"));
}

TEST_F(CommandsTest, AnUnknownCommandPointsToHelpAndShowsNoControlCharacters) {
  EXPECT_EQ(Run("lst"), "unknown command \"lst\"; `help` lists them");
  EXPECT_EQ(Run("\x1b[2J"), "unknown command \"?[2J\"; `help` lists them");
  EXPECT_EQ(Run("   "), "");
}

TEST_F(CommandsTest, ListShowsEachPointInOrder) {
  EXPECT_EQ(Run("list"),
            "cp_001        AVAILABLE     EUR 0.35 per kWh  Harbour 4\n"
            "cp_002        AVAILABLE     EUR 0.35 per kWh  Harbour 4");
  EXPECT_EQ(Run("  LIST  "), Run("list"));
  port_.points.clear();
  EXPECT_THAT(Run("list"), HasSubstr("start an Engine and its Monitor"));
}

TEST_F(CommandsTest, ShowTellsAllThatIsKnown) {
  PointView& point = port_.Add("cp_001");
  point.causes = {{.cause = Cause::kOperator, .who = "ann", .reason = "cleaning", .since = kNoon}};
  point.session = FakeOperator::Open("4c85abb94c85abb94c85abb94c85abb9", "cp_001", SessionState::kCharging);
  point.health = EngineHealth::kHealthy;
  point.waiting_for = "Central to be heard";
  point.kafka_fault = "no broker answers";
  EXPECT_THAT(Run("show cp_001"),
              AllOf(HasSubstr("\n  waits for: Central to be heard"), HasSubstr("\n  kafka: no broker answers")));
  EXPECT_THAT(
      Run("show cp_001"),
      AllOf(HasSubstr("location: Harbour 4"), HasSubstr("price: EUR 0.35 per kWh"), HasSubstr("engine: healthy"),
            HasSubstr("operator, cleaning, by ann, since 2023-11-14 22:13:20 UTC"), HasSubstr("4c85abb9")));
  EXPECT_THAT(Run("show"), HasSubstr("write show <cp>"));
  EXPECT_EQ(Run("show cp_009"), "show: no charging point cp_009; `list` shows those that are known");
}

TEST_F(CommandsTest, SessionsAndTicketsAreListed) {
  EXPECT_EQ(Run("sessions"), "no session is open");
  EXPECT_EQ(Run("tickets"), "no tickets yet");
  EXPECT_EQ(Run("tickets ann"), "no tickets for ann");
  port_.sessions = {FakeOperator::Open("4c85abb94c85abb94c85abb94c85abb9", "cp_001", SessionState::kGranted)};
  EXPECT_EQ(Run("sessions"), "4c85abb9  GRANTED         driver_001 at cp_001");
  Ticket ticket;
  ticket.cp = CpId("cp_001");
  ticket.driver = DriverId("ann");
  ticket.session = SessionId("4c85abb94c85abb94c85abb94c85abb9");
  ticket.energy_mwh = 1'000'000;
  ticket.amount_micros = 350'000;
  ticket.price.currency = "EUR";
  ticket.issued = kNoon;
  ticket.end_reason = EndReason::kUnplugged;
  port_.tickets.assign(30, ticket);
  const std::string all = Run("tickets ann");
  EXPECT_THAT(all, StartsWith("2023-11-14 22:13:20  ann at cp_001  1.000 kWh  EUR 0.35  UNPLUGGED  4c85abb9\n"));
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 19) << "no more than a screen";
  EXPECT_THAT(Run("tickets a b"), HasSubstr("write tickets [driver]"));
}

// B182
TEST_F(CommandsTest, StopAndResumeReachOnePointOrTheNetworkWithTheReasonAsTyped) {
  EXPECT_THAT(Run("stop cp_001  cable  is   damaged"), HasSubstr("Out of Order: operator, cable  is   damaged"));
  EXPECT_THAT(Run("resume cp_001"), HasSubstr("AVAILABLE"));
  EXPECT_THAT(Run("stop all storm"), AllOf(HasSubstr("2 charging points"), HasSubstr("`resume all`")));
  EXPECT_THAT(Run("resume all"), HasSubstr("back in service"));
  EXPECT_THAT(port_.asked, ElementsAre("stop cp_001|cable  is   damaged", "resume cp_001", "stop |storm", "resume "));
}

TEST_F(CommandsTest, StopAloneStopsNothing) {
  EXPECT_THAT(Run("stop"), HasSubstr("write stop <cp|all> [reason]"));
  EXPECT_THAT(Run("stop cp/1"), StartsWith("stop: "));
  EXPECT_THAT(Run("resume"), HasSubstr("write resume <cp|all>"));
  EXPECT_THAT(Run("resume all now"), HasSubstr("write resume <cp|all>"));
  EXPECT_THAT(port_.asked, IsEmpty());
}

TEST_F(CommandsTest, APriceIsReadExactlyAndKeepsItsCurrency) {
  EXPECT_EQ(Run("price cp_001 0.42"), "cp_001: EUR 0.42 per kWh, was EUR 0.35 per kWh");
  for (const auto& [text, micros] : std::map<std::string, std::string>{
           {"0.123456", "123456"}, {"1", "1000000"}, {"0", "0"}, {"999.999999", "999999999"}, {"1000", "1000000000"}}) {
    port_.asked.clear();
    Run("price cp_001 " + text);
    EXPECT_THAT(port_.asked, ElementsAre("price cp_001 " + micros + "EUR")) << text;
  }
}

TEST_F(CommandsTest, WhatIsNoPriceChangesNothing) {
  for (const char* text : {"0,35", "-1", "1.", ".5", "0.1234567", "1e3", "0x1", "1.2.3", "99999999999999999999", "1001",
                           "1000.000001", "+1", "\xc2\xb2"}) {
    EXPECT_THAT(Run(absl::StrCat("price cp_001 ", text)), StartsWith("price: ")) << text;
  }
  EXPECT_THAT(Run("price cp_001"), HasSubstr("write price <cp> <0.35>"));
  EXPECT_THAT(Run("price cp_009 0.35"), HasSubstr("`list` shows those that are known"));
  EXPECT_THAT(port_.asked, IsEmpty());
}

TEST_F(CommandsTest, AChargeIsAskedForInADriversName) {
  EXPECT_EQ(Run("charge ann cp_001"), "11112222  GRANTED         driver_001 at cp_001");
  EXPECT_THAT(port_.asked, ElementsAre("charge ann cp_001"));
  EXPECT_THAT(Run("charge cp_001"), HasSubstr("write charge <driver> <cp>"));
}

TEST_F(CommandsTest, ASessionIsEndedByTheBeginningOfItsIdWhenThatIsEnough) {
  port_.sessions = {FakeOperator::Open("4c85abb94c85abb94c85abb94c85abb9", "cp_001", SessionState::kCharging),
                    FakeOperator::Open("4c85ffff4c85abb94c85abb94c85abb9", "cp_002", SessionState::kCharging)};
  EXPECT_THAT(Run("end 4c85"), AllOf(HasSubstr("4c85abb9"), HasSubstr("4c85ffff")));
  EXPECT_THAT(Run("end 4"), HasSubstr("four digits"));
  EXPECT_THAT(Run("end dead"), HasSubstr("no open session begins with dead"));
  EXPECT_THAT(port_.asked, IsEmpty());
  Run("end 4C85A");
  Run("end 00000000000000000000000000000000");
  EXPECT_THAT(port_.asked, ElementsAre("end 4c85abb94c85abb94c85abb94c85abb9", "end 00000000000000000000000000000000"));
}

TEST_F(CommandsTest, AnErrorSaysItsCauseAndWhatToDo) {
  const std::vector<std::pair<absl::Status, std::string>> errors = {
      {WithReason(absl::FailedPreconditionError("charging point cp_001 is charging"), "POINT_BUSY"), "`sessions`"},
      {WithReason(absl::FailedPreconditionError("charging point cp_001 is out of order"), "POINT_STOPPED"), "`resume`"},
      {WithReason(absl::FailedPreconditionError("charging point cp_001 is faulted"), "POINT_FAULTED"), "`show`"},
      {WithReason(absl::UnavailableError("charging point cp_001 is disconnected"), "POINT_DISCONNECTED"), "Monitor"},
      {absl::DeadlineExceededError("no answer within 10s"), "may still be done"},
      {absl::UnavailableError("busy"), "ask again"},
  };
  for (const auto& [status, step] : errors) {
    port_.failure = status;
    EXPECT_THAT(Run("charge ann cp_001"),
                AllOf(StartsWith(absl::StrCat("charge: ", status.message(), "; ")), HasSubstr(step)));
  }
  port_.failure = absl::InternalError("the disk is on fire");
  for (const char* line :
       {"list", "show cp_001", "sessions", "tickets", "stop cp_001", "resume all", "end 4c85", "price cp_001 1"}) {
    EXPECT_THAT(Run(line), EndsWith(": the disk is on fire")) << line;
  }
}

TEST_F(CommandsTest, QuitExitPanelAndItsPagesAreActions) {
  EXPECT_EQ(Execute("quit", port_).action, ConsoleAction::kQuit);
  EXPECT_EQ(Execute("exit", port_).action, ConsoleAction::kQuit);
  EXPECT_EQ(Execute("q", port_).action, ConsoleAction::kLeavePanel);
  EXPECT_EQ(Execute("panel", port_).action, ConsoleAction::kShowPanel);
  EXPECT_EQ(Execute("panel 3", port_).page, 3);
  EXPECT_EQ(Execute("n", port_).turn, 1);
  EXPECT_EQ(Execute("p", port_).turn, -1);
  for (const char* line : {"panel 0", "panel x", "panel 1 2"}) {
    EXPECT_EQ(Execute(line, port_).action, ConsoleAction::kNone) << line;
    EXPECT_THAT(Run(line), HasSubstr("write panel [page]"));
  }
}

TEST_F(CommandsTest, CompletionKnowsWhereAPointIsWanted) {
  bool or_all = false;
  EXPECT_TRUE(WantsPoint("stop ", or_all));
  EXPECT_TRUE(or_all);
  EXPECT_TRUE(WantsPoint("show ", or_all));
  EXPECT_FALSE(or_all);
  EXPECT_TRUE(WantsPoint("charge ann ", or_all));
  EXPECT_FALSE(WantsPoint("charge ", or_all));
  EXPECT_FALSE(WantsPoint("stop cp_001 ", or_all));
  EXPECT_FALSE(WantsPoint("list ", or_all));
  EXPECT_FALSE(WantsPoint("nonsense ", or_all));
  EXPECT_THAT(CommandWords(), AllOf(Not(Contains("q")), Not(Contains("?"))));
}

}  // namespace
}  // namespace ev::central
