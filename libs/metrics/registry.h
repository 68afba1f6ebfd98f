#ifndef EV_METRICS_REGISTRY_H_
#define EV_METRICS_REGISTRY_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace ev::metrics {

using Labels = std::map<std::string, std::string>;

// Handles to one series each: small, copied freely, thread-safe, valid as long as their Registry. A handle made without
// a registry drops what it is given.
class Counter {
 public:
  Counter() = default;
  explicit Counter(prometheus::Counter* counter) : counter_(counter) {}
  void Increment(double by = 1) const;
  double Value() const;

 private:
  prometheus::Counter* counter_ = nullptr;
};

class Gauge {
 public:
  Gauge() = default;
  explicit Gauge(prometheus::Gauge* gauge) : gauge_(gauge) {}
  void Set(double value) const;
  void Add(double by) const;
  double Value() const;

 private:
  prometheus::Gauge* gauge_ = nullptr;
};

class Histogram {
 public:
  Histogram() = default;
  explicit Histogram(prometheus::Histogram* histogram) : histogram_(histogram) {}
  // Takes a mutex.
  void Observe(double value) const;

 private:
  prometheus::Histogram* histogram_ = nullptr;
};

// Upper bounds in seconds, 1 ms to 10 s: for what people wait for.
std::vector<double> LatencyBuckets();

// All series of a process. A series is exported, at 0, from the moment it is added: add every label set at start and
// keep the handle. Labels never come from user input, sessions, drivers or messages.
//
// The same name again with other labels adds to the family; its help stays as first given. The same name and labels
// give the same series. An invalid name, or a name that already has another type, is a bug and ends the process.
//
// Thread-safe.
class Registry {
 public:
  // Adds ev_build_info{service,version} 1, and what ExportProcess() exports.
  Registry(absl::string_view service, absl::string_view version);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter AddCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge AddGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram AddHistogram(const std::string& name, const std::string& help, const std::vector<double>& buckets,
                         const Labels& labels = {});

  // Calls `collect` before each rendering, from the thread that renders, to set gauges that are read rather than
  // counted (queue depths, ages), until the token is destroyed, which waits for a call that runs. The token may outlive
  // the registry; `collect` must not render or make tokens.
  using Token = std::shared_ptr<void>;
  [[nodiscard]] Token OnCollect(std::function<void()> collect);

  // The text exposition format, version 0.0.4.
  std::string RenderText() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ev::metrics

#endif  // EV_METRICS_REGISTRY_H_
