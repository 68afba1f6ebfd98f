#ifndef EV_TESTS_SIM_WORLD_H_
#define EV_TESTS_SIM_WORLD_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/broker.h"
#include "tests/sim/central_process.h"
#include "tests/sim/charging_point.h"
#include "tests/sim/driver_sim.h"
#include "tests/sim/event_loop.h"
#include "tests/sim/network.h"

namespace ev::sim {

// What happened in one run, so that a run in which nothing did is seen.
struct Tally {
  std::int64_t events = 0;
  std::int64_t asked = 0;
  std::int64_t tickets = 0;
  std::int64_t energy_mwh = 0;
  std::int64_t denials = 0;
  std::int64_t unconfirmed = 0;
  std::int64_t expired = 0;
  std::int64_t recovered = 0;
  std::int64_t central_crashes = 0;
  std::int64_t engine_crashes = 0;
  std::int64_t monitor_crashes = 0;
  std::int64_t cuts = 0;
  std::int64_t gaps = 0;
  std::int64_t duplicates = 0;
  std::int64_t late_samples = 0;
  std::int64_t produced = 0;
  std::int64_t produced_twice = 0;          // For their acknowledgement was lost.
  std::int64_t produced_after_outage = 0;   // What waited while Kafka was away.
  std::int64_t started_without_kafka = 0;   // Charges.
  std::int64_t failed_commits = 0;          // Whose outcome Central did not know.
  std::int64_t changed_prices = 0;          // Tickets at another price than the network's.
  std::int64_t strangers_refused = 0;       // Stops.
  std::int64_t manual = 0;                  // Sessions that were asked for at the point.
  std::int64_t forged = 0;                  // Forged facts that were put aside.
  std::map<EndReason, std::int64_t> ended;  // Charges, in the storm.
  std::int64_t driver_crashes = 0;
  std::int64_t driver_cuts = 0;
  std::int64_t driver_repeats = 0;
  std::int64_t driver_fetches = 0;
  std::int64_t lists = 0;
  std::int64_t tickets_shown = 0;
  std::uint64_t digest = 0;  // Of all that was decided: equal for equal seeds.

  void Add(const Tally& other);
};

// A small network under a storm of failures, and then a calm in which everything must come right: Central's shards,
// some Engines and Monitors, Kafka, a store, drivers with their Driver processes, an operator. One thread, one seed.
class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();

  void Run();

  const Tally& tally() const { return tally_; }
  // What is wrong, one sentence each; empty when all promises were kept.
  const std::vector<std::string>& wrong() const { return wrong_; }

 private:
  enum class Fault {
    kCutLink,
    kCutAttach,
    kCrashCentral,
    kFailCommit,
    kCrashMonitor,
    kCrashEngine,
    kKafkaAway,
    kKafkaEmpty,
    kKafkaExpires,
    kGroundFault,
    kUnplug,
    kOperatorStop,
    kNetworkStop,
    kPrice,
    kManual,
    kStrangerStops,
    kForgery,
    kCrashDriver,
    kCutWatch,
    kLast = kCutWatch,
  };

  ChargingPointSim& AnyPoint();
  void PlanFaults();
  void DoFault(Fault fault);
  void Forge(ChargingPointSim& point);
  void StrangerStops(const ChargingPointSim& point);
  DriverSim& AnyDriver();
  void PlanDriver(DriverSim& driver);
  void AskForOne(DriverSim& driver);
  void AskForSeveral(DriverSim& driver);
  void Calm();
  void RunUntilQuiet();
  void LastRound();
  bool IsQuiet();
  void Check();
  void CheckDriver(const DriverSim& driver);
  void Wrong(std::string what);

  EventLoop loop_;
  Random random_;
  Network network_;
  Broker broker_;
  std::unique_ptr<CentralProcess> central_;
  std::vector<std::unique_ptr<ChargingPointSim>> points_;
  std::map<CpId, int> shard_of_;
  std::vector<std::unique_ptr<DriverSim>> drivers_;
  std::vector<Fault> faults_;  // That this run may have; repeated ones are likelier.
  Life storm_ = std::make_shared<int>();
  std::int64_t last_request_ = 0;
  Tally tally_;
  std::vector<std::string> wrong_;
};

}  // namespace ev::sim

#endif  // EV_TESTS_SIM_WORLD_H_
