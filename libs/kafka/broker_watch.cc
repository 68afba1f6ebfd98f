#include "kafka/broker_watch.h"

#include <optional>
#include <utility>

#include "base/clock.h"
#include "kafka/monotonic.h"

namespace ev::kafka {

BrokerWatch::BrokerWatch(WatchConfig config, Reachability state, Question question, LogSink log,
                         HealthCallback on_change)
    : config_(config),
      question_(std::move(question)),
      log_(std::move(log)),
      on_change_(std::move(on_change)),
      state_(std::move(state)),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

BrokerWatch::~BrokerWatch() {
  thread_.request_stop();
  MutexLock lock(mutex_);  // Else the thread could miss the signal between its test and its wait.
  wake_.SignalAll();
}

void BrokerWatch::OnTrouble(absl::string_view reason) {
  MutexLock lock(mutex_);
  trouble_ = std::string(reason.substr(0, reason.find(" (after ")));  // What follows is librdkafka's own state.
  is_troubled_ = true;
  wake_.SignalAll();
}

void BrokerWatch::OnHeard() {
  MutexLock lock(mutex_);
  was_heard_ = true;
}

BackboneHealth BrokerWatch::Health() const {
  MutexLock lock(mutex_);
  return state_.health();
}

void BrokerWatch::Run(const std::stop_token& stop) {
  do {
    Ask();
  } while (WaitForTurn(stop));
}

void BrokerWatch::Ask() {
  const absl::StatusOr<std::string> answer = question_(config_.limit);
  const absl::Time now = SystemClock().Now().utc;  // Shown as the time of the change.
  std::optional<Note> note;
  BackboneHealth health;
  {
    MutexLock lock(mutex_);
    if (answer.ok()) {
      note = state_.OnAnswer(*answer, now);
      trouble_.clear();
      silences_ = 0;
    } else if (!trouble_.empty() || ++silences_ > 1) {
      // Without a connection that failed, one late answer is no silence yet: the broker may be busy.
      // A refused connection says more than the question that timed out because of it.
      note = state_.OnSilence(trouble_.empty() ? answer.status().message() : absl::string_view(trouble_), now);
    }
    health = state_.health();
  }
  if (!note.has_value()) return;
  if (log_) log_(*note);
  if (on_change_) on_change_(health);
}

bool BrokerWatch::WaitForTurn(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  const bool is_answered = state_.health().connected && silences_ == 0;
  // While there is no answer, every failed attempt to connect is a trouble: only the pause bounds the questions then.
  if (!is_answered) is_troubled_ = false;
  absl::Duration turn = Monotonic() + (is_answered ? config_.interval : config_.limit / 4);
  while (!stop.stop_requested()) {
    if (is_answered && std::exchange(is_troubled_, false)) return true;
    if (Monotonic() >= turn) {
      if (!is_answered || !std::exchange(was_heard_, false)) return true;
      turn = Monotonic() + config_.interval;
    }
    wake_.WaitFor(mutex_, turn - Monotonic());
  }
  return false;
}

}  // namespace ev::kafka
