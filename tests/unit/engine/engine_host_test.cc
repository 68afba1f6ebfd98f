#include "services/engine/adapters/engine_host.h"

#include <atomic>
#include <thread>

#include "base/error_detail.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "journal/inmemory/memory_fact_log.h"
#include "tests/support/eventually.h"
#include "tests/support/notification.h"
#include "tests/support/status_matchers.h"

namespace ev::engine {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(10);
constexpr std::size_t kQueueBound = 20;  // Ticks of two seconds.

// 1 mWh a microsecond while it is closed.
class FakeMeter final : public Meter {
 public:
  MeterReading Read(Moment now) override {
    if (closed_at_) reading_.register_mwh = base_ + absl::ToInt64Microseconds(now.monotonic - *closed_at_);
    return reading_;
  }
  void CloseContactor(Moment now, std::int64_t) override {
    closed_at_ = now.monotonic;
    base_ = reading_.register_mwh;
    ++closings;
  }
  MeterReading OpenContactor(Moment now) override {
    (void)Read(now);
    closed_at_.reset();
    return reading_;
  }
  std::optional<Opening> TakeOpening(Moment) override { return std::nullopt; }

  std::atomic<int> closings = 0;

 private:
  MeterReading reading_{.register_mwh = 1000, .power_w = 0};
  std::int64_t base_ = 0;
  std::optional<absl::Duration> closed_at_;
};

// A log that can hang and fail.
class StubbornLog final : public journal::FactLog {
 public:
  absl::StatusOr<journal::LogContents> Load() override { return inner.Load(); }
  absl::Status Write(const journal::LogWrite& write) override {
    MutexLock lock(mutex);
    ++writes;
    while (hangs) wake.WaitFor(mutex, absl::Seconds(1));
    if (fails && !write.facts.empty() && write.facts.back().kind != FactKind::kFinal)
      return absl::DataLossError("disk");
    return inner.Write(write);
  }
  std::vector<journal::StoredFact> Read(std::int64_t after, int limit) override { return inner.Read(after, limit); }
  std::vector<journal::StoredFact> ReadUnsettled() override { return inner.ReadUnsettled(); }
  void Acknowledge(std::int64_t position) override { inner.Acknowledge(position); }
  journal::LogStats Stats() const override { return inner.Stats(); }

  void SetHanging(bool on) {
    MutexLock lock(mutex);
    hangs = on;
    wake.SignalAll();
  }
  int Writes() {
    MutexLock lock(mutex);
    return writes;
  }
  void SetFailing() {
    MutexLock lock(mutex);
    fails = true;
  }

  journal::MemoryFactLog inner{"0123456789abcdef0123456789abcdef", 1000};
  Mutex mutex;
  CondVar wake;
  bool hangs ABSL_GUARDED_BY(mutex) = false;
  bool fails ABSL_GUARDED_BY(mutex) = false;
  int writes ABSL_GUARDED_BY(mutex) = 0;
};

class EngineHostTest : public ::testing::Test {
 protected:
  EngineHostTest() {
    EngineOptions options;
    options.plugs_in_by_itself = false;
    HostEvents events;
    events.on_status = [this](const Status&, bool) { ++statuses; };
    events.on_request = [this](const PointRequest& request) {
      MutexLock lock(mutex);
      requests.push_back(request);
    };
    host = *EngineHost::Start(options, std::move(events), meter, log, clock, std::make_unique<RandomIdSource>(5),
                              kQueueBound);
    (void)Do([](Engine& core, Moment now) {
      EXPECT_TRUE(
          core.Hear({.cp = CpId("cp_001"), .epoch = LinkEpoch(1), .central_age = absl::ZeroDuration()}, now).ok());
      core.Configure({.epoch = LinkEpoch(1), .price = {350'000, "EUR"}, .causes = {}, .highest_grant = {}}, now);
      return 0;
    });
  }

  // Waits for the answer.
  template <typename Decide>
  absl::StatusOr<std::invoke_result_t<Decide, Engine&, Moment>> Do(Decide decide) {
    using Result = std::invoke_result_t<Decide, Engine&, Moment>;
    absl::StatusOr<Result> result;
    Notification done;
    host->Apply(decide, [&](absl::StatusOr<Result> r) {
      result = std::move(r);
      done.Notify();
    });
    EXPECT_TRUE(done.WaitForNotificationWithTimeout(kLimit));
    return result;
  }

  PrepareSession Order() {
    return {.grant = {.session = SessionId("0123456789abcdef0123456789abcdef"),
                      .cp = CpId("cp_001"),
                      .number = GrantNumber(1),
                      .driver = DriverId("driver_001"),
                      .price = {350'000, "EUR"},
                      .target = {},
                      .authorised = absl::Now(),
                      .key_id = {},
                      .signature = {}},
            .plug_in_time_to_live = absl::Seconds(30)};
  }

  SystemClock clock;
  FakeMeter meter;
  StubbornLog log;
  std::atomic<int> statuses = 0;
  Mutex mutex;
  std::vector<PointRequest> requests ABSL_GUARDED_BY(mutex);
  std::unique_ptr<EngineHost> host;
};

TEST_F(EngineHostTest, AnAnswerLeavesOnlyWhenTheMarkIsKept) {
  log.SetHanging(true);
  Notification answered;
  host->Apply([order = Order()](Engine& core, Moment now) { return core.Prepare(order, now); },
              [&](const absl::StatusOr<CommandAnswer>& answer) {
                EXPECT_EQ(answer->verdict, Verdict::kGranted);
                EXPECT_EQ(log.Load()->mark, GrantNumber(1));
                answered.Notify();
              });
  EXPECT_TRUE(Eventually(kLimit, [&] { return log.Writes() > 1; }));
  EXPECT_FALSE(answered.HasBeenNotified());
  log.SetHanging(false);
  EXPECT_TRUE(answered.WaitForNotificationWithTimeout(kLimit));
}

TEST_F(EngineHostTest, TheContactorClosesOnlyAfterTheStartIsKept) {
  (void)Do([order = Order()](Engine& core, Moment now) { return core.Prepare(order, now); });
  const int writes = log.Writes();
  log.SetHanging(true);
  EV_EXPECT_OK(host->Apply([](Engine& core, Moment now) { core.PlugIn(now); }));
  ASSERT_TRUE(Eventually(kLimit, [&] { return log.Writes() > writes; }));  // It hangs.
  EXPECT_EQ(host->GetStatus().report.occupation->phase, Phase::kCharging);
  EXPECT_EQ(meter.closings, 0);
  log.SetHanging(false);
  EXPECT_TRUE(Eventually(kLimit, [&] { return meter.closings == 1; }));
}

TEST_F(EngineHostTest, AStopIsAnsweredWhenTheFinalIsKeptAndTheFinalSaysWhatTheMeterSays) {
  (void)Do([order = Order()](Engine& core, Moment now) { return core.Prepare(order, now); });
  EV_EXPECT_OK(host->Apply([](Engine& core, Moment now) { core.PlugIn(now); }));
  ASSERT_TRUE(Eventually(kLimit, [&] { return meter.closings == 1; }));
  const auto answer = Do([](Engine& core, Moment now) {
    return core.Stop({.session = SessionId("0123456789abcdef0123456789abcdef"), .reason = EndReason::kDriverStop}, now);
  });
  EXPECT_EQ(answer->verdict, Verdict::kStopped);
  const auto kept = log.ReadUnsettled();
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[1].fact.kind, FactKind::kFinal);
  EXPECT_GT(kept[1].fact.energy_mwh, 0);
  EXPECT_EQ(kept[1].fact.register_mwh, host->GetStatus().register_mwh);
}

TEST_F(EngineHostTest, ALogThatFailsIsAnErrorToWhoAskedAndEndsTheCharge) {
  (void)Do([order = Order()](Engine& core, Moment now) { return core.Prepare(order, now); });
  EV_EXPECT_OK(host->Apply([](Engine& core, Moment now) { core.PlugIn(now); }));
  ASSERT_TRUE(Eventually(kLimit, [&] { return meter.closings == 1; }));
  log.SetFailing();
  ASSERT_TRUE(Eventually(kLimit, [&] { return !host->GetStatus().report.occupation.has_value(); }));
  ASSERT_TRUE(Eventually(kLimit, [&] { return log.ReadUnsettled().size() == 2; }));
  EXPECT_EQ(log.ReadUnsettled()[1].fact.end_reason, EndReason::kJournalFull);
}

TEST_F(EngineHostTest, EndChargeKeepsTheFinalAndStartsNothingMore) {
  (void)Do([order = Order()](Engine& core, Moment now) { return core.Prepare(order, now); });
  EV_EXPECT_OK(host->Apply([](Engine& core, Moment now) { core.PlugIn(now); }));
  ASSERT_TRUE(Eventually(kLimit, [&] { return meter.closings == 1; }));
  EV_EXPECT_OK(host->EndCharge(kLimit));
  ASSERT_EQ(log.ReadUnsettled().size(), 2u);
  EXPECT_EQ(log.ReadUnsettled()[1].fact.end_reason, EndReason::kEngineRestarted);
}

TEST_F(EngineHostTest, AtTheEndItWaitsUntilCentralHasSettledWhatIsKept) {
  (void)Do([order = Order()](Engine& core, Moment now) { return core.Prepare(order, now); });
  EV_EXPECT_OK(host->Apply([](Engine& core, Moment now) { core.PlugIn(now); }));
  ASSERT_TRUE(Eventually(kLimit, [&] { return meter.closings == 1; }));
  EV_EXPECT_OK(host->EndCharge(kLimit));
  host->AwaitSettled(absl::ZeroDuration());
  EXPECT_EQ(log.Stats().starts_and_finals, 2);
  std::jthread waits([this] {
    host->AwaitSettled(kLimit);
    EXPECT_EQ(log.Stats().starts_and_finals, 0);
  });
  EV_EXPECT_OK(host->Apply([](Engine& core, Moment now) {
    core.Settle({{.session = SessionId("0123456789abcdef0123456789abcdef"), .start = true, .final = true}}, now);
  }));
}

TEST_F(EngineHostTest, ARequestIsAnsweredOnceByWhatComesDown) {
  Notification answered;
  host->RequestSession({.request_id = "r", .driver = DriverId("d"), .target = {}, .waited = {}},
                       [&](const PointRequestAnswer& answer) {
                         EXPECT_EQ(answer.denial, DenialReason::kPointBusy);
                         answered.Notify();
                       });
  EXPECT_TRUE(Eventually(kLimit, [&] {
    MutexLock lock(mutex);
    return requests.size() == 1;
  }));
  EV_EXPECT_OK(host->Apply([](Engine& core, Moment now) {
    core.AnswerRequest({.request_id = "r", .session = {}, .denial = DenialReason::kPointBusy, .text = ""}, now);
  }));
  EXPECT_TRUE(answered.WaitForNotificationWithTimeout(kLimit));
}

// B122 B164
TEST_F(EngineHostTest, WhileTheLogHangsWhatWaitsForItHasABoundAndWhoComesThenIsToldAtOnce) {
  const int writes = log.Writes();
  log.SetHanging(true);
  EV_ASSERT_OK(host->Apply([order = Order()](Engine& core, Moment now) { (void)core.Prepare(order, now); }));
  ASSERT_TRUE(Eventually(kLimit, [&] { return log.Writes() > writes; }));  // It hangs: nothing more is taken to it.
  absl::Status refused;
  std::size_t taken = 0;
  std::atomic<std::size_t> answered = 0;
  while (refused.ok() && taken <= 2 * kQueueBound) {
    ++taken;
    // A refusal comes at once, on this thread.
    host->Apply([](Engine&, Moment) { return 0; },
                [&, self = std::this_thread::get_id()](const absl::StatusOr<int>& answer) {
                  if (std::this_thread::get_id() == self) refused = answer.status();
                  ++answered;
                });
  }
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(DetailOf(refused).reason, "OVERLOADED");
  EXPECT_EQ(DetailOf(refused).retry_after, absl::Seconds(1));
  bool was_called = false;
  EXPECT_THAT(host->Apply([&](Engine&, Moment) { was_called = true; }), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_FALSE(was_called);
  DenialReason denial = DenialReason::kNone;
  host->RequestSession({.request_id = "r", .driver = DriverId("d"), .target = {}, .waited = {}},
                       [&](const PointRequestAnswer& answer) { denial = answer.denial; });
  EXPECT_EQ(denial, DenialReason::kOverloaded);

  log.SetHanging(false);
  EXPECT_TRUE(Eventually(kLimit, [&] { return answered == taken; })) << "who was taken in has an answer";
  EXPECT_TRUE(Eventually(kLimit, [&] { return host->Apply([](Engine&, Moment) {}).ok(); }));
}

TEST_F(EngineHostTest, AChargeEndsAtTheEndOfTheProcessThoughTheQueueIsFullAndALogThatHangsIsSaid) {
  const int writes = log.Writes();
  log.SetHanging(true);
  EV_ASSERT_OK(host->Apply([order = Order()](Engine& core, Moment now) { (void)core.Prepare(order, now); }));
  ASSERT_TRUE(Eventually(kLimit, [&] { return log.Writes() > writes; }));  // It hangs: nothing more is taken to it.
  while (host->Apply([](Engine&, Moment) {}).ok()) {
  }
  EXPECT_THAT(host->EndCharge(absl::Milliseconds(10)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  log.SetHanging(false);
  EV_EXPECT_OK(host->EndCharge(kLimit));
}

TEST_F(EngineHostTest, TimePassesByItself) {
  const int before = statuses;
  EXPECT_TRUE(Eventually(kLimit, [&] { return statuses > before + 1; }));
}

}  // namespace
}  // namespace ev::engine
