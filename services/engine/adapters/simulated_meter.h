#ifndef EV_SERVICES_ENGINE_ADAPTERS_SIMULATED_METER_H_
#define EV_SERVICES_ENGINE_ADAPTERS_SIMULATED_METER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/engine/adapters/meter.h"

namespace ev::engine {

struct SimulatedVehicle {
  std::int64_t power_w = 11'000;
  absl::Duration full_after = absl::Seconds(60);  // Of charging, by the vehicle's clock.
  int speed = 1;                                  // How many times faster than ours the vehicle's clock runs.
};

// A meter whose vehicle draws constant power. The register is a number in a small mapped file, so it survives whatever
// kills the process, as far as it was read; energy is computed from the monotonic clock in integers.
class SimulatedMeter final : public Meter {
 public:
  // Makes the file when it is missing. DataLoss when it is there and is no register; Unavailable when it cannot be
  // opened.
  static absl::StatusOr<std::unique_ptr<SimulatedMeter>> Open(const std::string& path, SimulatedVehicle vehicle);
  ~SimulatedMeter() override;
  SimulatedMeter(const SimulatedMeter&) = delete;
  SimulatedMeter& operator=(const SimulatedMeter&) = delete;

  MeterReading Read(Moment now) override;
  void CloseContactor(Moment now, std::int64_t limit_register_mwh) override;
  MeterReading OpenContactor(Moment now) override;
  std::optional<Opening> TakeOpening(Moment now) override;

 private:
  struct File;
  struct Flow {
    absl::Duration since;        // Monotonic.
    std::int64_t from_mwh = 0;   // The register then.
    std::int64_t limit_mwh = 0;  // Where the contactor opens.
    Opening at_limit = Opening::kLimitReached;
  };
  SimulatedMeter(File* file, SimulatedVehicle vehicle) : file_(file), vehicle_(vehicle) {}

  File* file_;  // Mapped.
  const SimulatedVehicle vehicle_;
  std::optional<Flow> flow_;
  std::optional<Opening> opening_;
};

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_ADAPTERS_SIMULATED_METER_H_
