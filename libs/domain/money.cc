#include "domain/money.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace ev {
namespace {

// The widest product is 10^19, just above what int64 holds.
__extension__ using Wide = __int128;

constexpr std::int64_t kMwhPerKwh = 1'000'000;

}  // namespace

absl::Status CheckPrice(const Price& price) {
  if (price.micros_per_kwh < 0 || price.micros_per_kwh > kMaxPriceMicrosPerKwh) {
    return absl::InvalidArgumentError(
        absl::StrCat("price of ", price.micros_per_kwh, " micros per kWh is outside 0 .. ", kMaxPriceMicrosPerKwh));
  }
  if (price.currency.size() != 3 || !std::all_of(price.currency.begin(), price.currency.end(), absl::ascii_isupper)) {
    return absl::InvalidArgumentError("currency must be three upper-case letters (ISO 4217)");
  }
  return absl::OkStatus();
}

std::int64_t AmountMicros(std::int64_t energy_mwh, std::int64_t micros_per_kwh) {
  const Wide product = static_cast<Wide>(energy_mwh) * micros_per_kwh;
  return static_cast<std::int64_t>((product + kMwhPerKwh / 2) / kMwhPerKwh);
}

std::int64_t EnergyWithinAmountMwh(std::int64_t amount_micros, std::int64_t micros_per_kwh) {
  if (micros_per_kwh == 0) return kMaxSessionEnergyMwh;
  // The largest e with (e * p + 500000) / 10^6 < a + 1, so e * p <= (a + 1) * 10^6 - 500001.
  const Wide limit = (static_cast<Wide>(amount_micros) + 1) * kMwhPerKwh - kMwhPerKwh / 2 - 1;
  return static_cast<std::int64_t>(std::min<Wide>(limit / micros_per_kwh, kMaxSessionEnergyMwh));
}

}  // namespace ev
