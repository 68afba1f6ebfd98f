#ifndef EV_SERVICES_ENGINE_CORE_CHARGE_H_
#define EV_SERVICES_ENGINE_CORE_CHARGE_H_

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/id_source.h"
#include "domain/fact.h"
#include "domain/session.h"
#include "journal/fact_log.h"

namespace ev::engine {

// A meter as it is read: the register only grows and outlives the process.
struct MeterReading {
  std::int64_t register_mwh = 0;
  std::int64_t power_w = 0;
};

// One session from its start to its final: makes its facts. Identifiers and sequence are given here, once.
class Charge {
 public:
  // `start` is what StartFact made.
  Charge(Fact start, Moment begun);

  static Fact StartFact(const Grant& grant, MeterReading meter, Moment now, IdSource& ids);

  // The register at which the contactor has to open: the last mWh within the target.
  std::int64_t limit_register_mwh() const;

  // Has the target's duration passed?
  bool TimeIsUp(Moment now) const;

  // Takes a reading in.
  void Meter(MeterReading meter);

  Fact Sample(Moment now, IdSource& ids);
  Fact Final(EndReason reason, Moment now, IdSource& ids);

  const Grant& grant() const { return start_.grant; }
  std::int64_t energy_mwh() const { return energy_mwh_; }
  std::int64_t power_w() const { return power_w_; }
  std::int64_t amount_micros() const;

 private:
  Fact Next(FactKind kind, Moment now, IdSource& ids);

  Fact start_;
  Moment begun_;
  std::int64_t sequence_ = 0;
  std::int64_t register_mwh_;
  std::int64_t energy_mwh_ = 0;
  std::int64_t power_w_ = 0;
};

// The final of a session that was cut off: what the register says now, and not less than was already said.
Fact FinalAfterRestart(const journal::OpenSession& open, std::int64_t register_mwh, Moment now, IdSource& ids);

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_CORE_CHARGE_H_
