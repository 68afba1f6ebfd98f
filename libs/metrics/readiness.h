#ifndef EV_METRICS_READINESS_H_
#define EV_METRICS_READINESS_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "metrics/registry.h"

namespace ev::metrics {

// kDegraded still takes requests: a Kafka outage must not take Central away from its Monitors.
enum class Health { kReady, kDegraded, kNotReady };

// "ready", "degraded", "not ready".
absl::string_view ToString(Health health);

struct Condition {
  Health health = Health::kNotReady;
  std::string reason;  // A fact for people, empty when ready.

  friend bool operator==(const Condition&, const Condition&) = default;
};

// By name.
using Conditions = std::map<std::string, Condition>;

// The worst of them; ready when there is none.
Health WorstOf(const Conditions& conditions);

struct Report {
  Health health = Health::kReady;  // The worst of the conditions.
  Conditions conditions;
  bool is_stopping = false;  // Stop() was called.

  // "ready", or "not ready" or "degraded" and a line `name: reason` for each condition that is not ready.
  std::string ToText() const;
  // The same reasons in one line: "kafka: no broker; store: loading".
  std::string Reasons() const;
};

// What a process needs before it takes requests, as named conditions. Thread-safe.
class Readiness {
 public:
  // Each condition is not ready, "starting", until it is set. Exports ev_condition{condition,state} (1 for the present
  // state, 0 for the others) and ev_ready.
  Readiness(Registry& registry, const std::vector<std::string>& conditions);

  // A name that the constructor did not get is a bug.
  void SetReady(const std::string& condition);
  void SetDegraded(const std::string& condition, absl::string_view reason);
  void SetNotReady(const std::string& condition, absl::string_view reason);

  // From now on not ready, "stopping", whatever is set: the first step of an orderly end.
  void Stop();

  Report Get() const;

  // Calls `listener` after each change, from the thread that made it, without a lock, until the token is destroyed. A
  // call that is on its way may still arrive after that.
  using Token = std::shared_ptr<const std::function<void()>>;
  [[nodiscard]] Token OnChange(std::function<void()> listener);

 private:
  void Set(const std::string& condition, Condition next);
  void Export() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Report GetLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Notify();

  mutable Mutex mutex_;
  Conditions conditions_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::weak_ptr<const std::function<void()>>> listeners_ ABSL_GUARDED_BY(mutex_);
  Gauge ready_;
  std::map<std::string, std::map<Health, Gauge>> gauges_;
};

}  // namespace ev::metrics

#endif  // EV_METRICS_READINESS_H_
