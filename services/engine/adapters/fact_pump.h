#ifndef EV_SERVICES_ENGINE_ADAPTERS_FACT_PUMP_H_
#define EV_SERVICES_ENGINE_ADAPTERS_FACT_PUMP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "events/publisher.h"
#include "journal/fact_log.h"
#include "metrics/registry.h"

namespace ev::engine {

struct PumpOptions {
  std::string data_topic;      // Starts and samples.
  std::string complete_topic;  // Finals.
  int max_in_flight =
      1000;  // Facts that the publisher has and the broker has not acknowledged. The rest waits in the log.
  absl::Duration retry_after = absl::Milliseconds(200);
};

// Carries facts from the log to Kafka in their order, key = charging point, and tells the log what the broker has.
// What could not be delivered is published again, with the same bytes. A broker refuses a batch for one message in it:
// so what was refused is published alone, and only what is refused alone is said and given up (a start or a final stays
// in the log, unsettled).
//
// Owns one thread. The destructor gives up on what is in flight: call Drain() first. Thread-safe.
class FactPump {
 public:
  // Both must outlive the pump, and the publisher must be destroyed, or done with every message, before the log is.
  FactPump(PumpOptions options, journal::FactLog& log, Publisher& publisher, metrics::Registry& registry);
  ~FactPump();

  // There are new facts in the log.
  void Wake();
  // Every unsettled start and final once more, but those that are still on their way.
  void ProduceAgain();

  // Waits until everything in the log has been acknowledged once; DeadlineExceeded says how many facts have not.
  absl::Status Drain(absl::Duration limit);

 private:
  // What the delivery callbacks need: they may come after the pump has gone.
  struct State {
    explicit State(journal::FactLog& the_log) : log(the_log) {}
    journal::FactLog& log;
    Mutex mutex;
    CondVar wake;
    std::int64_t cursor ABSL_GUARDED_BY(mutex) = 0;  // Everything up to it was handed over.
    std::set<std::int64_t> in_flight ABSL_GUARDED_BY(mutex);
    std::set<std::int64_t> again ABSL_GUARDED_BY(mutex);       // To be handed over once more, oldest first.
    std::set<std::int64_t> refused ABSL_GUARDED_BY(mutex);     // To be handed over once more, each alone.
    std::optional<std::int64_t> alone ABSL_GUARDED_BY(mutex);  // The one of them that is in flight.
    absl::Duration pause ABSL_GUARDED_BY(mutex);               // Before the next attempt.
    bool new_facts ABSL_GUARDED_BY(mutex) = true;
    bool needs_help ABSL_GUARDED_BY(mutex) = false;  // Said once: only somebody who mends the broker ends it.
    metrics::Counter acknowledged_data, acknowledged_complete, failed_data, failed_complete;
  };

  void Run(const std::stop_token& stop);
  std::vector<journal::StoredFact> NextBatch();
  bool Publish(const journal::StoredFact& stored);
  void PutBack(std::int64_t position);
  static void Delivered(State& state, std::int64_t position, bool complete, absl::Duration retry_after,
                        const absl::Status& status);
  static void SayTrouble(State& state, const std::string& topic, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mutex);
  // Never possible: to try for ever would hold up all that follows. A start or a final stays in the log and visible.
  static void GiveUp(State& state, std::int64_t position, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mutex);

  const PumpOptions options_;
  journal::FactLog& log_;
  Publisher& publisher_;
  std::shared_ptr<State> state_;
  metrics::Registry::Token collect_;
  std::jthread thread_;  // Last: stops before anything it uses is destroyed.
};

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_ADAPTERS_FACT_PUMP_H_
