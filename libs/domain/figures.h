#ifndef EV_DOMAIN_FIGURES_H_
#define EV_DOMAIN_FIGURES_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "domain/money.h"

// Figures as people read them. Rounded for the eye only: nothing is computed from these texts.
namespace ev {

// "3.142 kWh", "11.0 kW", "EUR 1.10": the nearest that is shown, halves away from zero.
std::string EnergyText(std::int64_t energy_mwh);
std::string PowerText(std::int64_t power_w);
std::string AmountText(std::int64_t amount_micros, absl::string_view currency);
// "EUR 0.35 per kWh": exact, at least two decimals.
std::string PriceText(const Price& price);

}  // namespace ev

#endif  // EV_DOMAIN_FIGURES_H_
