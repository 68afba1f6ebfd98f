#include "services/driver/core/drivers.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "base/error_detail.h"
#include "tests/support/status_matchers.h"

namespace ev::driver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const DriverId kDriver("driver_001");
const CpId kPoint("cp_001");

SessionId Id(int number) {
  return SessionId(std::string(31, '0') + std::to_string(number));
}

Charge Session(int number, SessionState state, std::int64_t revision) {
  Charge charge{.id = Id(number),
                .cp = kPoint,
                .driver = kDriver,
                .state = state,
                .price = {.micros_per_kwh = 350'000, .currency = "EUR"},
                .revision = {.incarnation = 1, .counter = revision}};
  if (state == SessionState::kCompleted) {
    charge.ticket = Ticket{.session = charge.id, .cp = kPoint, .end_reason = EndReason::kVehicleFull};
  }
  if (state == SessionState::kDenied) charge.denial = Denial{.reason = "POINT_BUSY", .text = "busy"};
  return charge;
}

absl::Status Refusal(absl::string_view reason, int session = 0) {
  ErrorDetail detail{.reason = std::string(reason)};
  if (session != 0) detail.metadata["session_id"] = Id(session).value();
  return WithDetail(absl::FailedPreconditionError("no"), detail);
}

const absl::Status kRefused = absl::UnavailableError("connection refused");

class DriversTest : public ::testing::Test {
 protected:
  Moment Now() const { return {.utc = absl::UnixEpoch() + now_, .monotonic = now_}; }

  // Ticks as an adapter does, ten times a second.
  void Pass(absl::Duration time) {
    for (const absl::Duration end = now_ + time; now_ < end;) {
      now_ += absl::Milliseconds(100);
      core_.Tick(Now(), out_);
    }
  }

  // Takes the effects of one kind out of what is waiting.
  template <typename T>
  std::vector<T> Drain() {
    std::vector<T> found;
    Effects rest;
    for (Effect& effect : out_) {
      if (auto* wanted = std::get_if<T>(&effect)) {
        found.push_back(std::move(*wanted));
      } else {
        rest.push_back(std::move(effect));
      }
    }
    out_ = std::move(rest);
    return found;
  }

  WatchId Watch() {
    const auto opened = Drain<OpenWatch>();
    EXPECT_THAT(opened, SizeIs(1));
    return opened.empty() ? WatchId() : opened.back().watch;
  }

  WatchId Redialled() {
    for (int i = 0; i < 100; ++i) {
      Pass(absl::Milliseconds(100));
      if (const auto opened = Drain<OpenWatch>(); !opened.empty()) return opened.back().watch;
    }
    ADD_FAILURE() << "no stream was opened for 10 s";
    return WatchId();
  }

  // The driver is followed and Central answers.
  void Connect() {
    EV_ASSERT_OK(core_.Follow(Now(), kDriver, out_));
    core_.Pin(kDriver);
    watch_ = Watch();
    core_.OnWatchSnapshot(Now(), kDriver, watch_, out_);
    EXPECT_THAT(Drain<Settled>(), SizeIs(1));
  }

  CallId Start(bool to_the_end = false) {
    auto call = core_.Start(Now(), {.driver = kDriver, .cp = kPoint, .to_the_end = to_the_end}, out_);
    EV_EXPECT_OK(call);
    return call.value_or(CallId());
  }

  void News(Charge charge) { core_.OnWatchCharge(Now(), kDriver, watch_, std::move(charge), out_); }

  std::vector<SessionState> ToldStates() {
    std::vector<SessionState> states;
    for (const Told& told : Drain<Told>()) {
      if (const auto* change = std::get_if<ChargeChange>(&told.event)) states.push_back(change->charge.state);
    }
    return states;
  }

  std::vector<std::string> ToldNotices() {
    std::vector<std::string> notices;
    for (const Told& told : Drain<Told>()) {
      if (const auto* notice = std::get_if<Notice>(&told.event)) notices.push_back(notice->text);
    }
    return notices;
  }

  absl::Duration now_ = absl::Hours(100);
  RandomIdSource ids_{7};
  Drivers core_{DriversConfig{}, ids_};
  Effects out_;
  WatchId watch_;
};

// --- calls ---

TEST_F(DriversTest, ARequestIsSentAgainWithTheSameIdUntilCentralAnswers) {
  Connect();
  const CallId call = Start();
  std::vector<std::string> ids;
  for (int attempt = 0; attempt < 5; ++attempt) {
    const auto sent = Drain<SendStart>();
    ASSERT_THAT(sent, SizeIs(1)) << attempt;
    ids.push_back(sent[0].request_id);
    core_.OnAnswer(Now(), call, attempt % 2 == 0 ? kRefused : absl::DeadlineExceededError("slow"), out_);
    EXPECT_THAT(Drain<Answered>(), IsEmpty());
    Pass(absl::Seconds(5));
  }
  EXPECT_THAT(ids, ::testing::Each(ids[0]));
  EXPECT_THAT(ids[0], SizeIs(32));
  core_.OnAnswer(Now(), call, Session(1, SessionState::kGranted, 1), out_);
  const auto answered = Drain<Answered>();
  ASSERT_THAT(answered, SizeIs(1));
  EXPECT_EQ(answered[0].call, call);
  EV_EXPECT_OK(answered[0].result);
  Drain<SendStart>();
  Pass(absl::Minutes(1));
  EXPECT_THAT(Drain<SendStart>(), IsEmpty());
}

TEST_F(DriversTest, WhatBreaksBelowCentralIsNoAnswerAndWhatCentralSaysIsOne) {
  Connect();
  for (const absl::StatusCode code :
       {absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded, absl::StatusCode::kCancelled,
        absl::StatusCode::kAborted, absl::StatusCode::kInternal, absl::StatusCode::kUnknown}) {
    core_.OnAnswer(Now(), Start(), absl::Status(code, "broken"), out_);
    EXPECT_THAT(Drain<Answered>(), IsEmpty()) << code;
  }
  for (const absl::StatusCode code :
       {absl::StatusCode::kInternal, absl::StatusCode::kUnimplemented, absl::StatusCode::kUnauthenticated}) {
    core_.OnAnswer(Now(), Start(), WithReason(absl::Status(code, "no"), "SAID"), out_);
    EXPECT_THAT(Drain<Answered>(), SizeIs(1)) << code;
  }
}

TEST_F(DriversTest, TwoRequestsHaveTwoIds) {
  Connect();
  Start();
  Start();
  const auto sent = Drain<SendStart>();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_NE(sent[0].request_id, sent[1].request_id);
}

TEST_F(DriversTest, AttemptsSayHowLongTheRequestHasWaited) {
  Connect();
  const CallId call = Start();
  EXPECT_EQ(Drain<SendStart>()[0].waited, absl::ZeroDuration());
  now_ += absl::Seconds(3);
  core_.OnAnswer(Now(), call, kRefused, out_);
  Pass(absl::Seconds(1));
  const auto again = Drain<SendStart>();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_GE(again[0].waited, absl::Seconds(3));
  EXPECT_LE(again[0].waited, absl::Seconds(4));
}

TEST_F(DriversTest, AttemptsGrowRarerUpToALimit) {
  Connect();
  const CallId call = Start();
  int attempts = 0;
  for (int i = 0; i < 6000; ++i) {
    if (!Drain<SendStart>().empty()) {
      ++attempts;
      core_.OnAnswer(Now(), call, kRefused, out_);
    }
    Pass(absl::Milliseconds(100));
  }
  EXPECT_GE(attempts, 600 / 5);
  EXPECT_LE(attempts, 600 / 2);
}

TEST_F(DriversTest, AWaitThatCentralAsksForIsKept) {
  Connect();
  const CallId call = Start();
  Drain<SendStart>();
  core_.OnAnswer(Now(), call, WithRetryAfter(WithReason(kRefused, "STARTING"), absl::Seconds(8)), out_);
  Pass(absl::Milliseconds(7900));
  EXPECT_THAT(Drain<SendStart>(), IsEmpty());
  Pass(absl::Milliseconds(200));
  EXPECT_THAT(Drain<SendStart>(), SizeIs(1));
}

TEST_F(DriversTest, ADenialIsAnsweredAndToldOnceWithItsReason) {
  Connect();
  const CallId call = Start(/*to_the_end=*/true);
  core_.OnAnswer(Now(), call, Refusal("POINT_BUSY"), out_);
  const auto told = Drain<Told>();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(std::get<DenialTold>(told[0].event).denial.reason, "POINT_BUSY");
  EXPECT_EQ(std::get<DenialTold>(told[0].event).cp, kPoint);
  EXPECT_THAT(Drain<Answered>(), SizeIs(1));
  const auto concluded = Drain<Concluded>();
  ASSERT_THAT(concluded, SizeIs(1));
  EXPECT_EQ(std::get<Denial>(concluded[0].conclusion).reason, "POINT_BUSY");
}

TEST_F(DriversTest, ADenialThatMadeASessionIsNewsOnceWhicheverWayItComesFirst) {
  Connect();
  core_.OnAnswer(Now(), Start(), Refusal("POINT_BUSY", 1), out_);
  News(Session(1, SessionState::kDenied, 1));
  News(Session(2, SessionState::kDenied, 1));
  core_.OnAnswer(Now(), Start(), Refusal("POINT_BUSY", 2), out_);
  const auto told = Drain<Told>();
  ASSERT_THAT(told, SizeIs(4));
  EXPECT_TRUE(told[0].is_news);
  EXPECT_FALSE(told[1].is_news);
  EXPECT_TRUE(told[2].is_news);
  EXPECT_FALSE(told[3].is_news);
}

TEST_F(DriversTest, ACallThatGivesUpSaysThatCentralCannotBeReached) {
  Connect();
  const auto call = core_.Start(Now(), {.driver = kDriver, .cp = kPoint, .give_up = now_ + absl::Seconds(10)}, out_);
  EV_ASSERT_OK(call);
  core_.OnAnswer(Now(), *call, kRefused, out_);
  Pass(absl::Seconds(9));
  EXPECT_THAT(Drain<Answered>(), IsEmpty());
  Pass(absl::Seconds(2));
  const auto answered = Drain<Answered>();
  ASSERT_THAT(answered, SizeIs(1));
  EXPECT_THAT(answered[0].result, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(DetailOf(answered[0].result.status()).reason, "CENTRAL_UNREACHABLE");
  Drain<Told>();
  // What it brings later is no answer any more, but it is seen.
  core_.OnAnswer(Now(), *call, Session(1, SessionState::kGranted, 1), out_);
  EXPECT_THAT(Drain<Answered>(), IsEmpty());
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kGranted));
}

TEST_F(DriversTest, ABadRequestIsAnswered) {
  Connect();
  core_.OnAnswer(Now(), Start(/*to_the_end=*/true), FieldError("target.energy_mwh", "is negative"), out_);
  EXPECT_THAT(Drain<Told>(), IsEmpty());
  EXPECT_THAT(Drain<Answered>(), SizeIs(1));
  const auto concluded = Drain<Concluded>();
  ASSERT_THAT(concluded, SizeIs(1));
  EXPECT_THAT(std::get<std::string>(concluded[0].conclusion), HasSubstr("is negative"));
}

// B122
TEST_F(DriversTest, CallsAndDriversAreBounded) {
  Drivers small(DriversConfig{.max_drivers = 1, .max_calls = 1}, ids_);
  EV_EXPECT_OK(small.Start(Now(), {.driver = kDriver, .cp = kPoint}, out_));
  EXPECT_THAT(small.Start(Now(), {.driver = kDriver, .cp = kPoint}, out_),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(DetailOf(small.Follow(Now(), DriverId("other"), out_)).reason, "TOO_MANY_DRIVERS");
}

// --- sessions ---

TEST_F(DriversTest, AnUnconfirmedSessionIsToldAndFollowedToItsEnd) {
  Connect();
  const CallId call = Start(/*to_the_end=*/true);
  core_.OnAnswer(Now(), call, Session(1, SessionState::kUnconfirmed, 1), out_);
  EV_EXPECT_OK(Drain<Answered>().at(0).result);
  EXPECT_THAT(Drain<Concluded>(), IsEmpty());
  News(Session(1, SessionState::kCharging, 2));
  EXPECT_THAT(Drain<Concluded>(), IsEmpty());
  News(Session(1, SessionState::kCompleted, 3));
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kUnconfirmed, SessionState::kCharging, SessionState::kCompleted));
  const auto concluded = Drain<Concluded>();
  ASSERT_THAT(concluded, SizeIs(1));
  EXPECT_EQ(concluded[0].call, call);
  EXPECT_TRUE(IsSuccess(concluded[0].conclusion));
  EXPECT_TRUE(core_.View(kDriver).last_ticket.has_value());
}

TEST_F(DriversTest, WhatIsNotNewerIsDropped) {
  Connect();
  News(Session(1, SessionState::kCharging, 5));
  News(Session(1, SessionState::kGranted, 5));
  News(Session(1, SessionState::kGranted, 4));
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kCharging));
  Charge restored = Session(1, SessionState::kAwaitingFinal, 1);
  restored.revision.incarnation = 2;
  News(restored);
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kAwaitingFinal));
}

TEST_F(DriversTest, ALateSampleDoesNotOpenAFinishedSessionAgain) {
  Connect();
  News(Session(1, SessionState::kCharging, 1));
  News(Session(1, SessionState::kCompleted, 3));
  News(Session(1, SessionState::kCharging, 2));
  News(Session(1, SessionState::kCharging, 9));
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kCharging, SessionState::kCompleted));
  EXPECT_THAT(core_.View(kDriver).open, IsEmpty());
}

TEST_F(DriversTest, ADeniedSessionThatDeliveredEnergyAfterAllGetsItsTicket) {
  Connect();
  News(Session(1, SessionState::kDenied, 1));
  News(Session(1, SessionState::kCompleted, 2));
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kDenied, SessionState::kCompleted));
}

TEST_F(DriversTest, AnAnswerOlderThanTheStreamConcludesAtOnce) {
  Connect();
  const CallId call = Start(/*to_the_end=*/true);
  News(Session(1, SessionState::kCompleted, 7));
  core_.OnAnswer(Now(), call, Session(1, SessionState::kGranted, 2), out_);
  EXPECT_THAT(Drain<Answered>(), SizeIs(1));
  EXPECT_THAT(Drain<Concluded>(), SizeIs(1));
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kCompleted));
}

TEST_F(DriversTest, ASessionThatEndedWhileNobodyListenedIsAskedFor) {
  Connect();
  const CallId call = Start(/*to_the_end=*/true);
  core_.OnAnswer(Now(), call, Session(1, SessionState::kGranted, 1), out_);
  News(Session(2, SessionState::kCharging, 1));
  core_.OnWatchClosed(Now(), kDriver, watch_, kRefused, out_);
  Pass(absl::Seconds(1));
  watch_ = Watch();
  News(Session(2, SessionState::kCharging, 2));
  core_.OnWatchSnapshot(Now(), kDriver, watch_, out_);
  const auto gets = Drain<SendGet>();
  ASSERT_THAT(gets, SizeIs(1)) << "the one that the snapshot has is not asked for";
  EXPECT_EQ(gets[0].session, Id(1));
  core_.OnFetched(Now(), kDriver, Id(1), Session(1, SessionState::kCompleted, 9), out_);
  EXPECT_THAT(Drain<Concluded>(), SizeIs(1));
}

TEST_F(DriversTest, ASessionWithoutNewsIsAskedForUntilThereIsAnAnswer) {
  Connect();
  News(Session(1, SessionState::kAwaitingFinal, 1));
  for (int i = 0; i < 2; ++i) {
    core_.OnWatchHeartbeat(Now(), kDriver, watch_, out_);
    Pass(absl::Seconds(14));
  }
  EXPECT_THAT(Drain<SendGet>(), IsEmpty());
  core_.OnWatchHeartbeat(Now(), kDriver, watch_, out_);
  Pass(absl::Seconds(3));
  EXPECT_THAT(Drain<SendGet>(), SizeIs(1)) << "one at a time";
  core_.OnFetched(Now(), kDriver, Id(1), absl::DeadlineExceededError("slow"), out_);
  Pass(absl::Seconds(6));
  EXPECT_THAT(Drain<SendGet>(), SizeIs(1));
}

TEST_F(DriversTest, ASessionThatCentralDoesNotKnowAnyMoreIsAFailureAndNotWaitedFor) {
  Connect();
  const CallId call = Start(/*to_the_end=*/true);
  core_.OnAnswer(Now(), call, Session(1, SessionState::kGranted, 1), out_);
  core_.OnFetched(Now(), kDriver, Id(1), absl::NotFoundError("no"), out_);
  const auto concluded = Drain<Concluded>();
  ASSERT_THAT(concluded, SizeIs(1));
  EXPECT_FALSE(IsSuccess(concluded[0].conclusion));
  EXPECT_THAT(core_.View(kDriver).open, IsEmpty());
}

TEST_F(DriversTest, ASessionOfAnotherDriverIsNotTaken) {
  Connect();
  Charge foreign = Session(1, SessionState::kCharging, 1);
  foreign.driver = DriverId("driver_002");
  News(foreign);
  EXPECT_THAT(ToldStates(), IsEmpty());
  const CallId call = Start(/*to_the_end=*/true);
  core_.OnAnswer(Now(), call, foreign, out_);
  EXPECT_THAT(Drain<Concluded>(), SizeIs(1)) << "nobody waits for ever";
}

TEST_F(DriversTest, NewsFromTheLogKeepsWhatItDoesNotTell) {
  Connect();
  Charge full = Session(1, SessionState::kGranted, 1);
  full.target = EnergyTarget{10};
  full.granted = absl::FromUnixSeconds(7);
  News(full);
  Charge update = Session(1, SessionState::kCharging, 2);
  update.energy_mwh = 5;
  core_.OnNews(Now(), update, out_);
  const auto open = core_.View(kDriver).open;
  ASSERT_THAT(open, SizeIs(1));
  EXPECT_EQ(open[0].state, SessionState::kCharging);
  EXPECT_EQ(open[0].energy_mwh, 5);
  EXPECT_EQ(open[0].target, full.target);
  EXPECT_EQ(open[0].granted, full.granted);

  core_.OnNews(Now(), Session(1, SessionState::kCompleted, 3), out_);
  Charge adjusted = Session(1, SessionState::kCompleted, 4);
  adjusted.adjustment = Ticket{.session = Id(1), .kind = TicketKind::kAdjustment};
  adjusted.ticket.reset();
  Drain<Told>();
  core_.OnNews(Now(), adjusted, out_);
  const auto told = Drain<Told>();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_TRUE(std::get<ChargeChange>(told[0].event).charge.ticket.has_value());
  EXPECT_TRUE(std::get<ChargeChange>(told[0].event).charge.adjustment.has_value());
}

TEST_F(DriversTest, NewsOfADriverWhoIsNotFollowedIsNothing) {
  core_.OnNews(Now(), Session(1, SessionState::kCharging, 2), out_);
  EXPECT_THAT(out_, IsEmpty());
}

// --- stop ---

TEST_F(DriversTest, AStopFindsTheOnlyOpenSession) {
  Connect();
  News(Session(1, SessionState::kCharging, 1));
  News(Session(2, SessionState::kAwaitingFinal, 1));
  EV_ASSERT_OK(core_.Stop(Now(), {.driver = kDriver}, out_));
  const auto sent = Drain<SendStop>();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].session, Id(1));
  EXPECT_EQ(sent[0].driver, kDriver);
}

// B134
TEST_F(DriversTest, AStopWithSeveralOpenSessionsNamesThem) {
  Connect();
  News(Session(1, SessionState::kCharging, 1));
  Charge other = Session(2, SessionState::kGranted, 1);
  other.cp = CpId("cp_002");
  News(other);
  const auto result = core_.Stop(Now(), {.driver = kDriver}, out_);
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(DetailOf(result.status()).reason, "SEVERAL_OPEN_SESSIONS");
  EXPECT_EQ(DetailOf(result.status()).metadata.at("session_ids"), Id(1).value() + "," + Id(2).value());
  EV_EXPECT_OK(core_.Stop(Now(), {.driver = kDriver, .cp = CpId("cp_002")}, out_));
  EXPECT_EQ(Drain<SendStop>().at(0).session, Id(2));
}

TEST_F(DriversTest, AStopWithoutAnOpenSessionIsNotFound) {
  Connect();
  EXPECT_EQ(DetailOf(core_.Stop(Now(), {.driver = kDriver}, out_).status()).reason, "NO_OPEN_SESSION");
  EXPECT_THAT(Drain<SendStop>(), IsEmpty());
}

TEST_F(DriversTest, AStopBeforeCentralHasToldWhatIsOpenIsNoClaimThatNothingIs) {
  EV_ASSERT_OK(core_.Follow(Now(), kDriver, out_));
  const auto result = core_.Stop(Now(), {.driver = kDriver}, out_);
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(DetailOf(result.status()).reason, "CENTRAL_UNREACHABLE");
}

TEST_F(DriversTest, AStopThatIsKeptForADisconnectedPointIsAnAnswer) {
  Connect();
  News(Session(1, SessionState::kCharging, 1));
  const auto call = core_.Stop(Now(), {.driver = kDriver}, out_);
  EV_ASSERT_OK(call);
  core_.OnAnswer(Now(), *call, WithReason(kRefused, "POINT_DISCONNECTED"), out_);
  EXPECT_THAT(Drain<Answered>(), SizeIs(1));
}

// --- streams and reachability ---

TEST_F(DriversTest, ABrokenStreamIsOpenedAgainWithGrowingWaits) {
  EV_ASSERT_OK(core_.Follow(Now(), kDriver, out_));
  core_.Pin(kDriver);
  int dials = 0;
  for (int i = 0; i < 6000; ++i) {
    for (const OpenWatch& open : Drain<OpenWatch>()) {
      ++dials;
      core_.OnWatchClosed(Now(), kDriver, open.watch, kRefused, out_);
    }
    Pass(absl::Milliseconds(100));
  }
  EXPECT_GE(dials, 600 / 5);
  EXPECT_LE(dials, 600 / 2);
}

TEST_F(DriversTest, ACentralThatClosesEachStreamAtOnceIsNotCalledInATightLoop) {
  EV_ASSERT_OK(core_.Follow(Now(), kDriver, out_));
  core_.Pin(kDriver);
  int dials = 0;
  for (int i = 0; i < 600; ++i) {
    for (const OpenWatch& open : Drain<OpenWatch>()) {
      ++dials;
      core_.OnWatchSnapshot(Now(), kDriver, open.watch, out_);
      core_.OnWatchClosed(Now(), kDriver, open.watch, absl::OkStatus(), out_);
    }
    Pass(absl::Milliseconds(100));
  }
  EXPECT_LE(dials, 40);
}

TEST_F(DriversTest, ASilentStreamIsOpenedAgain) {
  Connect();
  Pass(absl::Seconds(20));
  core_.OnWatchHeartbeat(Now(), kDriver, watch_, out_);
  Pass(absl::Seconds(20));
  EXPECT_THAT(Drain<CloseWatch>(), IsEmpty());
  Pass(absl::Seconds(6));
  ASSERT_THAT(Drain<CloseWatch>(), SizeIs(1));
  const WatchId fresh = Watch();
  EXPECT_NE(fresh, watch_);
  // The old one still talks: too late.
  core_.OnWatchCharge(Now(), kDriver, watch_, Session(1, SessionState::kCharging, 1), out_);
  EXPECT_THAT(ToldStates(), IsEmpty());
}

TEST_F(DriversTest, AnOutageIsToldOnceAndItsEndToo) {
  Connect();
  EXPECT_TRUE(core_.central().is_reachable);
  core_.OnWatchClosed(Now(), kDriver, watch_, kRefused, out_);
  EXPECT_THAT(ToldNotices(), IsEmpty()) << "a server may end a stream for its own reasons";
  for (int i = 0; i < 3; ++i) core_.OnWatchClosed(Now(), kDriver, Redialled(), kRefused, out_);
  EXPECT_THAT(ToldNotices(), ElementsAre("central cannot be reached: connection refused; trying again"));
  EXPECT_FALSE(core_.central().is_reachable);
  core_.OnWatchSnapshot(Now(), kDriver, Redialled(), out_);
  EXPECT_THAT(ToldNotices(), ElementsAre("central answers again"));
  EXPECT_TRUE(core_.central().is_reachable);
}

TEST_F(DriversTest, OneSlowCallBesideALiveStreamIsNoOutage) {
  Connect();
  core_.OnAnswer(Now(), Start(), absl::DeadlineExceededError("slow"), out_);
  EXPECT_TRUE(core_.central().is_reachable);
  EXPECT_THAT(ToldNotices(), IsEmpty());
}

TEST_F(DriversTest, ADriverThatNobodyUsesIsForgotten) {
  const DriverId other("driver_002");
  EV_ASSERT_OK(core_.Follow(Now(), other, out_));
  core_.OnWatchSnapshot(Now(), other, Watch(), out_);
  for (int i = 0; i < 5; ++i) {
    Pass(absl::Seconds(10));
    core_.OnWatchHeartbeat(Now(), other, WatchId(1), out_);
  }
  EXPECT_EQ(core_.followed(), 1U);
  Pass(absl::Seconds(11));
  EXPECT_EQ(core_.followed(), 0U);
  EXPECT_THAT(Drain<CloseWatch>(), SizeIs(1));
}

TEST_F(DriversTest, ADriverWithAnOpenChargeIsNotForgotten) {
  const DriverId other("driver_002");
  EV_ASSERT_OK(core_.Follow(Now(), other, out_));
  Charge charge = Session(1, SessionState::kCharging, 1);
  charge.driver = other;
  core_.OnWatchCharge(Now(), other, Watch(), charge, out_);
  Pass(absl::Minutes(5));
  EXPECT_EQ(core_.followed(), 1U);
}

// --- lists ---

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
