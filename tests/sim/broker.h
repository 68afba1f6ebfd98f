#ifndef EV_TESTS_SIM_BROKER_H_
#define EV_TESTS_SIM_BROKER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "domain/fact.h"

namespace ev::sim {

// Kafka as the facts see it: per partition an ordered log, no order between partitions or topics. It can be away,
// forget its oldest messages, and come back empty.
class Broker {
 public:
  enum Topic { kData = 0, kComplete = 1 };
  struct Record {
    std::string key;
    Fact fact;
  };
  struct Log {
    std::int64_t start = 0;
    std::vector<Record> records;

    std::int64_t end() const { return start + static_cast<std::int64_t>(records.size()); }
  };

  explicit Broker(int partitions) : logs_(2, std::vector<Log>(static_cast<std::size_t>(partitions))) {}

  bool is_up = true;
  int cluster = 1;

  static const char* Name(Topic topic) {
    return topic == kData ? "charging_session_data" : "charging_session_complete";
  }
  Log& log(Topic topic, int partition) { return logs_[topic][static_cast<std::size_t>(partition)]; }

  void Append(int partition, const Fact& fact) {
    log(fact.kind == FactKind::kFinal ? kComplete : kData, partition).records.push_back({fact.cp.value(), fact});
  }
  // Comes back empty, as another cluster or with its topics made anew.
  void Recreate(bool as_another_cluster) {
    for (auto& topic : logs_) {
      for (Log& log : topic) log = Log{};
    }
    if (as_another_cluster) ++cluster;
  }
  // Retention: the older half goes.
  void Expire() {
    for (auto& topic : logs_) {
      for (Log& log : topic) {
        const auto half = static_cast<std::ptrdiff_t>(log.records.size() / 2);
        log.records.erase(log.records.begin(), log.records.begin() + half);
        log.start += half;
      }
    }
  }

 private:
  std::vector<std::vector<Log>> logs_;
};

}  // namespace ev::sim

#endif  // EV_TESTS_SIM_BROKER_H_
