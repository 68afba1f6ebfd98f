// What the shards have forgotten is read again before an input that names it.

#include <gmock/gmock.h>

#include "services/central/adapters/shard_host.h"
#include "store/inmemory/inmemory_store.h"
#include "tests/integration/central/central_world.h"

namespace ev::central {
namespace {

// B152 B115
TEST(ForgottenRowsTest, ARequestThatLeavesMemoryWhileItsSessionIsReadIsReadAgain) {
  const SystemClock clock;
  store::InMemoryStore rows(1, "0123456789abcdef0123456789abcdef", clock.Now().utc);
  const SessionId session("ffffffffffffffffffffffffffffffff");
  store::ShardBatch batch{.shard = 0, .epoch = rows.TakeShards("test", "")->at(0).epoch, .network_causes = {}};
  batch.sessions = {{.id = session, .cp = CpId("cp_001"), .state = SessionState::kCompleted}};
  batch.requests = {{.key = "asked", .fingerprint = "same", .session = session, .received = clock.Now().utc}};
  ASSERT_THAT(rows.Commit({batch})[0], IsOk());

  HeldStore store(rows);
  metrics::Registry registry("ev-central", "test");
  HostOptions options;
  options.shard.recent_rows = 1;
  options.tick = absl::Milliseconds(5);
  const auto host = ShardHost::Create(
      options, store, clock, [](const OutboxItem&) { return store::OutboxRecord{}; }, registry);
  ASSERT_THAT(host, IsOk());
  const RowKeys keys{.sessions = {}, .requests = {"asked"}};
  int reads = 0;
  store.OnFindSession([&] {
    if (++reads > 1) return;
    // Other requests come between the look-up of the request and that of its session.
    EXPECT_THAT((*host)->Apply(0,
                               [](Shard& shard, const Moment& now, Effects&) {
                                 for (const char* key : {"other", "third"}) shard.RememberRequest(now, key, "");
                               }),
                IsOk());
    EXPECT_TRUE(Eventually(kPatience, [&] {
      bool is_forgotten = false;
      const absl::Status looked = (*host)->Apply(
          0, [&](Shard& shard, const Moment&, Effects&) { is_forgotten = !shard.Missing(keys).requests.empty(); });
      return looked.ok() && is_forgotten;
    }));
  });
  (*host)->Start();
  RequestUse use = RequestUse::kNew;
  EXPECT_THAT(
      (*host)->Apply(0, keys, [&](Shard& shard, const Moment&, Effects&) { use = shard.UseOf("asked", "same"); }),
      IsOk());
  EXPECT_EQ(use, RequestUse::kRepeat) << "a request that was answered before would be executed again";
  EXPECT_EQ(reads, 2);
  (*host)->Stop(kPatience);
}

}  // namespace
}  // namespace ev::central
