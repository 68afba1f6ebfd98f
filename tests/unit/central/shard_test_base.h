#ifndef EV_TESTS_UNIT_CENTRAL_SHARD_TEST_BASE_H_
#define EV_TESTS_UNIT_CENTRAL_SHARD_TEST_BASE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/id_source.h"
#include "services/central/core/shard.h"
#include "store/inmemory/inmemory_store.h"
#include "tests/support/status_matchers.h"

namespace ev::central {

// One shard with a store in memory. The test plays everybody else: callers, Monitors, Kafka, the clock and the
// committer. Whatever an input changes is committed at once, unless auto_commit_ is off.
class ShardTest : public ::testing::Test {
 protected:
  static constexpr char kData[] = "data";          // The topic of starts and samples.
  static constexpr char kComplete[] = "complete";  // The topic of finals.
  static inline const CpId kCp{"cp_001"};
  static inline const DriverId kDriver{"driver_001"};

  ShardTest() { Load(); }

  // --- the world around ---------------------------------------------------------------------------------------------
  Shard& shard() { return *shard_; }

  // Runs one input; what it did is in effects() until the next input.
  template <typename Input>
  void Run(Input input) {
    effects_.clear();
    Continue(input);
  }
  // The same, but keeps the effects of the input before.
  template <typename Input>
  void Continue(Input input) {
    const std::size_t before = effects_.size();
    input(effects_);
    for (std::size_t i = before; i < effects_.size(); ++i) {
      if (const auto* reply = std::get_if<Reply>(&effects_[i])) {
        EXPECT_TRUE(replies_.emplace(reply->call, reply->result).second) << "two answers to call " << reply->call;
      }
    }
    if (auto_commit_) Commit();
  }

  Shard::Batch Commit() {
    Shard::Batch batch = shard_->TakeBatch();
    const std::vector<absl::Status> statuses = store_.Commit({batch.rows});
    EXPECT_THAT(statuses.at(0), IsOk());
    outbox_.insert(outbox_.end(), batch.outbox.begin(), batch.outbox.end());
    shard_->OnDurable(batch.version);
    return batch;
  }

  // A new process: what was not committed is gone.
  void Restart() {
    store_.Restart(now_.utc);
    now_.monotonic = absl::Seconds(1000);
    Load();
  }

  void Load() {
    auto states = store_.TakeShards("test", "");
    ASSERT_THAT(states, IsOk());
    shard_ = std::make_unique<Shard>(config_, std::move(states->at(0)), store_.incarnation(), ids_);
    epochs_.clear();
  }

  void Pass(absl::Duration time) {
    now_.utc += time;
    now_.monotonic += time;
  }
  void Tick() {
    Run([&](Effects& out) { shard_->Tick(now_, out); });
  }
  // Lets time pass in steps of 200 ms with their ticks; effects() holds those of all of them.
  void Advance(absl::Duration time) {
    effects_.clear();
    const absl::Duration step = absl::Milliseconds(200);
    for (; time > absl::ZeroDuration(); time -= step) {
      Pass(std::min(step, time));
      Continue([&](Effects& out) { shard_->Tick(now_, out); });
    }
  }

  // What the adapter does before an input that names rows.
  void Fetch(const RowKeys& wanted) {
    for (int round = 0; round < 3; ++round) {
      const RowKeys missing = shard_->Missing(wanted);
      if (missing.empty()) return;
      ASSERT_TRUE(shard_->Admit(missing, Read(missing)));
    }
  }
  FetchedRows Read(const RowKeys& keys) {
    FetchedRows rows;
    for (const SessionId& id : keys.sessions) {
      if (auto session = store_.FindSession(id); session.ok()) rows.sessions.push_back(*session);
      const auto refusals = store_.FindRefusals(id);
      rows.refusals.insert(rows.refusals.end(), refusals->begin(), refusals->end());
    }
    for (const std::string& key : keys.requests) {
      if (auto request = store_.FindRequest(key); request.ok()) rows.requests.push_back(*request);
    }
    return rows;
  }

  // --- what came out ------------------------------------------------------------------------------------------------
  template <typename T>
  std::vector<T> Said() const {
    std::vector<T> found;
    for (const Effect& effect : effects_) {
      if constexpr (std::is_constructible_v<Effect, T>) {
        if (const T* value = std::get_if<T>(&effect)) found.push_back(*value);
      } else if (const auto* message = std::get_if<LinkMessage>(&effect)) {
        if constexpr (std::is_constructible_v<LinkBody, T>) {
          if (const T* value = std::get_if<T>(&message->body)) found.push_back(*value);
        } else if (const auto* command = std::get_if<Command>(&message->body)) {
          if (const T* value = std::get_if<T>(&command->body)) found.push_back(*value);
        }
      }
    }
    return found;
  }
  template <typename T>
  std::vector<T> Outbox() const {
    std::vector<T> found;
    for (const OutboxItem& item : outbox_) {
      if (const T* value = std::get_if<T>(&item)) found.push_back(*value);
    }
    return found;
  }
  std::vector<AlertKind> Alerts() const {
    std::vector<AlertKind> kinds;
    for (const Alert& alert : Outbox<Alert>()) kinds.push_back(alert.kind);
    return kinds;
  }
  bool IsAnswered(CallId call) const { return replies_.contains(call); }
  template <typename T>
  T ReplyTo(CallId call) const {
    const auto it = replies_.find(call);
    if (it == replies_.end()) {
      ADD_FAILURE() << "call " << call << " is not answered";
      return T{};
    }
    const T* value = std::get_if<T>(&it->second);
    if (value == nullptr) {
      const auto* failure = std::get_if<Failure>(&it->second);
      ADD_FAILURE() << "another answer" << (failure == nullptr ? "" : ": " + failure->status.ToString());
      return T{};
    }
    return *value;
  }
  DenialReason DenialOf(CallId call) const { return ReplyTo<Failure>(call).denial; }
  std::string ReasonOf(CallId call) const { return ReplyTo<Failure>(call).reason; }

  // --- callers ------------------------------------------------------------------------------------------------------
  CallId NewCall() { return CallId(++calls_); }

  CallId Start(StartCall call) {
    call.call = NewCall();
    if (!call.request_key.empty()) Fetch({.sessions = {}, .requests = {call.request_key}});
    Run([&](Effects& out) { shard_->StartSession(now_, call, out); });
    return call.call;
  }
  CallId Start(const DriverId& driver = kDriver, const CpId& cp = kCp) { return Start({.driver = driver, .cp = cp}); }
  CallId StartAs(const std::string& key, const std::string& fingerprint = "same", const CpId& cp = kCp) {
    return Start({.request_key = key, .fingerprint = fingerprint, .driver = kDriver, .cp = cp});
  }
  CallId Stop(const SessionId& session, const DriverId& driver = kDriver) {
    const CallId call = NewCall();
    Fetch({.sessions = {session}, .requests = {}});
    Run([&](Effects& out) { shard_->StopSession(now_, {.call = call, .session = session, .driver = driver}, out); });
    return call;
  }
  CallId WriteOff(const SessionId& session) {
    const CallId call = NewCall();
    Fetch({.sessions = {session}, .requests = {}});
    Run([&](Effects& out) {
      shard_->WriteOffSession(now_, {.call = call, .session = session, .who = "ana", .reason = "scrapped"}, out);
    });
    return call;
  }
  Session Get(const SessionId& session) {
    const CallId call = NewCall();
    Fetch({.sessions = {session}, .requests = {}});
    Continue([&](Effects& out) { shard_->GetSession(call, session, out); });
    return ReplyTo<Session>(call);
  }
  PointView Point(const CpId& cp = kCp) {
    const CallId call = NewCall();
    Continue([&](Effects& out) { shard_->GetPoint(now_, {.call = call, .cp = cp}, out); });
    return ReplyTo<PointView>(call);
  }
  PointState StateOf(const CpId& cp = kCp) { return Point(cp).state; }
  CallId SetCause(const CpId& cp, Cause cause = Cause::kOperator, const std::string& who = "operator") {
    const CallId call = NewCall();
    Run([&](Effects& out) {
      shard_->SetCause(now_, {.call = call, .cp = cp, .cause = cause, .who = who, .reason = "maintenance"}, out);
    });
    return call;
  }
  CallId ClearCause(const CpId& cp, Cause cause = Cause::kOperator) {
    const CallId call = NewCall();
    Run([&](Effects& out) {
      shard_->ClearCause(now_, {.call = call, .cp = cp, .cause = cause, .who = {}, .reason = {}}, out);
    });
    return call;
  }
  CallId Delete(const CpId& cp = kCp) {
    const CallId call = NewCall();
    Run([&](Effects& out) { shard_->DeletePoint(now_, {.call = call, .cp = cp}, out); });
    return call;
  }
  CallId Create(const CpId& cp, std::optional<Price> price = std::nullopt, const std::string& key = {},
                const std::string& fingerprint = "same") {
    const CallId call = NewCall();
    if (!key.empty()) Fetch({.sessions = {}, .requests = {key}});
    Run([&](Effects& out) {
      shard_->CreatePoint(now_,
                          {.call = call,
                           .cp = cp,
                           .location = "Harbour 1",
                           .site = "harbour",
                           .price = std::move(price),
                           .request_key = key,
                           .fingerprint = fingerprint},
                          out);
    });
    return call;
  }

  // --- Monitors -----------------------------------------------------------------------------------------------------
  // A stream and its hello. Returns the epoch that it got.
  LinkEpoch Connect(const CpId& cp = kCp, GrantNumber mark = {}, const std::string& journal = "journal") {
    Run([&](Effects& out) {
      shard_->OnHello(now_,
                      {.stream = StreamId(++streams_),
                       .cp = cp,
                       .location = "Harbour 1",
                       .site = "harbour",
                       .mark = mark,
                       .journal_id = journal},
                      out);
    });
    const auto accepted = Said<LinkAccepted>();
    if (accepted.empty()) return {};
    return epochs_[cp] = accepted[0].epoch;
  }
  LinkEpoch EpochOf(const CpId& cp = kCp) { return epochs_[cp]; }
  // What an idle Engine says under this link's configuration.
  EngineReport Idle(std::int64_t mark, const CpId& cp = kCp) {
    return {.health = EngineHealth::kHealthy,
            .fault = {},
            .configured_epoch = EpochOf(cp),
            .mark = GrantNumber(mark),
            .journal_id = "journal",
            .journal_room = 1000,
            .plugged_in = false,
            .occupation = std::nullopt,
            .unsettled = {},
            .unsettled_total = 0};
  }
  EngineReport Busy(const Session& session, Phase phase) {
    EngineReport report = Idle(session.number.value(), session.cp);
    report.occupation = Occupation{.session = session.id, .number = session.number, .phase = phase};
    return report;
  }
  EngineReport Ended(const Session& session, bool start = true, bool final = true) {
    EngineReport report = Idle(session.number.value(), session.cp);
    report.unsettled = {{.session = session.id, .number = session.number, .start = start, .final = final}};
    report.unsettled_total = 1;
    return report;
  }
  void BeatOn(LinkEpoch epoch, EngineReport report, const CpId& cp = kCp) {
    RowKeys keys;
    for (const Unsettled& unsettled : report.unsettled) keys.sessions.push_back(unsettled.session);
    Fetch(keys);
    Run([&](Effects& out) { shard_->OnReport(now_, cp, epoch, std::move(report), out); });
  }
  void Beat(EngineReport report, const CpId& cp = kCp) { BeatOn(EpochOf(cp), std::move(report), cp); }
  void BeatWithoutReport(EngineHealth health, const CpId& cp = kCp) {
    Run([&](Effects& out) { shard_->OnBeat(now_, cp, EpochOf(cp), health, out); });
  }
  void Close(LinkEpoch epoch, const CpId& cp = kCp) {
    Run([&](Effects& out) { shard_->OnLinkClosed(now_, cp, epoch, out); });
  }
  // Connects and says that all is well, with the mark that the configuration asks for.
  void Online(const CpId& cp = kCp) {
    Connect(cp);
    const auto configurations = Said<Configuration>();
    ASSERT_EQ(configurations.size(), 1u);
    Beat(Idle(configurations[0].highest_grant.value(), cp), cp);
    ASSERT_EQ(StateOf(cp), PointState::kAvailable);
  }

  Command TheCommand() {
    const auto commands = Said<Command>();
    EXPECT_EQ(commands.size(), 1u);
    return commands.empty() ? Command{} : commands[0];
  }
  void AnswerOn(LinkEpoch epoch, const CommandAnswer& answer, const CpId& cp = kCp) {
    Run([&](Effects& out) { shard_->OnAnswer(now_, cp, epoch, answer, out); });
  }
  void Answer(const Command& command, Verdict verdict, std::int64_t mark, DenialReason denial = DenialReason::kNone,
              const CpId& cp = kCp) {
    AnswerOn(EpochOf(cp),
             {.id = command.id, .verdict = verdict, .denial = denial, .text = "", .mark = GrantNumber(mark)}, cp);
  }
  // Asks, and lets the charging point grant it.
  Session Grant(const DriverId& driver = kDriver, const CpId& cp = kCp) {
    const CallId call = Start(driver, cp);
    const Command command = TheCommand();
    Answer(command, Verdict::kGranted, std::get<PrepareSession>(command.body).grant.number.value(), DenialReason::kNone,
           cp);
    const auto session = ReplyTo<Session>(call);
    Beat(Busy(session, Phase::kGranted), cp);
    return session;
  }
  // A granted session whose start is booked.
  Session Charging(const DriverId& driver = kDriver, const CpId& cp = kCp) {
    const Session session = Grant(driver, cp);
    Feed({StartOf(session)});
    Beat(Busy(session, Phase::kCharging), cp);
    return Get(session.id);
  }

  // --- Kafka --------------------------------------------------------------------------------------------------------
  Fact StartOf(const Session& session) {
    return {.message_id = ids_.NewMessageId(now_.utc),
            .kind = FactKind::kStart,
            .cp = session.cp,
            .session = session.id,
            .sequence = 0,
            .time = now_.utc,
            .grant = {.session = session.id,
                      .cp = session.cp,
                      .number = session.number,
                      .driver = session.driver,
                      .price = session.price,
                      .target = {},
                      .authorised = now_.utc,
                      .key_id = {},
                      .signature = {}},
            .register_mwh = 5000,
            .start = now_.utc,
            .end = {},
            .end_reason = EndReason::kNone};
  }
  Fact SampleOf(const Session& session, std::int64_t sequence, std::int64_t energy_mwh) {
    Fact fact = StartOf(session);
    fact.kind = FactKind::kSample;
    fact.sequence = sequence;
    fact.energy_mwh = energy_mwh;
    fact.power_w = 11'000;
    fact.amount_micros = AmountMicros(energy_mwh, session.price.micros_per_kwh);
    fact.grant = {};
    return fact;
  }
  Fact FinalOf(const Session& session, std::int64_t sequence, std::int64_t energy_mwh,
               EndReason reason = EndReason::kUnplugged) {
    Fact fact = SampleOf(session, sequence, energy_mwh);
    const Fact start = StartOf(session);
    fact.kind = FactKind::kFinal;
    fact.power_w = 0;
    fact.grant = start.grant;
    fact.register_mwh = 5000 + energy_mwh;
    fact.start = now_.utc - absl::Minutes(1);
    fact.end = now_.utc;
    fact.end_reason = reason;
    return fact;
  }
  // Puts facts at the end of their topics and has the shard read them, in this order.
  void Feed(const std::vector<Fact>& facts) {
    effects_.clear();
    for (const Fact& fact : facts) {
      const std::string topic = fact.kind == FactKind::kFinal ? kComplete : kData;
      FeedAt(topic, ends_[topic]++, fact);
    }
  }
  void FeedAt(const std::string& topic, std::int64_t offset, const Fact& fact, const std::string& key = {}) {
    Fetch({.sessions = {fact.session}, .requests = {}});
    const std::string body = "body of " + ToHex(fact.message_id);
    const IncomingFact in{
        .fact = &fact, .error = {}, .offset = offset, .key = key.empty() ? fact.cp.value() : key, .body = body};
    FeedIncoming(topic, in);
  }
  void FeedIncoming(const std::string& topic, const IncomingFact& in) {
    Continue([&](Effects& out) {
      shard_->ApplyFacts(
          now_, {.topic = topic, .partition = 0, .base = in.offset, .next = in.offset + 1, .facts = {&in, 1}}, out);
    });
  }
  // A session of this charging point that no store knows.
  Session Stranger(std::int64_t number = 1, char digit = 'f') const {
    Session stranger;
    stranger.id = SessionId(std::string(32, digit));
    stranger.cp = kCp;
    stranger.number = GrantNumber(number);
    stranger.price = config_.default_price;
    return stranger;
  }
  std::vector<Ticket> Tickets(const SessionId& session) {
    return store_.ListTickets({.driver = {}, .cp = {}, .session = session}).value().items;
  }

  Moment now_{absl::FromUnixSeconds(1'700'000'000), absl::Seconds(100)};
  store::InMemoryStore store_{1, "0123456789abcdef0123456789abcdef", now_.utc};
  RandomIdSource ids_{17};
  ShardConfig config_{.dedup_window = 1000};
  std::unique_ptr<Shard> shard_;
  bool auto_commit_ = true;
  std::vector<OutboxItem> outbox_;  // All that was ever committed.

 private:
  Effects effects_;
  std::map<CallId, CallResult> replies_;
  std::map<CpId, LinkEpoch> epochs_;
  std::map<std::string, std::int64_t> ends_;
  std::int64_t calls_ = 0;
  std::int64_t streams_ = 0;
};

}  // namespace ev::central

#endif  // EV_TESTS_UNIT_CENTRAL_SHARD_TEST_BASE_H_
