#include "metrics/registry.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <set>
#include <utility>

#include "absl/strings/str_replace.h"
#include "base/mutex.h"
#include "metrics/process_metrics.h"

namespace ev::metrics {
namespace {

// Shared by the registry and the tokens, so that either may go first.
struct Collectors {
  Mutex mutex;
  std::set<const std::function<void()>*> functions ABSL_GUARDED_BY(mutex);
};

}  // namespace

struct Registry::Impl {
  // One Family per name and kind: Merge makes a second Register() of the same name return the first.
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  std::shared_ptr<Collectors> collectors = std::make_shared<Collectors>();

  template <typename Builder, typename... Extra>
  auto& Add(Builder builder, const std::string& name, const std::string& help, const Labels& labels, Extra... extra) {
    try {
      return builder.Name(name).Help(HelpOf(name, help)).Register(registry).Add(labels, extra...);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "metric %s: %s\n", name.c_str(), error.what());
      std::abort();
    }
  }

  // Merge compares help texts as well, and a series must not vanish because a sentence differs. The serializer writes
  // them as they are.
  std::string HelpOf(const std::string& name, const std::string& help) {
    MutexLock lock(help_mutex);
    return first_help.try_emplace(name, absl::StrReplaceAll(help, {{"\\", "\\\\"}, {"\n", "\\n"}})).first->second;
  }

  Registry::Token process;
  Mutex help_mutex;
  std::map<std::string, std::string> first_help ABSL_GUARDED_BY(help_mutex);
};

void Counter::Increment(double by) const {
  if (counter_ != nullptr) counter_->Increment(by);
}
double Counter::Value() const {
  return counter_ == nullptr ? 0 : counter_->Value();
}

void Gauge::Set(double value) const {
  if (gauge_ != nullptr) gauge_->Set(value);
}
void Gauge::Add(double by) const {
  if (gauge_ != nullptr) gauge_->Increment(by);
}
double Gauge::Value() const {
  return gauge_ == nullptr ? 0 : gauge_->Value();
}

void Histogram::Observe(double value) const {
  if (histogram_ != nullptr) histogram_->Observe(value);
}

std::vector<double> LatencyBuckets() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
}

Registry::Registry(absl::string_view service, absl::string_view version) : impl_(std::make_unique<Impl>()) {
  AddGauge("ev_build_info", "What runs here; always 1.",
           {{"service", std::string(service)}, {"version", std::string(version)}})
      .Set(1);
  impl_->process = ExportProcess(*this);
}

Registry::~Registry() = default;

Counter Registry::AddCounter(const std::string& name, const std::string& help, const Labels& labels) {
  return Counter(&impl_->Add(prometheus::BuildCounter(), name, help, labels));
}

Gauge Registry::AddGauge(const std::string& name, const std::string& help, const Labels& labels) {
  return Gauge(&impl_->Add(prometheus::BuildGauge(), name, help, labels));
}

Histogram Registry::AddHistogram(const std::string& name, const std::string& help, const std::vector<double>& buckets,
                                 const Labels& labels) {
  return Histogram(&impl_->Add(prometheus::BuildHistogram(), name, help, labels, buckets));
}

Registry::Token Registry::OnCollect(std::function<void()> collect) {
  auto collectors = impl_->collectors;
  auto* owned = new std::function<void()>(std::move(collect));
  {
    MutexLock lock(collectors->mutex);
    collectors->functions.insert(owned);
  }
  return Token(owned, [collectors](std::function<void()>* function) {
    {
      MutexLock lock(collectors->mutex);
      collectors->functions.erase(function);
    }
    delete function;
  });
}

std::string Registry::RenderText() const {
  {
    MutexLock lock(impl_->collectors->mutex);
    for (const auto* collect : impl_->collectors->functions) (*collect)();
  }
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace ev::metrics
