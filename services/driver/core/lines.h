#ifndef EV_SERVICES_DRIVER_CORE_LINES_H_
#define EV_SERVICES_DRIVER_CORE_LINES_H_

#include <string>

#include "absl/strings/string_view.h"
#include "domain/figures.h"
#include "services/driver/core/charge.h"
#include "services/driver/core/effects.h"

// What a person is shown, one line each, without its end. Figures are rounded for the eye only.
namespace ev::driver {

// "until 10.000 kWh"; empty without a target.
std::string TargetText(const Target& target, absl::string_view currency);

// "cp_001: 3.142 kWh  11.0 kW  EUR 1.10"
std::string LiveLine(const Charge& charge);
// "cp_001: ticket  3.142 kWh  EUR 1.10  VEHICLE_FULL  2025-01-31 10:11:12 to 10:12:13 UTC  session 0f..."
std::string TicketLine(const Ticket& ticket);
// "cp_001: denied  POINT_BUSY  charging point cp_001 is busy"
std::string DenialLine(const CpId& cp, const Denial& denial);
// How a session stands, for `status` and `history`.
std::string StateLine(const Charge& charge);

// What the change of a session means to its driver.
struct ChangeLines {
  std::string step;  // Grant, start, end, ticket, denial, notice; lines divided by '\n'. Empty: nothing but figures.
  std::string live;  // The figures as they stand. Empty: no energy flows.
};
ChangeLines LinesFor(const ChargeChange& change);

// "2 of 5: cp_002" and, at the end, "3 completed, 1 denied, 1 failed".
std::string ProgressText(const ListProgress& progress);
std::string CountsText(const ListProgress& progress);

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_CORE_LINES_H_
