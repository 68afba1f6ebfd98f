#include "domain/target_text.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"

namespace ev {
namespace {

// `digits[.digits]` times 10^places; nullopt for anything else, more than `places` decimals, or too much.
std::optional<std::int64_t> ParseDecimal(absl::string_view text, int places) {
  std::int64_t value = 0;
  int decimals = -1;  // Until the point was seen.
  bool any = false;
  for (const char c : text) {
    if (c == '.' && decimals < 0) {
      decimals = 0;
      continue;
    }
    if (!absl::ascii_isdigit(c) || value > 1'000'000'000'000'000) return std::nullopt;
    if (decimals >= 0 && ++decimals > places) return std::nullopt;
    value = value * 10 + (c - '0');
    any = true;
  }
  if (!any) return std::nullopt;
  for (int i = std::max(decimals, 0); i < places; ++i) {
    if (value > 1'000'000'000'000'000) return std::nullopt;
    value *= 10;
  }
  return value;
}

absl::Status BadTarget(absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is no target; examples: 10kWh, 500Wh, 5.50EUR, 30min, 1h30m"));
}

// The last of `h`, `m`, `min`, `s` ... as absl::ParseDuration wants them.
bool ParseTime(absl::string_view lower, absl::Duration* out) {
  return absl::ParseDuration(absl::StrReplaceAll(lower, {{"min", "m"}}), out);
}

}  // namespace

absl::StatusOr<TypedTarget> ParseTarget(absl::string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  const std::size_t unit_at = std::min(lower.find_first_not_of("0123456789."), lower.size());
  const absl::string_view number = absl::string_view(lower).substr(0, unit_at);
  const absl::string_view unit = absl::string_view(lower).substr(unit_at);
  TypedTarget typed;
  absl::Duration duration;
  if (unit == "kwh" || unit == "wh") {
    const auto energy_mwh = ParseDecimal(number, unit == "kwh" ? 6 : 3);
    if (!energy_mwh) return BadTarget(text);
    typed.target = EnergyTarget{*energy_mwh};
  } else if (ParseTime(lower, &duration)) {
    typed.target = DurationTarget{duration};
  } else if (unit.size() == 3 && std::all_of(unit.begin(), unit.end(), absl::ascii_isalpha)) {
    const auto amount_micros = ParseDecimal(number, 6);
    if (!amount_micros) return BadTarget(text);
    typed.target = AmountTarget{*amount_micros};
    typed.currency = absl::AsciiStrToUpper(unit);
  } else {
    return BadTarget(text);
  }
  if (auto status = CheckTarget(typed.target); !status.ok()) return status;
  return typed;
}

}  // namespace ev
