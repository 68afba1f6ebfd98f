#include "domain/figures.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ev {
namespace {

std::uint64_t Magnitude(std::int64_t value) {
  return value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
}

std::uint64_t PowerOfTen(int places) {
  std::uint64_t power = 1;
  for (int i = 0; i < places; ++i) power *= 10;
  return power;
}

// `value` / 10^unit_places with `shown_places` decimals, of which there are fewer.
std::string Rounded(std::int64_t value, int unit_places, int shown_places) {
  const std::uint64_t step = PowerOfTen(unit_places - shown_places);
  const std::uint64_t shown = (Magnitude(value) + step / 2) / step;
  const std::uint64_t unit = PowerOfTen(shown_places);
  return absl::StrFormat("%s%d.%0*d", value < 0 && shown != 0 ? "-" : "", shown / unit, shown_places, shown % unit);
}

}  // namespace

std::string EnergyText(std::int64_t energy_mwh) {
  return absl::StrCat(Rounded(energy_mwh, 6, 3), " kWh");
}

std::string PowerText(std::int64_t power_w) {
  return absl::StrCat(Rounded(power_w, 3, 1), " kW");
}

std::string AmountText(std::int64_t amount_micros, absl::string_view currency) {
  return absl::StrCat(currency, currency.empty() ? "" : " ", Rounded(amount_micros, 6, 2));
}

std::string PriceText(const Price& price) {
  std::string exact = absl::StrFormat("%d.%06d", price.micros_per_kwh / 1'000'000, price.micros_per_kwh % 1'000'000);
  while (exact.back() == '0' && exact[exact.size() - 3] != '.') exact.pop_back();
  return absl::StrCat(price.currency, price.currency.empty() ? "" : " ", exact, " per kWh");
}

}  // namespace ev
