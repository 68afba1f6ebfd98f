#include "services/monitor/core/monitor.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ev::monitor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A Monitor's core; Central and the Engine are played by the test, and both speak every second while they are `alive`.
class MonitorTest : public ::testing::Test {
 protected:
  MonitorTest() : core(MonitorOptions{.cp = CpId("cp_001")}, now, /*seed=*/11) {}

  void Take() {
    for (Effect& effect : core.TakeEffects()) {
      if (const auto* dial = std::get_if<Dial>(&effect)) link = dial->link;
      if (const auto* open = std::get_if<OpenAttach>(&effect)) attach = open->attach;
      effects.push_back(std::move(effect));
    }
  }

  void Advance(absl::Duration by, absl::Duration step = absl::Milliseconds(100)) {
    for (absl::Duration done; done < by; done += step) {
      now.utc += step;
      now.monotonic += step;
      if (now.monotonic >= next_word) {
        next_word = now.monotonic + absl::Seconds(1);
        if (central_alive) core.CentralBeat(link, now);
        if (engine_alive) core.EngineReported(attach, report, now);
      }
      core.Tick(now);
      Take();
    }
  }

  void Welcome() {
    epoch = epoch.Next();
    core.Welcomed(link, epoch, now);
    Take();
  }
  void Configure() {
    core.Configure(link, {.epoch = epoch, .price = {350'000, "EUR"}, .causes = {}, .highest_grant = GrantNumber(4)},
                   now);
    Take();
  }
  void Report() {
    core.EngineReported(attach, report, now);
    Take();
  }
  // Linked, configured, and the Engine is there.
  void Connect() {
    Advance(absl::Milliseconds(100));
    Welcome();
    Configure();
    Report();
    central_alive = engine_alive = true;
    effects.clear();
  }

  Command MakeCommand(std::int64_t number, absl::Duration deadline = absl::Seconds(3)) {
    return {.id = CommandId(number),
            .deadline = deadline,
            .body = CancelGrant{.number = GrantNumber(number), .session = SessionId("s")}};
  }
  void Order(Command command) {
    core.TakeCommand(link, std::move(command), now);
    Take();
  }
  void Done(std::int64_t id, Verdict verdict = Verdict::kCancelled) {
    core.CommandDone(CommandId(id), CommandAnswer{.id = {}, .verdict = verdict, .mark = GrantNumber(id)}, now);
    Take();
  }

  template <typename E>
  std::vector<E> Seen() const {
    std::vector<E> result;
    for (const Effect& effect : effects) {
      if (const E* e = std::get_if<E>(&effect)) result.push_back(*e);
    }
    return result;
  }
  MonitorStatus status() const { return core.GetStatus(now); }

  Moment now{.utc = absl::FromUnixSeconds(1'750'000'000), .monotonic = absl::Hours(2)};
  Monitor core;
  std::vector<Effect> effects;
  StreamId link = 0;
  StreamId attach = 0;
  LinkEpoch epoch;
  bool central_alive = false;
  bool engine_alive = false;
  absl::Duration next_word = absl::Hours(2);
  EngineReport report{.health = EngineHealth::kHealthy};
};

std::vector<std::int64_t> Ids(const std::vector<Forward>& forwards) {
  std::vector<std::int64_t> ids;
  for (const Forward& forward : forwards) ids.push_back(forward.command.id.value());
  return ids;
}

// ---- The link.

TEST_F(MonitorTest, ItDialsAtOnceAndSaysWhatTheEngineIsDoing) {
  Advance(absl::Milliseconds(100));
  EXPECT_THAT(Seen<Dial>(), SizeIs(1));
  EXPECT_THAT(Seen<OpenAttach>(), SizeIs(1));
  Report();
  core.LinkClosed(link, absl::UnavailableError("refused"), now);
  Advance(absl::Seconds(1));
  ASSERT_THAT(Seen<Dial>(), SizeIs(2));
  EXPECT_EQ(Seen<Dial>()[1].health, EngineHealth::kHealthy);
  EXPECT_TRUE(Seen<Dial>()[1].report.has_value());
}

TEST_F(MonitorTest, ItBeatsEverySecondAndRepeatsNoOldReport) {
  Connect();
  Advance(absl::Seconds(5));
  EXPECT_GE(Seen<SendBeat>().size(), 4u);
  EXPECT_LE(Seen<SendBeat>().size(), 6u);
  engine_alive = false;
  Advance(absl::Seconds(1));
  effects.clear();
  Advance(absl::Seconds(1));
  ASSERT_THAT(Seen<SendBeat>(), SizeIs(1));
  EXPECT_FALSE(Seen<SendBeat>()[0].report.has_value());
}

TEST_F(MonitorTest, NewsOfTheEngineGoUpAtOnce) {
  Connect();
  Advance(absl::Milliseconds(1200));
  effects.clear();
  report.mark = GrantNumber(9);
  Report();
  ASSERT_THAT(Seen<SendBeat>(), SizeIs(1));
  EXPECT_EQ(Seen<SendBeat>()[0].report->mark, GrantNumber(9));
  report.journal_room = 5;
  Report();
  EXPECT_THAT(Seen<SendBeat>(), SizeIs(1)) << "figures wait for the next beat";
}

TEST_F(MonitorTest, CentralsSilenceIsSaidAndItDialsAgainAlthoughTheStreamStaysOpen) {
  Connect();
  central_alive = false;
  const StreamId old = link;
  Advance(absl::Milliseconds(2900));
  EXPECT_EQ(status().link, LinkState::kConnected);
  Advance(absl::Milliseconds(1200));
  EXPECT_THAT(Seen<HangUp>(), SizeIs(1));
  EXPECT_EQ(Seen<HangUp>()[0].link, old);
  EXPECT_EQ(status().link, LinkState::kConnecting);
  EXPECT_THAT(Seen<Dial>(), SizeIs(1));
}

TEST_F(MonitorTest, ACentralThatAcceptsButNeverWelcomesIsSilentToo) {
  Advance(absl::Seconds(4));
  EXPECT_THAT(Seen<HangUp>(), SizeIs(1));
  EXPECT_THAT(Seen<Dial>(), SizeIs(2));
}

// B56
TEST_F(MonitorTest, AttemptsGetRarerAndAreSaidOnce) {
  Advance(absl::Milliseconds(100));
  std::vector<absl::Duration> waits;
  for (int i = 0; i < 8; ++i) {
    const std::size_t before = Seen<Dial>().size();
    core.LinkClosed(link, absl::UnavailableError("nobody there"), now);
    const absl::Duration closed = now.monotonic;
    while (Seen<Dial>().size() == before) Advance(absl::Milliseconds(10), absl::Milliseconds(10));
    waits.push_back(now.monotonic - closed);
  }
  EXPECT_LE(waits.front(), absl::Milliseconds(210));
  EXPECT_GE(waits.back(), absl::Milliseconds(1500));
  EXPECT_LE(waits.back(), absl::Milliseconds(3010));
  int said = 0;
  for (const Note& note : Seen<Note>()) said += note.message == "Central cannot be reached" ? 1 : 0;
  EXPECT_EQ(said, 1);
  Welcome();
  core.LinkClosed(link, absl::UnavailableError("gone"), now);
  effects.clear();
  Advance(absl::Milliseconds(300));
  EXPECT_THAT(Seen<Dial>(), SizeIs(1)) << "after a success the first wait is short again";
}

// How long a Monitor waits before each new attempt while Central refuses it.
std::vector<absl::Duration> WaitsOf(std::uint64_t seed) {
  Moment now{.utc = absl::FromUnixSeconds(1'750'000'000), .monotonic = absl::Hours(2)};
  Monitor core(MonitorOptions{.cp = CpId("cp_001")}, now, seed);
  std::vector<absl::Duration> waits;
  absl::Duration closed = now.monotonic;
  while (waits.size() < 8) {
    now.monotonic += absl::Milliseconds(10);
    core.Tick(now);
    for (const Effect& effect : core.TakeEffects()) {
      const auto* dial = std::get_if<Dial>(&effect);
      if (dial == nullptr) continue;
      waits.push_back(now.monotonic - std::exchange(closed, now.monotonic));
      core.LinkClosed(dial->link, absl::UnavailableError("nobody there"), now);
    }
  }
  return waits;
}

// B56
TEST(MonitorPausesTest, MonitorsThatLoseTheirCentralTogetherDoNotComeBackTogether) {
  const std::vector<absl::Duration> one = WaitsOf(1);
  const std::vector<absl::Duration> other = WaitsOf(2);
  EXPECT_EQ(one, WaitsOf(1)) << "a seed replays";
  int same = 0;
  for (std::size_t i = 1; i < one.size(); ++i) same += one[i] == other[i] ? 1 : 0;
  EXPECT_LE(same, 2);
}

TEST_F(MonitorTest, TheLateCloseOfAnOldLinkLeavesTheNewOneAlone) {
  Connect();
  const StreamId old = link;
  core.LinkClosed(old, absl::UnavailableError("gone"), now);
  Advance(absl::Seconds(1));
  Welcome();
  core.LinkClosed(old, absl::UnavailableError("gone, late"), now);
  core.Configure(old, {.epoch = epoch, .price = {1, "EUR"}, .causes = {}, .highest_grant = {}}, now);
  Take();
  EXPECT_EQ(status().link, LinkState::kConnected);
  EXPECT_EQ(status().forwarded.configurations, 1);
}

TEST_F(MonitorTest, ARefusedOrSupersededLinkIsTriedAgainSlowly) {
  Advance(absl::Milliseconds(100));
  core.LinkClosed(link, absl::PermissionDeniedError("not registered"), now);
  EXPECT_EQ(status().link, LinkState::kRefused);
  effects.clear();
  Advance(absl::Milliseconds(4900));
  EXPECT_THAT(Seen<Dial>(), IsEmpty());
  for (int i = 0; i < 60 && Seen<Dial>().empty(); ++i) Advance(absl::Milliseconds(100));
  EXPECT_THAT(Seen<Dial>(), SizeIs(1));
  Welcome();
  effects.clear();
  core.LinkClosed(link, absl::AbortedError("superseded"), now);
  EXPECT_EQ(status().link, LinkState::kSuperseded);
  Take();
  ASSERT_THAT(Seen<Note>(), SizeIs(1));
  EXPECT_EQ(Seen<Note>()[0].message, "another Monitor has the link: look for one with the same charging point id");
  effects.clear();
  Advance(absl::Milliseconds(4900));
  EXPECT_THAT(Seen<Dial>(), IsEmpty());
}

// ---- What the Engine is told.

TEST_F(MonitorTest, TheEngineHearsEverySecondTheEpochAndTheAgeOfCentralsLastBeat) {
  Connect();
  Advance(absl::Seconds(2));
  EXPECT_GE(Seen<SendAttach>().size(), 2u);
  EXPECT_EQ(Seen<SendAttach>().back().epoch, epoch);
  EXPECT_LE(*Seen<SendAttach>().back().central_age, absl::Seconds(1));
  central_alive = false;
  Advance(absl::Seconds(10));
  const SendAttach last = Seen<SendAttach>().back();
  EXPECT_EQ(last.epoch, epoch) << "of the last link";
  EXPECT_GE(*last.central_age, absl::Seconds(9));
  EXPECT_EQ(*last.central_age, *status().central_age + absl::ZeroDuration());
}

TEST_F(MonitorTest, ANewLinksEpochAndConfigurationGoDownAtOnce) {
  Connect();
  core.LinkClosed(link, absl::UnavailableError("gone"), now);
  Advance(absl::Milliseconds(300));
  effects.clear();
  Welcome();
  ASSERT_THAT(Seen<SendAttach>(), SizeIs(1));
  EXPECT_EQ(Seen<SendAttach>()[0].epoch, LinkEpoch(2));
  Configure();
  ASSERT_THAT(Seen<SendAttach>(), SizeIs(2));
  EXPECT_EQ(Seen<SendAttach>()[1].configuration->epoch, LinkEpoch(2));
}

TEST_F(MonitorTest, AnEngineThatComesBackIsConfiguredAgainAndNotWithANumberThatWasUsed) {
  Connect();
  Order(MakeCommand(7));
  core.CommandDone(CommandId(7), absl::UnavailableError("died"), now);
  core.AttachClosed(attach, absl::UnavailableError("died"), now);
  Take();
  effects.clear();
  Advance(absl::Seconds(2));
  ASSERT_THAT(Seen<OpenAttach>(), SizeIs(1));
  ASSERT_TRUE(Seen<SendAttach>()[0].configuration.has_value());
  EXPECT_EQ(Seen<SendAttach>()[0].configuration->highest_grant, GrantNumber(7));
}

TEST_F(MonitorTest, ACommandOnItsWayIsNotOutdatedByTheConfigurationBesideIt) {
  Connect();
  Order(MakeCommand(7));
  core.AttachClosed(attach, absl::UnavailableError("gone"), now);
  effects.clear();
  Advance(absl::Seconds(1));
  EXPECT_EQ(Seen<SendAttach>()[0].configuration->highest_grant, GrantNumber(4));
}

TEST_F(MonitorTest, SettlementsAndAnswersGoDown) {
  Connect();
  core.Settle(link, {{.session = SessionId("s"), .start = true, .final = false, .refused = false, .reason = ""}}, now);
  core.AnswerRequest(link, {.request_id = "r", .session = std::nullopt, .denial = DenialReason::kPointBusy, .text = ""},
                     now);
  Take();
  EXPECT_THAT(Seen<SendAttach>()[0].settlements, SizeIs(1));
  EXPECT_THAT(Seen<SendAttach>()[1].answers, SizeIs(1));
}

// ---- The Engine's health.

TEST_F(MonitorTest, AnEngineThatIsSilentForThreeSecondsIsReportedAtOnce) {
  Connect();
  engine_alive = false;
  Advance(absl::Milliseconds(2800));
  EXPECT_EQ(status().health, EngineHealth::kHealthy);
  effects.clear();
  Advance(absl::Milliseconds(400));
  EXPECT_EQ(status().health, EngineHealth::kSilent);
  EXPECT_THAT(Seen<CloseAttach>(), SizeIs(1)) << "the stream may be a dead socket: a new one is tried";
  bool told = false;
  for (const SendBeat& beat : Seen<SendBeat>()) told = told || beat.health == EngineHealth::kSilent;
  EXPECT_TRUE(told);
  Advance(absl::Seconds(1));
  effects.clear();
  Report();
  EXPECT_EQ(status().health, EngineHealth::kHealthy);
  EXPECT_THAT(Seen<SendBeat>(), testing::Not(IsEmpty()));
}

TEST_F(MonitorTest, AClosedStreamAloneIsOnlyAHint) {
  Connect();
  core.AttachClosed(attach, absl::UnavailableError("hiccup"), now);
  Advance(absl::Seconds(1));
  EXPECT_EQ(status().health, EngineHealth::kHealthy);
  EXPECT_THAT(Seen<OpenAttach>(), testing::Not(IsEmpty()));
}

TEST_F(MonitorTest, AnEngineThatCannotBeReachedIsSaidOnceAnOutage) {
  Advance(absl::Milliseconds(100));
  const auto said = [&] {
    int count = 0;
    for (const Note& note : Seen<Note>()) count += note.message == "Engine cannot be reached" ? 1 : 0;
    return count;
  };
  for (int i = 0; i < 5; ++i) {
    core.AttachClosed(attach, absl::UnavailableError("refused " + std::to_string(i)), now);
    Advance(absl::Seconds(2));
  }
  EXPECT_EQ(said(), 1);
  Report();
  core.AttachClosed(attach, absl::UnavailableError("gone"), now);
  Take();
  EXPECT_EQ(said(), 2);
}

// B56
TEST_F(MonitorTest, AnEngineThatRefusesIsSaidOnceAndTriedSlowly) {
  Advance(absl::Milliseconds(100));
  int refusals = 0;
  for (int second = 0; second < 60; ++second) {
    for (const OpenAttach& opened : Seen<OpenAttach>()) attach = opened.attach;
    if (!Seen<OpenAttach>().empty()) {
      effects.clear();
      core.AttachClosed(attach, absl::FailedPreconditionError("this is cp_002"), now);
      ++refusals;
      Take();
      int said = 0;
      for (const Note& note : Seen<Note>()) said += absl::StrContains(note.message, "refuses this Monitor") ? 1 : 0;
      EXPECT_EQ(said, refusals == 1 ? 1 : 0);
      effects.clear();
    }
    Advance(absl::Seconds(1));
  }
  EXPECT_GE(refusals, 6);
  EXPECT_LE(refusals, 13);  // Between half of ten seconds and all of them.
}

TEST_F(MonitorTest, AFaultIsReportedWithItsText) {
  Connect();
  report.health = EngineHealth::kFaulted;
  report.fault = "ground fault";
  Report();
  EXPECT_EQ(Seen<SendBeat>().back().health, EngineHealth::kFaulted);
  EXPECT_EQ(Seen<SendBeat>().back().fault, "ground fault");
}

TEST_F(MonitorTest, AnEngineThatWasNeverHeardIsUnknown) {
  Advance(absl::Milliseconds(100));
  Welcome();
  EXPECT_EQ(Seen<SendBeat>().back().health, EngineHealth::kUnknown);
  Advance(absl::Seconds(5));
  EXPECT_EQ(status().health, EngineHealth::kUnknown);
}

TEST_F(MonitorTest, AProcessThatWasStoppedListensBeforeItJudges) {
  Connect();
  now.monotonic += absl::Seconds(20);
  core.Tick(now);
  Take();
  EXPECT_EQ(status().health, EngineHealth::kHealthy);
  EXPECT_EQ(status().link, LinkState::kConnected);
  EXPECT_GE(*status().central_age, absl::Seconds(19)) << "the Engine is told the truth";
  next_word = now.monotonic;
  Advance(absl::Seconds(2));
  EXPECT_EQ(status().link, LinkState::kConnected);
}

// ---- Commands.

// B82
TEST_F(MonitorTest, CommandsGoToTheEngineOneAtATimeAndInOrder) {
  Connect();
  Order(MakeCommand(5));
  Order(MakeCommand(6));
  Order(MakeCommand(7));
  EXPECT_THAT(Ids(Seen<Forward>()), ElementsAre(5));
  Done(5);
  EXPECT_THAT(Ids(Seen<Forward>()), ElementsAre(5, 6));
  Done(6);
  Done(7);
  EXPECT_THAT(Ids(Seen<Forward>()), ElementsAre(5, 6, 7));
  ASSERT_THAT(Seen<SendAnswer>(), SizeIs(3));
  EXPECT_EQ(Seen<SendAnswer>()[1].answer.id, CommandId(6));
  EXPECT_EQ(Seen<SendAnswer>()[1].answer.verdict, Verdict::kCancelled);
}

TEST_F(MonitorTest, ACommandGetsWhatIsLeftOfItsTimeAndIsNotSentAfterIt) {
  Connect();
  Order(MakeCommand(5, absl::Seconds(10)));
  Order(MakeCommand(6, absl::Seconds(3)));
  Order(MakeCommand(7, absl::Seconds(1)));
  EXPECT_EQ(Seen<Forward>()[0].limit, absl::Seconds(10));
  Advance(absl::Seconds(2));
  Done(5);
  ASSERT_THAT(Seen<Forward>(), SizeIs(2));
  EXPECT_EQ(Seen<Forward>()[1].limit, absl::Seconds(1));
  Done(6);
  EXPECT_THAT(Seen<Forward>(), SizeIs(2));
  EXPECT_EQ(Seen<SendAnswer>().back().answer.verdict, Verdict::kFailed);
  EXPECT_EQ(Seen<SendAnswer>().back().undelivered, Undelivered::kExpired);
}

TEST_F(MonitorTest, AnEngineThatDoesNotAnswerIsAFailureAndTheNextCommandFollows) {
  Connect();
  Order(MakeCommand(5));
  Order(MakeCommand(6));
  core.CommandDone(CommandId(5), absl::DeadlineExceededError("3s"), now);
  Take();
  ASSERT_THAT(Seen<SendAnswer>(), SizeIs(1));
  EXPECT_EQ(Seen<SendAnswer>()[0].answer.verdict, Verdict::kFailed);
  EXPECT_EQ(Seen<SendAnswer>()[0].answer.mark, GrantNumber());
  EXPECT_EQ(Seen<SendAnswer>()[0].undelivered, Undelivered::kUnknown);
  EXPECT_THAT(Ids(Seen<Forward>()), ElementsAre(5, 6));
}

TEST_F(MonitorTest, ACallThatNeverEndsDoesNotHoldTheNextCommandForEver) {
  Connect();
  Order(MakeCommand(5, absl::Seconds(2)));
  Order(MakeCommand(6, absl::Seconds(9)));
  Advance(absl::Seconds(4));
  EXPECT_THAT(Ids(Seen<Forward>()), ElementsAre(5, 6));
  Done(5);  // Too late: it was answered for.
  EXPECT_THAT(Seen<SendAnswer>(), SizeIs(1));
}

TEST_F(MonitorTest, WithoutAnEngineACommandIsAnsweredAsNotSent) {
  Connect();
  core.AttachClosed(attach, absl::UnavailableError("gone"), now);
  Order(MakeCommand(5));
  ASSERT_THAT(Seen<SendAnswer>(), SizeIs(1));
  EXPECT_EQ(Seen<SendAnswer>()[0].undelivered, Undelivered::kNotSent);
  EXPECT_THAT(Seen<Forward>(), IsEmpty());
}

TEST_F(MonitorTest, AnOldLinksCommandsAreNeitherSentNorAnsweredOnTheNewOne) {
  Connect();
  Order(MakeCommand(5));
  Order(MakeCommand(6));
  core.LinkClosed(link, absl::UnavailableError("gone"), now);
  Advance(absl::Milliseconds(300));
  Welcome();
  effects.clear();
  Done(5);
  EXPECT_THAT(Seen<SendAnswer>(), IsEmpty());
  EXPECT_THAT(Seen<Forward>(), IsEmpty());
}

// B122
TEST_F(MonitorTest, WaitingCommandsAreBounded) {
  Connect();
  for (int i = 1; i <= 70; ++i) Order(MakeCommand(i));
  ASSERT_THAT(Seen<SendAnswer>(), SizeIs(5));
  EXPECT_EQ(Seen<SendAnswer>()[0].undelivered, Undelivered::kNotSent);
  EXPECT_EQ(core.GetStatus(now).commands_waiting, kMaxCommands);
}

// ---- Requests made at the charging point.

TEST_F(MonitorTest, ARequestGoesUpAndANewLinkCarriesItAgainWithTheTimeItHasWaited) {
  Connect();
  core.EngineRequested(attach, {.request_id = "r", .driver = DriverId("d"), .target = {}, .waited = absl::Seconds(1)},
                       now);
  Take();
  ASSERT_THAT(Seen<SendRequest>(), SizeIs(1));
  EXPECT_EQ(Seen<SendRequest>()[0].request.waited, absl::Seconds(1));
  core.LinkClosed(link, absl::UnavailableError("gone"), now);
  Advance(absl::Seconds(2));
  Welcome();
  ASSERT_THAT(Seen<SendRequest>(), SizeIs(2));
  EXPECT_EQ(Seen<SendRequest>()[1].request.waited, absl::Seconds(3));
  core.AnswerRequest(link, {.request_id = "r", .session = SessionId("s"), .denial = DenialReason::kNone, .text = ""},
                     now);
  core.LinkClosed(link, absl::UnavailableError("gone"), now);
  Advance(absl::Seconds(2));
  Welcome();
  EXPECT_THAT(Seen<SendRequest>(), SizeIs(2)) << "it is answered";
}

TEST_F(MonitorTest, ARequestThatHasWaitedTooLongIsNotCarriedAnyMore) {
  Connect();
  core.EngineRequested(attach, {.request_id = "r", .driver = DriverId("d"), .target = {}, .waited = {}}, now);
  core.LinkClosed(link, absl::UnavailableError("gone"), now);
  Advance(absl::Seconds(11));
  effects.clear();
  Welcome();
  EXPECT_THAT(Seen<SendRequest>(), IsEmpty());
}

TEST_F(MonitorTest, WaitingRequestsAreBounded) {
  Connect();
  for (std::size_t i = 0; i < kMaxRequests; ++i) {
    core.EngineRequested(attach, {.request_id = absl::StrCat(i), .driver = DriverId("d"), .target = {}, .waited = {}},
                         now);
  }
  EXPECT_EQ(core.GetStatus(now).requests_waiting, kMaxRequests);
  Take();
  effects.clear();
  core.EngineRequested(attach, {.request_id = "r", .driver = DriverId("d"), .target = {}, .waited = {}}, now);
  Take();
  EXPECT_THAT(Seen<SendRequest>(), IsEmpty());
  ASSERT_THAT(Seen<SendAttach>(), SizeIs(1));
  EXPECT_EQ(Seen<SendAttach>()[0].answers.at(0).denial, DenialReason::kOverloaded);
  EXPECT_EQ(core.GetStatus(now).requests_waiting, kMaxRequests);
}

TEST_F(MonitorTest, WithoutALinkARequestIsDeniedAtOnce) {
  Connect();
  core.LinkClosed(link, absl::UnavailableError("gone"), now);
  core.EngineRequested(attach, {.request_id = "r", .driver = DriverId("d"), .target = {}, .waited = {}}, now);
  Take();
  EXPECT_THAT(Seen<SendRequest>(), IsEmpty());
  ASSERT_THAT(Seen<SendAttach>(), SizeIs(1));
  EXPECT_EQ(Seen<SendAttach>()[0].answers.at(0).denial, DenialReason::kCentralUnreachable);
}

// ---- Traces.

// B220
TEST_F(MonitorTest, WhatIsSaidOfACommandHasTheTraceOfItsSession) {
  Connect();
  const Trace trace = TraceOfId("4bf92f3577b34da6a3ce929d0e0e4736");
  Order({.id = CommandId(1),
         .deadline = absl::Seconds(3),
         .body = PrepareSession{.grant = {.session = SessionId("s"), .trace = trace}, .plug_in_time_to_live = {}}});
  Done(1, Verdict::kGranted);
  Order({.id = CommandId(2),
         .deadline = absl::Seconds(3),
         .body = StopSession{.session = SessionId("s"), .trace = trace}});
  core.CommandDone(CommandId(2), absl::UnavailableError("gone"), now);
  Take();
  std::vector<std::string> said;
  for (const Note& note : Seen<Note>()) {
    EXPECT_EQ(note.trace, trace) << note.message;
    said.emplace_back(note.message);
  }
  EXPECT_THAT(said, ElementsAre("command received", "command answered", "command received", "a command has no answer"));
}

// B220
TEST_F(MonitorTest, ARequestMadeAtTheChargingPointGoesUpInItsTrace) {
  Connect();
  const Trace trace = TraceOfId("4bf92f3577b34da6a3ce929d0e0e4736");
  core.EngineRequested(
      attach, {.request_id = "r1", .driver = DriverId("ann"), .target = {}, .waited = {}, .trace = trace}, now);
  Take();
  ASSERT_THAT(Seen<Note>(), SizeIs(1));
  EXPECT_EQ(Seen<Note>()[0].trace, trace);
  ASSERT_THAT(Seen<SendRequest>(), SizeIs(1));
  EXPECT_EQ(Seen<SendRequest>()[0].request.trace, trace);
}

}  // namespace
}  // namespace ev::monitor
