#ifndef EV_SERVICES_ENGINE_ADAPTERS_METER_H_
#define EV_SERVICES_ENGINE_ADAPTERS_METER_H_

#include <optional>

#include "base/clock.h"
#include "services/engine/core/charge.h"
#include "services/engine/core/engine.h"

namespace ev::engine {

// The meter and its contactor. The register only grows and outlives the process; the contactor opens when the process
// dies. Nothing here blocks. Not thread-safe: EngineHost calls it under its lock.
class Meter {
 public:
  virtual ~Meter() = default;

  virtual MeterReading Read(Moment now) = 0;
  // Energy flows from now on, to no more than this register.
  virtual void CloseContactor(Moment now, std::int64_t limit_register_mwh) = 0;
  // The reading is of after the opening: nothing flows any more.
  virtual MeterReading OpenContactor(Moment now) = 0;
  // Why the contactor has opened by itself since it was closed; told once.
  virtual std::optional<Opening> TakeOpening(Moment now) = 0;
};

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_ADAPTERS_METER_H_
