#ifndef EV_SERVICES_CENTRAL_ADAPTERS_SHARD_HOST_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_SHARD_HOST_H_

#include <atomic>
#include <cassert>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/id_source.h"
#include "base/mutex.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "services/central/core/shard.h"
#include "store/store.h"

namespace ev::central {

// Takes messages for links. Called by the committer's thread only; must not block.
class LinkSink {
 public:
  virtual ~LinkSink() = default;
  virtual void Accept(const LinkAccepted& accepted) = 0;
  virtual void Refuse(const LinkRefused& refused) = 0;
  // False: the link with this epoch is gone, the message never left.
  virtual bool Send(const LinkMessage& message) = 0;
};

// Sees every durable change, in order for each charging point. Called by the committer's thread only; must not block.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void OnSession(const SessionChanged& change) = 0;
  virtual void OnPoint(const PointChanged& change) = 0;
  virtual void OnDenied(const RequestDenied&) {}
  virtual void OnDeadLetter(const DeadLettered& letter) = 0;
  virtual void OnAlert(const AlertRaised&) {}
};

// Turns what must reach Kafka into rows. Called under no lock.
using OutboxEncoder = std::function<store::OutboxRecord(const OutboxItem&)>;

struct HostOptions {
  ShardConfig shard;  // dedup_window is for all shards together.
  std::string owner = "ev-central";
  std::string address;
  std::int64_t outbox_bound = 100'000;  // Rows; see Shard::SetOutboxFull().
  std::int64_t backlog_bound = 50'000;  // Effects; see ShardHost::is_behind().
  std::int64_t calls_bound = 20'000;    // See ShardHost::RefusesCalls(). A list of all points counts once a shard.
  absl::Duration tick = absl::Milliseconds(200);
};

// Holds the shards: one mutex around each, one committer for all.
//
// An input runs under its shard's mutex, without I/O. Its effects (replies, link messages, changes) leave when the rows
// that it changed, and every change that it may have seen, are durable: the committer takes what all shards have ready
// into one transaction, and starts the next as soon as that is done.
//
// A commit that fails for a shard, or whose outcome is unknown, ends the host, and so does a store whose medium has
// failed (CheckMedium(), asked after each commit and once a second): nothing leaves any more and `on_failure` is called
// once; the process must end, and reads the truth at its next start.
//
// Thread-safe. Start() once, after the sinks are set.
class ShardHost {
 public:
  // Takes all shards. `store`, `clock` and `encoder` must outlive the host.
  static absl::StatusOr<std::unique_ptr<ShardHost>> Create(const HostOptions& options, store::Store& store,
                                                           const Clock& clock, OutboxEncoder encoder,
                                                           metrics::Registry& registry);
  // Stops without waiting for what is not committed: call Stop() first.
  ~ShardHost();

  void SetLinks(LinkSink& links) { links_ = &links; }
  void AddObserver(Observer& observer) { observers_.push_back(&observer); }
  // Conditions `store` and `outbox`: ready from Start() on, degraded while the host is behind, and while the outbox is
  // full.
  void SetReadiness(metrics::Readiness& readiness) { readiness_ = &readiness; }
  // Called once, from the committer's thread.
  void OnFailure(std::function<void(const absl::Status&)> on_failure) { on_failure_ = std::move(on_failure); }
  // Called when a commit has written outbox rows.
  void OnOutbox(std::function<void()> on_outbox) { on_outbox_ = std::move(on_outbox); }
  // Called after each commit, with the offsets that are durable now. All of these are set before Start().
  void OnOffsets(std::function<void(const std::vector<store::OffsetAdvance>&)> on_offsets) {
    assert(!committer_.joinable());
    on_offsets_ = std::move(on_offsets);
  }
  void Start();
  // Commits what is there and answers it, for at most `limit`; then no input has an effect any more. What is left then
  // is given up, which is said in the log, and its callers get Unavailable.
  void Stop(absl::Duration limit);

  int shards() const { return static_cast<int>(slots_.size()); }
  int ShardOf(const CpId& cp) const;
  // What a charging point shows now. Not durable by its nature: after a restart it is DISCONNECTED.
  PointState ShownState(const CpId& cp) const;

  // Runs `input` on one shard, after the rows that it names but the shard does not hold have been read. `input` must
  // not block. Unavailable when the host has stopped, or the store could not be read.
  using Input = absl::FunctionRef<void(Shard& shard, const Moment& now, Effects& out)>;
  absl::Status Apply(int shard, const RowKeys& rows, Input input);
  absl::Status Apply(int shard, Input input) { return Apply(shard, RowKeys{}, input); }

  // A caller that waits: `done` is called exactly once, by the committer's thread, with the result that a Reply with
  // this id carries; or by Stop() with Unavailable.
  CallId Await(std::function<void(const CallResult&)> done);
  // Takes back an Await whose input could not be applied; `done` is not called.
  void Forget(CallId call);

  // More effects than HostOptions::backlog_bound wait for a commit or for its end: nothing else bounds what gathers
  // while a commit hangs. Whoever brings something new asks first and holds it back, and time stands still for the
  // shards. What ends something that was taken before (an answer of a charging point, the close of a link) comes in.
  bool is_behind() const { return backlog_ > options_.backlog_bound; }
  // Whether a new call is to be answered OVERLOADED: the host is behind, or HostOptions::calls_bound calls wait for
  // charging points that do not answer.
  bool RefusesCalls();

  store::Store& store() { return store_; }

 private:
  struct Slot;
  struct Metrics;

  ShardHost(const HostOptions& options, store::Store& store, const Clock& clock, OutboxEncoder encoder,
            metrics::Registry& registry);

  void CommitLoop(const std::stop_token& stop);
  // Returns whether there was something to do.
  bool CommitOnce();
  void TickLoop(const std::stop_token& stop);
  void Deliver(int shard, Effects effects);
  // Whether the host is behind.
  void CountTicket(const Ticket& ticket);
  void ShowStore();
  // Tells every shard when the outbox has become full or has room again.
  void LookAtOutbox();
  void Wake();
  void Fail(const absl::Status& status);
  void Collect();

  const HostOptions options_;
  store::Store& store_;
  const Clock& clock_;
  const OutboxEncoder encoder_;
  RandomIdSource ids_;  // Seeds those of the shards.
  LinkSink* links_ = nullptr;
  metrics::Readiness* readiness_ = nullptr;
  std::vector<Observer*> observers_;
  std::function<void(const absl::Status&)> on_failure_;
  std::function<void()> on_outbox_;
  std::function<void(const std::vector<store::OffsetAdvance>&)> on_offsets_;
  std::vector<std::unique_ptr<Slot>> slots_;

  std::atomic<std::int64_t> backlog_ = 0;

  Mutex outbox_mutex_;                        // One look at a time: an older one must not have the last word.
  std::atomic<bool> is_outbox_full_ = false;  // Written under the mutex.
  bool outbox_failure_said_ ABSL_GUARDED_BY(outbox_mutex_) = false;

  Mutex calls_mutex_;
  absl::flat_hash_map<CallId, std::function<void(const CallResult&)>> calls_ ABSL_GUARDED_BY(calls_mutex_);
  std::int64_t next_call_ ABSL_GUARDED_BY(calls_mutex_) = 0;

  Mutex wake_mutex_;
  CondVar wake_;
  CondVar idle_;
  bool has_work_ ABSL_GUARDED_BY(wake_mutex_) = false;
  bool is_idle_ ABSL_GUARDED_BY(wake_mutex_) = true;
  bool stopped_ ABSL_GUARDED_BY(wake_mutex_) = false;

  std::unique_ptr<Metrics> metrics_;
  metrics::Registry::Token collect_;
  std::jthread ticker_;
  std::jthread committer_;  // Last: stops before anything it uses is destroyed.
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_SHARD_HOST_H_
