// Lists of requests, one after the other.

#include "tests/unit/driver/drivers_test_base.h"

namespace ev::driver {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DriversListTest : public DriversTest {
 protected:
  void SetUp() override { Connect(); }

  void Run(std::vector<CpId> cps, absl::Duration limit = absl::InfiniteDuration()) {
    auto list = core_.RunList(Now(), {.driver = kDriver, .plan = {.cps = std::move(cps), .limit = limit}}, out_);
    EV_ASSERT_OK(list);
    list_ = *list;
  }

  // Heartbeats go on meanwhile.
  void PassAlive(absl::Duration time) {
    for (absl::Duration left = time; left > absl::ZeroDuration(); left -= absl::Seconds(1)) {
      core_.OnWatchHeartbeat(Now(), kDriver, watch_, out_);
      Pass(std::min(left, absl::Duration(absl::Seconds(1))));
    }
  }

  SendStart Asked() {
    const auto sent = Drain<SendStart>();
    EXPECT_THAT(sent, SizeIs(1));
    return sent.empty() ? SendStart{} : sent[0];
  }

  std::optional<ListProgress> Finished() {
    for (const ListStep& step : Drain<ListStep>()) {
      if (std::holds_alternative<ListFinished>(step.step)) return step.progress;
    }
    return std::nullopt;
  }

  ListId list_;
};

// B123
TEST_F(DriversListTest, ADenialDoesNotHangTheListAndTheNextComesFourSecondsLater) {
  Run({CpId("a"), CpId("b")});
  const SendStart first = Asked();
  EXPECT_EQ(first.cp, CpId("a"));
  core_.OnAnswer(Now(), first.call, Refusal("POINT_STOPPED"), out_);
  PassAlive(absl::Milliseconds(3900));
  EXPECT_THAT(Drain<SendStart>(), IsEmpty());
  PassAlive(absl::Milliseconds(200));
  const SendStart second = Asked();
  EXPECT_EQ(second.cp, CpId("b"));
  core_.OnAnswer(Now(), second.call, Session(1, SessionState::kGranted, 1), out_);
  PassAlive(absl::Minutes(5));
  EXPECT_EQ(Finished(), std::nullopt);
  News(Session(1, SessionState::kCompleted, 2));
  const auto finished = Finished();
  ASSERT_TRUE(finished.has_value());
  EXPECT_EQ(finished->completed, 1);
  EXPECT_EQ(finished->denied, 1);
  EXPECT_EQ(core_.lists_running(), 0U);
}

TEST_F(DriversListTest, EveryEndOfAChargeLeadsToTheNext) {
  Run({CpId("a"), CpId("b"), CpId("c"), CpId("d"), CpId("e")}, absl::Minutes(10));
  // A fault ends the charge with a ticket.
  core_.OnAnswer(Now(), Asked().call, Session(1, SessionState::kGranted, 1), out_);
  Charge faulted = Session(1, SessionState::kCompleted, 2);
  faulted.ticket->end_reason = EndReason::kFault;
  News(faulted);
  PassAlive(absl::Seconds(5));
  // A grant expires.
  core_.OnAnswer(Now(), Asked().call, Session(2, SessionState::kGranted, 1), out_);
  News(Session(2, SessionState::kExpired, 2));
  PassAlive(absl::Seconds(5));
  // Nothing comes of it.
  core_.OnAnswer(Now(), Asked().call, Session(3, SessionState::kUnconfirmed, 1), out_);
  PassAlive(absl::Minutes(10) + absl::Seconds(5));
  // Central has lost it.
  core_.OnAnswer(Now(), Asked().call, Session(4, SessionState::kGranted, 1), out_);
  core_.OnFetched(Now(), kDriver, Id(4), absl::NotFoundError("no"), out_);
  PassAlive(absl::Seconds(5));
  // The request itself is refused.
  core_.OnAnswer(Now(), Asked().call, FieldError("driver_id", "is bad"), out_);
  EXPECT_EQ(Finished(), (ListProgress{.index = 4, .total = 5, .cp = CpId("e"), .denied = 1, .failed = 4}));
}

// B17 B123
TEST_F(DriversListTest, AChargeThatStandsStillIsAFailureAfterHalfAMinuteAndItsTicketIsStillTold) {
  Run({CpId("a"), CpId("b"), CpId("c")});
  core_.OnAnswer(Now(), Asked().call, Session(1, SessionState::kCharging, 1), out_);
  PassAlive(absl::Minutes(1));
  Charge faulted = Session(1, SessionState::kCharging, 2);
  faulted.notice = "the charging point is faulted";
  News(faulted);
  PassAlive(absl::Seconds(29));
  faulted.revision.counter = 3;
  faulted.energy_mwh = 1;  // It charges all the same.
  News(faulted);
  PassAlive(absl::Seconds(29));
  faulted.revision.counter = 4;
  News(faulted);  // Nothing new in it.
  EXPECT_THAT(Drain<SendStart>(), IsEmpty());
  PassAlive(absl::Seconds(6));
  EXPECT_EQ(Asked().cp, CpId("b"));
  EXPECT_EQ(Drain<ListStep>().back().progress.failed, 1);
  Drain<Told>();
  News(Session(1, SessionState::kCompleted, 5));
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kCompleted));
}

// B17 B123
TEST_F(DriversListTest, AFinalThatDoesNotComeIsAFailureAfterHalfAMinute) {
  Run({CpId("a")});
  core_.OnAnswer(Now(), Asked().call, Session(1, SessionState::kCharging, 1), out_);
  News(Session(1, SessionState::kAwaitingFinal, 2));
  PassAlive(absl::Seconds(29));
  EXPECT_EQ(Finished(), std::nullopt);
  PassAlive(absl::Seconds(2));
  EXPECT_EQ(Finished(), (ListProgress{.index = 0, .total = 1, .cp = CpId("a"), .failed = 1}));
}

TEST_F(DriversListTest, AnOverdueRequestWithoutAnswerIsNotSentAgain) {
  Run({CpId("a")}, absl::Seconds(30));
  const SendStart asked = Asked();
  core_.OnAnswer(Now(), asked.call, absl::DeadlineExceededError("slow"), out_);
  PassAlive(absl::Seconds(31));
  Drain<SendStart>();
  EXPECT_TRUE(Finished().has_value());
  PassAlive(absl::Seconds(31));
  EXPECT_THAT(Drain<SendStart>(), IsEmpty());
  EXPECT_EQ(core_.calls_under_way(), 0U);
}

TEST_F(DriversListTest, WhileCentralIsAwayNothingIsAsked) {
  core_.OnWatchClosed(Now(), kDriver, watch_, kRefused, out_);
  Pass(absl::Seconds(1));
  core_.OnWatchClosed(Now(), kDriver, Watch(), kRefused, out_);
  Run({CpId("a")});
  Pass(absl::Milliseconds(100));
  EXPECT_THAT(Drain<SendStart>(), IsEmpty());
  Pass(absl::Seconds(1));
  watch_ = Watch();
  core_.OnWatchSnapshot(Now(), kDriver, watch_, out_);
  Pass(absl::Milliseconds(100));
  EXPECT_EQ(Asked().waited, absl::ZeroDuration());
}

TEST_F(DriversListTest, OneListAtATimeForEachDriver) {
  Run({CpId("a")});
  EXPECT_EQ(DetailOf(core_.RunList(Now(), {.driver = kDriver, .plan = {.cps = {CpId("b")}}}, out_).status()).reason,
            "RUN_IN_PROGRESS");
  EV_EXPECT_OK(core_.RunList(Now(), {.driver = DriverId("other"), .plan = {.cps = {CpId("b")}}}, out_));
}

TEST_F(DriversListTest, ARepeatGetsTheListThatRunsAndLaterItsSummary) {
  const ListCall call{.request_id = "r1", .driver = kDriver, .plan = {.cps = {CpId("a")}}};
  const auto first = core_.RunList(Now(), call, out_);
  const auto repeat = core_.RunList(Now(), call, out_);
  EV_ASSERT_OK(repeat);
  EXPECT_EQ(*first, *repeat);
  EXPECT_TRUE(core_.IsRunning(kDriver, *first));
  const SendStart asked = Asked();
  EXPECT_EQ(asked.request_id, "r1.0") << "recognised by Central after a restart of this program";
  core_.OnAnswer(Now(), asked.call, Refusal("POINT_BUSY"), out_);
  EXPECT_FALSE(core_.IsRunning(kDriver, *first));
  const auto later = core_.RunList(Now(), call, out_);
  EV_ASSERT_OK(later);
  const auto last = core_.LastStepOf(kDriver, *later);
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->progress.denied, 1);
  EXPECT_TRUE(std::holds_alternative<ListFinished>(last->step));
  EXPECT_THAT(Drain<SendStart>(), IsEmpty());
  ListCall other = call;
  other.plan.cps = {CpId("b")};
  EXPECT_THAT(core_.RunList(Now(), other, out_), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(DriversListTest, ACancelledListEndsAfterTheChargeAtHandWhichGoesOn) {
  Run({CpId("a"), CpId("b")});
  core_.OnAnswer(Now(), Asked().call, Session(1, SessionState::kCharging, 1), out_);
  core_.CancelList(Now(), kDriver, list_, out_);
  EXPECT_EQ(core_.lists_running(), 1U);
  EXPECT_THAT(Drain<SendStop>(), IsEmpty());
  News(Session(1, SessionState::kCompleted, 2));
  EXPECT_EQ(core_.lists_running(), 0U);
  PassAlive(absl::Seconds(10));
  EXPECT_THAT(Drain<SendStart>(), IsEmpty());
  EXPECT_TRUE(std::get<ListFinished>(core_.LastStepOf(kDriver, list_)->step).cancelled);
}

TEST_F(DriversListTest, StepsTellTheRequestTheSessionLiveTheConclusionAndTheEnd) {
  Run({CpId("a")});
  core_.OnAnswer(Now(), Asked().call, Session(1, SessionState::kGranted, 1), out_);
  News(Session(1, SessionState::kCharging, 2));
  News(Session(1, SessionState::kCharging, 3));
  News(Session(1, SessionState::kCompleted, 4));
  std::vector<std::size_t> kinds;
  for (const ListStep& step : Drain<ListStep>()) kinds.push_back(step.step.index());
  EXPECT_THAT(kinds, ElementsAre(3, 0, 0, 0, 0, 1, 2));
}

}  // namespace
}  // namespace ev::driver
