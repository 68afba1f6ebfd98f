#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "services/central/adapters/shard_host.h"
#include "store/inmemory/inmemory_store.h"
#include "tests/support/eventually.h"
#include "tests/support/notification.h"
#include "tests/support/status_matchers.h"

namespace ev::central {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);
const CpId kPoint("cp_001");

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

  SystemClock clock_;
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
  const std::size_t rows = OutboxPositions().size();
  BeDenied();
  EXPECT_EQ(OutboxPositions().size(), rows);
  EXPECT_TRUE(Exports("ev_denials_dropped_total 1"));
  EV_ASSERT_OK(store_.DeleteOutbox(OutboxPositions()));  // As the relay does.
  EXPECT_TRUE(Eventually(kPatience, [&] {
    BeDenied();
    return !OutboxPositions().empty();
  }));
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
  BeDenied();
  EXPECT_TRUE(Exports("ev_denials_dropped_total 1"));
}

}  // namespace
}  // namespace ev::central
