#ifndef EV_SERVICES_ENGINE_ADAPTERS_ENGINE_HOST_H_
#define EV_SERVICES_ENGINE_ADAPTERS_ENGINE_HOST_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/id_source.h"
#include "base/mutex.h"
#include "journal/fact_log.h"
#include "services/engine/adapters/meter.h"
#include "services/engine/core/engine.h"

namespace ev::engine {

// Who is told what has been decided and kept. Called from the host's own thread, one at a time and in order; none may
// block for long.
struct HostEvents {
  std::function<void(const Status&, bool changed)> on_status;
  std::function<void(const PointRequest&)> on_request;  // To Central, through the Monitor.
  std::function<void(const Note&)> on_note;
  std::function<void(const journal::LogWrite&)> on_kept;  // The log holds it now.
  std::function<void()> on_produce_again;
};

// Runs the Engine's core: one lock around it, the meter served at once, everything else after the log has it.
//
// Owns two threads: one ticks, one writes to the log and shows. The destructor writes and shows what was decided; call
// EndCharge() first. Thread-safe.
class EngineHost {
 public:
  // Each call waits for its own answer, so only a log that hangs makes so many.
  static constexpr std::size_t kQueueBound = 10'000;

  // All must outlive the host. Any error of loading the log.
  static absl::StatusOr<std::unique_ptr<EngineHost>> Start(EngineOptions options, HostEvents events, Meter& meter,
                                                           journal::FactLog& log, const Clock& clock,
                                                           std::unique_ptr<IdSource> ids,
                                                           std::size_t queue_bound = kQueueBound);
  ~EngineHost();

  // Calls `decide(core, now)` under the lock, at once; then, on the host's thread and when all of it is kept,
  // `then(result)`, with the log's error when it is not. `decide` must not call the host.
  //
  // While `queue_bound` decisions wait for the log nothing new is decided: `then` gets ResourceExhausted (OVERLOADED),
  // at once and on the caller's thread.
  template <typename Decide, typename Then>
  void Apply(Decide decide, Then then);
  // The same, for what has no answer: it is returned.
  template <typename Decide>
  absl::Status Apply(Decide decide);

  // `answer` comes once: Central's, or the reason why there is none.
  void RequestSession(PointRequest request, std::function<void(PointRequestAnswer)> answer);

  Status GetStatus() const;

  // The process is about to end: a running charge ends now, with its final, and none starts any more. Waits until the
  // final is in the log; the log's error, or DeadlineExceeded when that took longer than `limit`.
  absl::Status EndCharge(absl::Duration limit);
  // Waits until Central has settled every start and final in the log, at most `limit`.
  void AwaitSettled(absl::Duration limit);

 private:
  struct Item {
    Outcome outcome;
    std::function<void(const absl::Status&)> then;
  };

  EngineHost(EngineOptions options, HostEvents events, Meter& meter, journal::FactLog& log, const Clock& clock,
             std::unique_ptr<IdSource> ids, std::size_t queue_bound, const journal::LogContents& contents);

  // OK while there is room in the queue.
  absl::Status CheckRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Serves the meter and queues the rest.
  void Finish(Moment now, std::function<void(const absl::Status&)> then) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Outcome ServeMeter(Moment now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tick();
  void RunTicks(const std::stop_token& stop);
  void RunWrites(const std::stop_token& stop);
  void WriteAndShow(std::deque<Item> items);
  absl::Status Write(const journal::LogWrite& write);
  void Show(Item& item, const absl::Status& kept);

  const HostEvents events_;
  const std::size_t queue_bound_;
  Meter& meter_;
  journal::FactLog& log_;
  const Clock& clock_;
  std::unique_ptr<IdSource> ids_;

  mutable Mutex mutex_;
  CondVar wake_;
  Engine core_ ABSL_GUARDED_BY(mutex_);
  std::deque<Item> items_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<RequestToken, std::function<void(PointRequestAnswer)>> askers_ ABSL_GUARDED_BY(mutex_);
  RequestToken next_token_ ABSL_GUARDED_BY(mutex_) = 1;
  std::optional<absl::Status> ended_ ABSL_GUARDED_BY(mutex_);

  std::jthread writer_;  // Last two: they stop before anything they use is destroyed, the ticks first.
  std::jthread ticker_;
};

template <typename Decide, typename Then>
void EngineHost::Apply(Decide decide, Then then) {
  using Result = std::invoke_result_t<Decide, Engine&, Moment>;
  absl::Status room;
  {
    MutexLock lock(mutex_);
    room = CheckRoom();
    if (room.ok()) {
      const Moment now = clock_.Now();
      // A shared_ptr, because std::function wants to be copied.
      auto result = std::make_shared<absl::StatusOr<Result>>(decide(core_, now));
      Finish(now, [result, then = std::move(then)](const absl::Status& kept) mutable {
        if (!kept.ok()) *result = kept;
        then(std::move(*result));
      });
      return;
    }
  }
  then(absl::StatusOr<Result>(std::move(room)));
}

template <typename Decide>
absl::Status EngineHost::Apply(Decide decide) {
  MutexLock lock(mutex_);
  if (absl::Status room = CheckRoom(); !room.ok()) return room;
  const Moment now = clock_.Now();
  decide(core_, now);
  Finish(now, nullptr);
  return absl::OkStatus();
}

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_ADAPTERS_ENGINE_HOST_H_
