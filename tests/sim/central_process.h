#ifndef EV_TESTS_SIM_CENTRAL_PROCESS_H_
#define EV_TESTS_SIM_CENTRAL_PROCESS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "services/central/core/shard.h"
#include "store/inmemory/inmemory_store.h"
#include "tests/sim/broker.h"
#include "tests/sim/clocks.h"
#include "tests/sim/network.h"

namespace ev::sim {

// What links bring down to a Monitor.
struct LinkDown {
  std::function<void(LinkEpoch)> welcome;
  std::function<void()> beat;
  std::function<void(const Configuration&)> configure;
  std::function<void(const Command&)> command;
  std::function<void(const Settlement&)> settle;
};

// Central's shards as their host runs them: effects leave only after the commit of what caused them. A crash loses what
// was not committed; a commit under way at that moment happens or does not.
class CentralProcess {
 public:
  struct Options {
    int shards = 2;
    central::ShardConfig shard;
  };
  // What the outbox would tell drivers, in the order of its commits.
  struct Told {
    std::vector<central::StatusUpdate> updates;
    std::vector<central::DeadLetter> dead_letters;
    std::vector<central::Alert> alerts;
  };

  CentralProcess(Options options, EventLoop& loop, Random& random, Network& network, Broker& broker,
                 std::function<int(const CpId&)> shard_of);

  void Start();
  void Crash();
  bool is_up() const { return run_ != nullptr; }
  // The next commit's outcome is unknown to Central, which ends with it.
  void FailNextCommit(bool written) {
    is_next_written_ = written;
    store_.FailNextCommit(written);
  }

  // A Monitor's stream. Its messages are to be sent with the methods below.
  struct Link {
    std::shared_ptr<Stream> stream;
    CpId cp;
    LinkEpoch epoch;
    LinkDown down;
  };
  using LinkHandle = std::shared_ptr<Link>;
  // The server's end of `link`; false: nobody listens.
  bool Open(const LinkHandle& link, const central::LinkHello& hello);
  void Beat(const LinkHandle& link, EngineHealth health, std::optional<EngineReport> report);
  void Answer(const LinkHandle& link, const CommandAnswer& answer);

  // A driver's stream of its sessions: what is open, a marker, then what changes.
  struct Watch {
    std::shared_ptr<Stream> stream;
    DriverId driver;
    std::function<void(const Session&, const std::optional<Ticket>&)> session;
    std::function<void()> snapshot;
    std::function<void()> heartbeat;
    std::map<SessionId, Session> waiting;  // To be written: of each session its newest.
  };
  using WatchHandle = std::shared_ptr<Watch>;
  // The server's end of `watch`; false: nobody listens.
  bool Open(const WatchHandle& watch);

  // A call. `done` may never be called: Central may crash. False: nobody listens.
  using OnResult = std::function<void(const central::CallResult&)>;
  bool Start(central::StartCall call, OnResult done);
  bool Stop(central::StopCall call, const CpId& cp, OnResult done);
  bool SetCause(const CpId& cp, bool set);
  bool UpdatePrice(const CpId& cp, std::int64_t micros_per_kwh);

  store::InMemoryStore& store() { return store_; }
  // Of a session as it was read: only one that is completed has a ticket.
  std::optional<Ticket> TicketOf(const Session& session);
  const Told& told() const { return told_; }
  std::vector<central::PointView> Points();
  std::int64_t commands_waiting() const;

  // Summed over all runs.
  central::ShardCounters counters() const;
  std::int64_t gaps = 0;
  std::int64_t crashes = 0;
  std::int64_t failed_commits = 0;  // Their outcome was unknown.
  std::int64_t refused_commits = 0;

 private:
  struct Run {
    Life life = std::make_shared<int>();
    std::optional<ProcessClock> clock;
    std::optional<RandomIdSource> ids;
    std::vector<std::unique_ptr<central::Shard>> shards;
    std::vector<central::Effects> effects;
    std::map<std::int64_t, LinkHandle> links;  // By StreamId.
    std::map<CpId, std::int64_t> newest;       // Accepted.
    std::map<std::int64_t, WatchHandle> watches;
    std::map<central::CallId, OnResult> calls;
    std::map<std::pair<int, int>, std::optional<std::int64_t>> positions;  // By topic and partition.
    int cluster = 0;
    std::int64_t last_id = 0;
    bool is_committing = false;
    std::vector<central::Shard::Batch> in_flight;
  };
  using Input = std::function<void(central::Shard&, const Moment&, central::Effects&)>;

  void Apply(int shard, const central::RowKeys& rows, const Input& input);
  void PlanCommit();
  void BeginCommit();
  void EndCommit(std::vector<central::Effects> effects);
  std::vector<absl::Status> Write(const std::vector<central::Shard::Batch>& batches);
  void Deliver(int shard, const central::Effect& effect);
  void Accept(const central::LinkAccepted& accepted);
  bool Send(const central::LinkMessage& message);
  void LinkGone(std::int64_t id);
  void Show(const WatchHandle& watch, const Session& session);
  void OnSession(const Session& session);
  void Consume(Broker::Topic topic, int partition);
  bool IsCurrent(const LinkHandle& link) const;
  void AddCounters();

  const Options options_;
  EventLoop& loop_;
  Random& random_;
  Network& network_;
  Broker& broker_;
  const std::function<int(const CpId&)> shard_of_;
  store::InMemoryStore store_;
  bool is_next_written_ = false;
  Told told_;
  central::ShardCounters past_;
  std::unique_ptr<Run> run_;
};

}  // namespace ev::sim

#endif  // EV_TESTS_SIM_CENTRAL_PROCESS_H_
