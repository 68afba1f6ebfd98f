#ifndef EV_SERVICES_DRIVER_ADAPTERS_AGENT_H_
#define EV_SERVICES_DRIVER_ADAPTERS_AGENT_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/id_source.h"
#include "base/mutex.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "services/driver/adapters/agent_metrics.h"
#include "services/driver/adapters/central_client.h"
#include "services/driver/core/drivers.h"

namespace ev::driver {

struct AgentOptions {
  DriversConfig core;
  // News come from the event log: no streams are opened, but what is open is asked for now and then.
  bool asks = false;
  absl::Duration ask_interval = absl::Seconds(5);
  std::size_t backlog_bound = 100'000;  // Effects and tasks; see Agent.
};

// Runs the core: gives it time and what Central says, and carries out what it asks for.
//
// One thread does that, in the order in which the core asked, and makes every callback but the answer to a call that
// failed at once: they must not block, and may call the agent. Other threads only take the lock, decide and leave the
// effects in a queue. Thread-safe.
//
// While `backlog_bound` of them wait, live figures are dropped and calls are refused with ResourceExhausted
// (OVERLOADED) and the time to wait. What cannot be refused is taken beyond it, and is no more than the core may have
// open: a stream for each driver that is followed, an attempt and an answer for each call on its way, the few states
// that a session passes through, and the end of each reading that was accepted. The next attempt, stream or tick comes
// from the thread itself, so that none is added while it is behind.
class Agent {
 public:
  using OnAnswer = std::function<void(absl::StatusOr<Charge>)>;
  using OnConclusion = std::function<void(const Conclusion&)>;
  using OnTold = std::function<void(const Told&)>;
  using OnStep = std::function<void(const ListStep&)>;
  using ReaderId = std::int64_t;

  // The condition that `readiness` must have: degraded while Central cannot be reached.
  static constexpr char kCondition[] = "central";

  // All must outlive the agent.
  Agent(const AgentOptions& options, CentralClient& client, const Clock& clock, IdSource& ids,
        metrics::Registry& registry, metrics::Readiness& readiness);
  ~Agent();

  // Ends the thread, then the calls to Central; what has not called back by then never does.
  void Shutdown();

  // `answered` comes once, perhaps before this returns. `concluded`, if given, comes after it when the charge has come
  // to its end; when the call itself failed, at once. OVERLOADED: see above; so may RunList(), Watch(), WhenSettled().
  void Start(StartCall call, OnAnswer answered, OnConclusion concluded = nullptr);
  void Stop(const StopCall& call, OnAnswer answered);

  // `step` gets the steps from now on, until LeaveList(); of a list that is over only its last. When the last reader
  // has left, the list is cancelled.
  absl::StatusOr<ReaderId> RunList(const ListCall& call, OnStep step);
  void LeaveList(ReaderId reader);

  // `first` gets the driver as it is known now, then `told` everything that happens, until Unwatch(). Keeps the driver
  // followed meanwhile. ResourceExhausted: too many drivers.
  absl::StatusOr<ReaderId> Watch(const DriverId& driver, std::function<void(const DriverView&)> first, OnTold told);
  void Unwatch(const DriverId& driver, ReaderId reader);

  // Calls once: when what is open is known, Central cannot be reached, or `limit` has passed. Follows the driver.
  // ResourceExhausted: too many drivers.
  absl::Status WhenSettled(const DriverId& driver, absl::Duration limit, std::function<void()> done);

  DriverView View(const DriverId& driver) const;
  CentralView central() const;
  Moment Now() const { return clock_.Now(); }

  // News of a session from the event log.
  void OnNews(Charge charge);

 private:
  struct Caller {
    OnAnswer answered;
    OnConclusion concluded;
  };
  struct ListReader {
    DriverId driver;
    ListId list;
    OnStep step;
  };
  // A stream of the core's that is none.
  struct Asking {
    DriverId driver;
    WatchId watch;
    bool in_flight = false;
    absl::Duration next;
  };
  struct Waiter {
    DriverId driver;
    absl::Duration until;
    std::function<void()> done;
  };
  using Task = std::function<void()>;  // For the thread, in order with the effects.

  // Decides under the lock and queues the effects.
  void Input(const std::function<void(Drivers&, const Moment&, Effects&)>& decide);
  void Push(Effects effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Post(Task task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Call(const Caller& caller,
            const std::function<absl::StatusOr<CallId>(Drivers&, const Moment&, Effects&)>& decide);
  // Whether a call may be taken.
  absl::Status CheckRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsFull() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void Run(const std::stop_token& stop);
  std::deque<std::variant<Effect, Task>> TakeQueue(const std::stop_token& stop);
  void Do(const OpenWatch& effect);
  void Do(const CloseWatch& effect);
  void Do(const SendStart& effect);
  void Do(const SendStop& effect);
  void Do(const SendGet& effect);
  void Do(const Answered& effect);
  void Do(const Concluded& effect);
  void Do(const Told& effect);
  void Do(const Settled& effect);
  void Do(const ListStep& effect);
  void AskForOpen();
  void OnOpen(const DriverId& driver, WatchId watch, absl::StatusOr<CentralClient::OpenSessions> open);
  void ServeWaiters();
  void ShowCentral();
  void Collect();

  const AgentOptions options_;
  CentralClient& client_;
  const Clock& clock_;
  metrics::Readiness& readiness_;
  AgentMetrics metrics_;

  mutable Mutex mutex_;
  CondVar wake_;
  Drivers core_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::variant<Effect, Task>> queue_ ABSL_GUARDED_BY(mutex_);
  bool is_full_said_ ABSL_GUARDED_BY(mutex_) = false;  // Since the queue was taken last.
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  ReaderId last_reader_ ABSL_GUARDED_BY(mutex_) = 0;

  // The thread's own.
  std::map<CallId, Caller> callers_;
  std::map<DriverId, std::map<ReaderId, OnTold>> watchers_;
  std::map<ReaderId, ListReader> readers_;
  std::vector<Waiter> waiters_;
  std::map<WatchId, Asking> asking_;
  CentralView shown_;

  metrics::Registry::Token collect_;
  std::jthread thread_;  // Last: stops before anything it uses is destroyed.
};

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_ADAPTERS_AGENT_H_
