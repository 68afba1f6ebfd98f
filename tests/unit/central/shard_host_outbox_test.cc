#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "services/central/adapters/change_log.h"
#include "services/central/adapters/shard_host.h"
#include "store/inmemory/inmemory_store.h"
#include "tests/support/eventually.h"
#include "tests/support/logged_lines.h"
#include "tests/support/notification.h"
#include "tests/support/status_matchers.h"

namespace ev::central {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);
const CpId kPoint("cp_001");
constexpr absl::string_view kFull = "warn the outbox is full";
constexpr absl::string_view kHasRoom = "info the outbox has room again";
constexpr absl::string_view kDenied = "warn request denied cp_id=cp_001 driver_id=driver_001 reason=POINT_DISCONNECTED";

class ShardHostOutboxTest : public ::testing::Test {
 protected:
  ~ShardHostOutboxTest() override { host_->Stop(absl::Seconds(1)); }

  void Start(HostOptions options) {
    host_ = *ShardHost::Create(
        options, store_, clock_,
        [](const OutboxItem&) {
          return store::OutboxRecord{.id = "id", .topic = "topic", .key = "key", .value = "", .headers = {}};
        },
        registry_);
    host_->SetReadiness(readiness_);
    host_->AddObserver(log_);
    host_->Start();
    Do([](Shard& shard, const Moment& now, CallId call, Effects& out) {
      CreatePointCall create;
      create.call = call;
      create.cp = kPoint;
      create.location = "Harbour 1";
      shard.CreatePoint(now, create, out);
    });
  }
  // Runs a call and waits for its answer.
  template <typename Call>
  void Do(Call call) {
    Notification answered;
    const CallId id = host_->Await([&](const CallResult&) { answered.Notify(); });
    EV_ASSERT_OK(host_->Apply(0, [&](Shard& shard, const Moment& now, Effects& out) { call(shard, now, id, out); }));
    ASSERT_TRUE(answered.WaitForNotificationWithTimeout(kPatience));
  }
  // The charging point is disconnected.
  void BeDenied() {
    Do([](Shard& shard, const Moment& now, CallId call, Effects& out) {
      StartCall start;
      start.call = call;
      start.cp = kPoint;
      start.driver = DriverId("driver_001");
      shard.StartSession(now, start, out);
    });
  }
  std::vector<std::int64_t> OutboxPositions() {
    std::vector<std::int64_t> positions;
    const auto read = store_.ReadOutbox(0, 1000);
    for (const store::StoredOutboxRecord& row : *read) positions.push_back(row.position);
    return positions;
  }
  bool Exports(const std::string& line) const {
    return absl::StrContains(registry_.RenderText(), absl::StrCat("\n", line, "\n"));
  }

  // How many lines have been logged with `text`.
  std::ptrdiff_t Said(absl::string_view text) const {
    const std::vector<std::string> lines = logged_.Get();
    return std::count_if(lines.begin(), lines.end(),
                         [&](const std::string& line) { return absl::StrContains(line, text); });
  }

  const LoggedLines logged_;
  SystemClock clock_;
  ChangeLog log_;
  metrics::Registry registry_{"ev-central", "test"};
  metrics::Readiness readiness_{registry_, {"store", "outbox"}};
  store::InMemoryStore store_{1, "0123456789abcdef0123456789abcdef", absl::FromUnixSeconds(1'700'000'000)};
  std::unique_ptr<ShardHost> host_;
};

// B103
TEST_F(ShardHostOutboxTest, WhenTheOutboxHasRoomAgainADenialIsWrittenAgain) {
  Start({.outbox_bound = 1, .tick = absl::Milliseconds(5)});
  EXPECT_EQ(readiness_.Get().health, metrics::Health::kReady);
  BeDenied();
  EXPECT_EQ(readiness_.Get().health, metrics::Health::kDegraded);
  EXPECT_EQ(readiness_.Get().Reasons(), "outbox: full: denials and alerts do not reach Kafka");
  ASSERT_FALSE(OutboxPositions().empty());
  EXPECT_EQ(Said(kFull), 1);
  const std::size_t rows = OutboxPositions().size();
  BeDenied();
  EXPECT_EQ(OutboxPositions().size(), rows);
  EXPECT_TRUE(Exports("ev_denials_dropped_total 1"));
  EXPECT_TRUE(Eventually(kPatience, [&] { return Said(kDenied) == 2; })) << "also the one that was not sent";
  EXPECT_EQ(Said(kFull), 1) << "once, not at each denial";
  EXPECT_EQ(Said(kHasRoom), 0);
  EV_ASSERT_OK(store_.DeleteOutbox(OutboxPositions()));  // As the relay does.
  EXPECT_TRUE(Eventually(kPatience, [&] {
    BeDenied();
    return !OutboxPositions().empty();
  }));
  EXPECT_EQ(Said(kHasRoom), 1);
  EV_ASSERT_OK(store_.DeleteOutbox(OutboxPositions()));
  EXPECT_TRUE(Eventually(kPatience, [&] { return readiness_.Get().health == metrics::Health::kReady; }));
}

// B103 B122
TEST_F(ShardHostOutboxTest, AnOutboxThatIsFullAtTheStartIsKnownToBe) {
  const std::int64_t epoch = store_.TakeShards("seed", "").value().at(0).epoch;
  store::ShardBatch batch{.shard = 0, .epoch = epoch};
  batch.outbox.push_back({.id = "old", .topic = "topic", .key = "key", .value = "", .headers = {}});
  EV_ASSERT_OK(store_.Commit({batch}).at(0));
  Start({.outbox_bound = 1});
  EXPECT_EQ(readiness_.Get().health, metrics::Health::kDegraded);
  EXPECT_EQ(Said(kFull), 1);
  BeDenied();
  EXPECT_TRUE(Exports("ev_denials_dropped_total 1"));
}

// B103
TEST_F(ShardHostOutboxTest, WhenTheOutboxIsFullAnAlertIsNotSentButCountedAndLogged) {
  Start({.outbox_bound = 1});
  BeDenied();
  const std::size_t rows = OutboxPositions().size();
  EV_ASSERT_OK(host_->Apply(0, [](Shard& shard, const Moment& now, Effects& out) {
    shard.OnGap(now, {.topic = "t", .stored_next = 5, .log_start = 7, .log_end = 9, .found = now.utc}, 7, out);
  }));
  EXPECT_TRUE(Eventually(kPatience, [&] { return Said("warn alert kind=GAP") == 1; }));
  EXPECT_TRUE(Exports("ev_alerts_total{kind=\"gap\"} 1"));
  EXPECT_EQ(OutboxPositions().size(), rows);
}

}  // namespace
}  // namespace ev::central
