#ifndef EV_DOMAIN_MONEY_H_
#define EV_DOMAIN_MONEY_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace ev {

// Energy is int64 mWh, power int64 W, money int64 micro-units (10^-6) of a currency. No floating point: a bill must
// come out the same everywhere, to the last digit.

// What one kWh costs, fixed at authorisation and kept with the session.
struct Price {
  std::int64_t micros_per_kwh = 0;  // 0 .. kMaxPriceMicrosPerKwh; 0 is free.
  std::string currency;             // ISO 4217, three upper-case letters.

  friend bool operator==(const Price&, const Price&) = default;
};

inline constexpr std::int64_t kMaxPriceMicrosPerKwh = 1'000'000'000;  // 1000 units a kWh.
inline constexpr std::int64_t kMaxSessionEnergyMwh = 10'000'000'000;  // 10 MWh: a hundred full lorries.
inline constexpr std::int64_t kMaxAmountMicros = 10'000'000'000'000;  // The dearest price times the most energy.
inline constexpr std::int64_t kMaxPowerW = 10'000'000;                // 10 MW: megawatt charging and room above it.

// InvalidArgument names the value that is out of range or the currency that is not three upper-case letters.
absl::Status CheckPrice(const Price& price);

// energy_mwh * micros_per_kwh / 10^6, rounded half up, once. Both arguments within the limits above.
std::int64_t AmountMicros(std::int64_t energy_mwh, std::int64_t micros_per_kwh);

// The most energy whose AmountMicros does not exceed `amount_micros`, at most kMaxSessionEnergyMwh.
std::int64_t EnergyWithinAmountMwh(std::int64_t amount_micros, std::int64_t micros_per_kwh);

}  // namespace ev

#endif  // EV_DOMAIN_MONEY_H_
