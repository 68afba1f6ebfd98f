// What waits for the agent's thread has a bound.

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "base/error_detail.h"
#include "tests/integration/driver/driver_world.h"
#include "tests/support/logged_lines.h"
#include "tests/support/notification.h"
#include "tests/support/status_matchers.h"

namespace ev::driver {
namespace {

namespace common_pb = evcharging::common::v1;

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr absl::string_view kFull = "too much waits to be carried out";

MATCHER(IsOverloaded, "is refused with OVERLOADED and the time to wait") {
  const absl::Status& status = StatusOf(arg);
  *result_listener << status;
  return absl::IsResourceExhausted(status) && DetailOf(status).reason == "OVERLOADED" &&
         DetailOf(status).retry_after == absl::Seconds(1);
}

class BacklogTest : public DriverWorld {
 protected:
  BacklogTest() : DriverWorld({.backlog_bound = 4}) {}
  ~BacklogTest() override { release_.Notify(); }

  // From now on the agent's thread is held up, with nothing behind it.
  Agent::ReaderId HoldTheThread() {
    Notification held;
    const auto reader = agent_.Watch(
        driver_,
        [&](const DriverView&) {
          held.Notify();
          release_.WaitForNotificationWithTimeout(kPatience);
        },
        [](const Told&) {});
    EV_EXPECT_OK(reader);
    EXPECT_TRUE(held.WaitForNotificationWithTimeout(kPatience));
    return *reader;
  }
  bool Exports(const std::string& line) const {
    return registry_.RenderText().find("\n" + line + "\n") != std::string::npos;
  }
  static StartCall At(const std::string& cp) { return {.driver = DriverId(kDriver), .cp = CpId(cp)}; }

  const DriverId driver_{kDriver};
  Notification release_;
};

// B122 B164
TEST_F(BacklogTest, CallsBeyondTheBoundAreRefusedUntilThereIsRoomAgain) {
  const LoggedLines logged;
  EXPECT_TRUE(Exports("ev_driver_backlog_bound 4"));
  Connect();
  const Agent::ReaderId reader = HoldTheThread();
  Mutex mutex;
  std::vector<absl::Status> taken;
  for (int i = 0; i < 2; ++i) {
    agent_.Start(At("cp_001"), [&](const absl::StatusOr<Charge>& answer) {
      MutexLock lock(mutex);
      taken.push_back(answer.status());
    });
  }
  EXPECT_TRUE(Exports("ev_driver_backlog 4"));

  absl::Status answer;
  std::string conclusion;
  agent_.Start(
      At("cp_002"), [&](const absl::StatusOr<Charge>& result) { answer = result.status(); },
      [&](const Conclusion& end) { conclusion = std::get<std::string>(end); });
  EXPECT_THAT(answer, IsOverloaded());
  EXPECT_EQ(conclusion, answer.message());
  answer = absl::OkStatus();
  agent_.Stop({.driver = driver_}, [&](const absl::StatusOr<Charge>& result) { answer = result.status(); });
  EXPECT_THAT(answer, IsOverloaded());
  EXPECT_THAT(agent_.RunList({.driver = driver_, .plan = {.cps = {CpId("cp_002")}}}, [](const ListStep&) {}),
              IsOverloaded());
  EXPECT_THAT(agent_.Watch(
                  driver_, [](const DriverView&) {}, [](const Told&) {}),
              IsOverloaded());
  EXPECT_THAT(agent_.WhenSettled(driver_, absl::Seconds(1), [] {}), IsOverloaded());
  EXPECT_TRUE(Exports("ev_driver_backlog 4"));
  agent_.Unwatch(driver_, reader);
  EXPECT_TRUE(Exports("ev_driver_backlog 5")) << "who was let in can leave";
  EXPECT_THAT(logged.Get(), Contains(HasSubstr(std::string(kFull))).Times(1));

  release_.Notify();
  EXPECT_TRUE(Eventually(kPatience, [&] {
    MutexLock lock(mutex);
    return taken.size() == 2;
  }));
  EXPECT_THAT(taken, ElementsAre(IsOk(), IsOk()));
  EXPECT_TRUE(Eventually(kPatience, [&] { return Exports("ev_driver_backlog 0"); }));
  Notification started;
  agent_.Start(At("cp_003"), [&](const absl::StatusOr<Charge>& result) {
    EV_EXPECT_OK(result);
    started.Notify();
  });
  EXPECT_TRUE(started.WaitForNotificationWithTimeout(kPatience));
  std::vector<std::string> asked;
  for (const auto& start : central_.starts()) asked.push_back(start.charging_point_id());
  EXPECT_THAT(asked, ElementsAre("cp_001", "cp_001", "cp_003")) << "what was refused never reached Central";
}

// B122
TEST_F(BacklogTest, BeyondTheBoundEachStateOfASessionIsToldAndItsLiveFiguresAreNot) {
  Mutex mutex;
  std::vector<std::pair<SessionState, std::int64_t>> told;
  EV_ASSERT_OK(agent_.Watch(
      driver_, [](const DriverView&) {},
      [&](const Told& what) {
        const auto* change = std::get_if<ChargeChange>(&what.event);
        if (change == nullptr || change->charge.cp != CpId("cp_001")) return;
        MutexLock lock(mutex);
        told.emplace_back(change->charge.state, change->charge.energy_mwh);
      }));
  Connect();
  HoldTheThread();
  for (const char* cp : {"cp_002", "cp_003", "cp_004"}) central_.Open(kDriver, cp, common_pb::SESSION_STATE_GRANTED);
  const std::string id = central_.Open(kDriver, "cp_001", common_pb::SESSION_STATE_GRANTED);
  ASSERT_TRUE(Eventually(kPatience, [&] { return Exports("ev_driver_backlog 4"); }));
  central_.Move(id, common_pb::SESSION_STATE_CHARGING, 1);
  for (int energy = 2; energy <= 21; ++energy) central_.Move(id, common_pb::SESSION_STATE_CHARGING, energy);
  central_.Move(id, common_pb::SESSION_STATE_AWAITING_FINAL, 21);
  central_.Complete(id, common_pb::END_REASON_UNPLUGGED);
  EXPECT_TRUE(Eventually(kPatience, [&] { return Exports("ev_driver_backlog 7"); }));
  EXPECT_TRUE(Exports("ev_driver_live_dropped_total 20"));

  release_.Notify();
  EXPECT_TRUE(Eventually(kPatience, [&] {
    MutexLock lock(mutex);
    return !told.empty() && told.back().first == SessionState::kCompleted;
  }));
  MutexLock lock(mutex);
  std::vector<SessionState> states;
  for (const auto& [state, energy] : told) states.push_back(state);
  EXPECT_THAT(states, ElementsAre(SessionState::kGranted, SessionState::kCharging, SessionState::kAwaitingFinal,
                                  SessionState::kCompleted));
}

// B122
TEST_F(BacklogTest, BeyondTheBoundAListIsNotToldTheLiveFiguresOfItsCharge) {
  Connect();
  Mutex mutex;
  std::vector<std::int64_t> energies;
  bool is_finished = false;
  EV_ASSERT_OK(agent_.RunList({.driver = driver_, .plan = {.cps = {CpId("cp_001")}}}, [&](const ListStep& step) {
    MutexLock lock(mutex);
    if (const auto* charge = std::get_if<Charge>(&step.step)) energies.push_back(charge->energy_mwh);
    if (std::holds_alternative<ListFinished>(step.step)) is_finished = true;
  }));
  ASSERT_TRUE(Eventually(kPatience, [&] {
    MutexLock lock(mutex);
    return !energies.empty();
  }));
  const std::string id = central_.sessions().at(0).session_id();
  HoldTheThread();
  for (const char* cp : {"cp_002", "cp_003", "cp_004", "cp_005"}) {
    central_.Open(kDriver, cp, common_pb::SESSION_STATE_GRANTED);
  }
  ASSERT_TRUE(Eventually(kPatience, [&] { return Exports("ev_driver_backlog 4"); }));
  for (int energy = 1; energy <= 20; ++energy) central_.Move(id, common_pb::SESSION_STATE_CHARGING, energy);
  // Twice each, for the driver and for the list, but for the driver's first: that the charge has begun is told.
  EXPECT_TRUE(Eventually(kPatience, [&] { return Exports("ev_driver_live_dropped_total 39"); }));
  EXPECT_TRUE(Exports("ev_driver_backlog 5"));
  central_.Complete(id, common_pb::END_REASON_UNPLUGGED);
  release_.Notify();
  EXPECT_TRUE(Eventually(kPatience, [&] {
    MutexLock lock(mutex);
    return is_finished;
  }));
}

}  // namespace
}  // namespace ev::driver
