#ifndef EV_TESTS_SIM_CHARGING_POINT_H_
#define EV_TESTS_SIM_CHARGING_POINT_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "journal/inmemory/memory_fact_log.h"
#include "services/engine/core/engine.h"
#include "services/monitor/core/monitor.h"
#include "tests/sim/broker.h"
#include "tests/sim/central_process.h"
#include "tests/sim/clocks.h"
#include "tests/sim/meter.h"
#include "tests/sim/network.h"

namespace ev::sim {

// A charging point: its hardware and its disk, which stay, and its Engine and Monitor, which come and go.
class ChargingPointSim {
 public:
  struct Options {
    CpId cp;
    int partition = 0;
    engine::EngineOptions engine;
    std::int64_t journal_capacity = 1000;
  };
  // What the Engine has written down, in this order.
  struct Kept {
    std::map<SessionId, Fact> starts;
    std::map<SessionId, Fact> finals;
    std::int64_t double_finals = 0;
    std::int64_t failed_writes = 0;
  };

  ChargingPointSim(Options options, EventLoop& loop, Random& random, Network& network, Broker& broker,
                   CentralProcess& central);

  void StartEngine();
  void CrashEngine();
  void StartMonitor();
  void CrashMonitor();
  void CutLink();
  void CutAttach();
  bool has_engine() const { return engine_ != nullptr; }
  bool has_monitor() const { return monitor_ != nullptr; }

  // By hand; nothing happens while the Engine is down.
  void PlugIn();
  void Unplug();
  void InjectFault();
  void ClearFault();
  void Request(const DriverId& driver);

  const CpId& cp() const { return options_.cp; }
  const Meter& meter() const { return meter_; }
  const Kept& kept() const { return kept_; }
  journal::MemoryFactLog& disk() { return disk_; }
  std::int64_t produced = 0;
  std::int64_t produced_twice = 0;
  std::int64_t produced_after_outage = 0;
  std::int64_t started_without_kafka = 0;
  std::int64_t engine_crashes = 0;
  std::int64_t monitor_crashes = 0;
  std::int64_t cuts = 0;
  // Each must stay empty: what must never happen.
  std::vector<std::string> wrong;

 private:
  struct AttachStream {
    std::shared_ptr<Stream> stream;
    std::int64_t id = 0;  // The Monitor's.
    LinkEpoch epoch;
  };
  using AttachHandle = std::shared_ptr<AttachStream>;
  struct Item {
    engine::Outcome outcome;
    std::function<void(const absl::Status&)> then;
  };
  struct EngineRun {
    Life life = std::make_shared<int>();
    std::optional<ProcessClock> clock;
    std::optional<RandomIdSource> ids;
    std::optional<engine::Engine> core;
    std::deque<Item> items;
    bool is_writing = false;
    std::vector<AttachHandle> attached;
    std::map<std::int64_t, std::string> asked;
    // The producer.
    std::int64_t cursor = 0;
    std::set<std::int64_t> in_flight;
    std::set<std::int64_t> again;
    absl::Duration last_append;
    bool is_kafka_away = false;
  };
  struct MonitorRun {
    Life life = std::make_shared<int>();
    std::optional<ProcessClock> clock;
    std::optional<monitor::Monitor> core;
    CentralProcess::LinkHandle link;
    std::int64_t link_id = 0;
    AttachHandle attach;
  };
  using Decide = std::function<void(engine::Engine&, Moment)>;

  // The Engine's host.
  void Apply(const Decide& decide, std::function<void(const absl::Status&)> then = nullptr);
  engine::Outcome ServeMeter(Moment now);
  void PlanWrite();
  void WriteAndShow();
  absl::Status Write(const journal::LogWrite& write);
  void Show(Item& item, const absl::Status& kept);
  void TickEngine();
  void Pump();
  void Publish(const journal::StoredFact& stored);
  void OnAttachUp(const AttachHandle& attach, const monitor::SendAttach& message);
  void OnCommand(const monitor::Forward& forward, std::function<void(absl::StatusOr<CommandAnswer>)> done);

  // The Monitor's host.
  void ApplyMonitor(const std::function<void(monitor::Monitor&, Moment)>& decide);
  void Do(const monitor::Effect& effect);
  void DoDial(const monitor::Dial& dial);
  void DoOpenAttach(const monitor::OpenAttach& open);
  void DoForward(const monitor::Forward& forward);

  const Options options_;
  EventLoop& loop_;
  Random& random_;
  Network& network_;
  Broker& broker_;
  CentralProcess& central_;
  Meter meter_;
  journal::MemoryFactLog disk_;
  Kept kept_;
  std::int64_t next_token_ = 1;
  std::unique_ptr<EngineRun> engine_;
  std::unique_ptr<MonitorRun> monitor_;
};

}  // namespace ev::sim

#endif  // EV_TESTS_SIM_CHARGING_POINT_H_
