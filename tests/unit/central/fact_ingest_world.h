#ifndef EV_TESTS_UNIT_CENTRAL_FACT_INGEST_WORLD_H_
#define EV_TESTS_UNIT_CENTRAL_FACT_INGEST_WORLD_H_

#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "events/murmur2.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "services/central/adapters/fact_ingest.h"
#include "services/central/adapters/outbox_codec.h"
#include "store/inmemory/inmemory_store.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/central/facts_on_kafka.h"
#include "wire/fact_encoder.h"

namespace ev::central {

inline constexpr int kShards = 3;
inline constexpr absl::Duration kPatience = absl::Seconds(30);

// Stands until a test moves it.
class StandingClock final : public Clock {
 public:
  Moment Now() const override {
    MutexLock lock(mutex_);
    return now_;
  }
  void Set(absl::Time utc) {
    MutexLock lock(mutex_);
    now_.monotonic += utc - now_.utc;
    now_.utc = utc;
  }

 private:
  mutable Mutex mutex_;
  Moment now_ ABSL_GUARDED_BY(mutex_){absl::FromUnixSeconds(1'700'000'100), absl::Seconds(100)};
};

// Central from its subscriber to its store: `Subscriber` is the test's. A store with what Seed() put there before.
template <typename SubscriberOfTest>
class IngestWorld {
 public:
  struct Parts {
    template <typename... Args>
    explicit Parts(IngestWorld& world, Args&&... args) : subscriber(std::forward<Args>(args)...) {
      auto made = ShardHost::Create(
          world.host_options, world.store, world.clock,
          [&world](const OutboxItem& item) { return world.codec.Encode(item); }, registry);
      EXPECT_THAT(made, IsOk());
      host = *std::move(made);
      ingest = std::make_unique<FactIngest>(world.topics, *host, subscriber, world.clock, registry, readiness);
    }
    // What is not committed is lost.
    ~Parts() {
      subscriber.Stop();
      host.reset();
    }

    metrics::Registry registry{"ev-central", "test"};
    metrics::Readiness readiness{registry, {"kafka_consumer"}};
    std::unique_ptr<ShardHost> host;
    SubscriberOfTest subscriber;
    std::unique_ptr<FactIngest> ingest;
  };

  IngestWorld() {
    topics.session_data.partitions = kShards;
    topics.session_complete.partitions = kShards;
  }

  // The session is in the store, with its charging point, before Central starts.
  void Seed(const Session& session) {
    auto states = store.TakeShards("seed", "");
    ASSERT_THAT(states, IsOk());
    const int shard = ShardOf(session.cp);
    store::ShardBatch batch{.shard = shard, .epoch = states->at(static_cast<std::size_t>(shard)).epoch};
    batch.points.push_back({.id = session.cp,
                            .location = "Harbour 1",
                            .site = "harbour",
                            .price = session.price,
                            .causes = {},
                            .link_epoch = LinkEpoch(1),
                            .highest_grant = session.number,
                            .booked_through = GrantNumber(session.number.value() - 1),
                            .registered = session.requested,
                            .journal_id = "journal"});
    batch.sessions.push_back(session);
    EV_ASSERT_OK(store.Commit({batch}).at(0));
  }
  static int ShardOf(const CpId& cp) { return PartitionFor(cp.value(), kShards); }

  std::vector<Ticket> Tickets(const Session& session) {
    return store.ListTickets({.driver = {}, .cp = {}, .session = session.id}).value().items;
  }
  bool IsBooked(const Session& session) {
    return Eventually(kPatience, [&] { return !Tickets(session).empty(); });
  }
  // Takes the shards from a Central that runs.
  std::vector<store::Offset> TakeOffsets() {
    std::vector<store::Offset> offsets;
    const auto read = store.TakeShards("test", "");
    for (const store::ShardState& state : *read) {
      offsets.insert(offsets.end(), state.offsets.begin(), state.offsets.end());
    }
    return offsets;
  }

  Topics topics;
  HostOptions host_options{.tick = absl::Hours(1)};
  const OutboxCodec codec{topics};
  StandingClock clock;
  store::InMemoryStore store{kShards, "0123456789abcdef0123456789abcdef", absl::FromUnixSeconds(1'700'000'000)};
};

}  // namespace ev::central

#endif  // EV_TESTS_UNIT_CENTRAL_FACT_INGEST_WORLD_H_
