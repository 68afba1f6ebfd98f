#ifndef EV_KAFKA_BROKER_WATCH_H_
#define EV_KAFKA_BROKER_WATCH_H_

#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "events/backbone_health.h"
#include "kafka/log_sink.h"
#include "kafka/reachability.h"

namespace ev::kafka {

// Told every change of `connected`, from a thread of the library, after the note was logged. Must not block.
using HealthCallback = std::function<void(const BackboneHealth&)>;

struct WatchConfig {
  // Between two questions while connected and nothing else is heard.
  absl::Duration interval = absl::Seconds(5);
  // For one answer. After a question without one, a quarter of it passes before the next.
  absl::Duration limit = absl::Seconds(1);
};

// Knows whether the brokers answer. Owns one thread that asks. Unreachable: no answer in time and a connection has
// failed, or no answer twice in a row (a broker may accept connections and be silent: suspended). Destruction waits for
// a running question, at most `limit`. Thread-safe.
class BrokerWatch {
 public:
  // Asks a broker, waiting at most the given time, and returns the cluster's id.
  using Question = std::function<absl::StatusOr<std::string>(absl::Duration limit)>;

  BrokerWatch(WatchConfig config, Reachability state, Question question, LogSink log, HealthCallback on_change);
  ~BrokerWatch();

  // A connection failed: asks now, and keeps the reason for the note that may follow.
  void OnTrouble(absl::string_view reason);
  // A broker has just answered something else: no need to ask for a while.
  void OnHeard();

  BackboneHealth Health() const;

 private:
  void Run(const std::stop_token& stop);
  void Ask();
  // Waits until it is time to ask; false when stopped.
  bool WaitForTurn(const std::stop_token& stop);

  const WatchConfig config_;
  const Question question_;
  const LogSink log_;
  const HealthCallback on_change_;
  mutable Mutex mutex_;
  CondVar wake_;
  Reachability state_ ABSL_GUARDED_BY(mutex_);
  int silences_ ABSL_GUARDED_BY(mutex_) = 0;     // Questions without an answer, in a row.
  std::string trouble_ ABSL_GUARDED_BY(mutex_);  // The newest reason since the last answer.
  bool is_troubled_ ABSL_GUARDED_BY(mutex_) = false;
  bool was_heard_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;  // Last: stops before anything it uses is destroyed.
};

}  // namespace ev::kafka

#endif  // EV_KAFKA_BROKER_WATCH_H_
