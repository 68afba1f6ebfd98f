#include "domain/fact.h"

#include "absl/strings/str_cat.h"

namespace ev {
namespace {

absl::Status Outside(const char* what, std::int64_t value, std::int64_t max) {
  return absl::InvalidArgumentError(absl::StrCat(what, " of ", value, " is outside 0 .. ", max));
}

// Also what a clock says that was never set passes: a charge with a wrong hour is billed, one that is refused is not.
// But no time leaves the nanoseconds that int64 can count, so that it is the same in memory, in the store and on the
// wire.
constexpr std::int64_t kLatestUnixSeconds = 7'258'118'400;  // 2200-01-01T00:00:00Z

absl::Status CheckTime(const char* what, absl::Time time) {
  if (time >= absl::UnixEpoch() && time < absl::FromUnixSeconds(kLatestUnixSeconds)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " ", absl::FormatTime(time, absl::UTCTimeZone()), " is outside the years 1970 .. 2199"));
}

}  // namespace

absl::Status CheckFact(const Fact& fact) {
  if (fact.message_id == MessageId{}) return absl::InvalidArgumentError("message_id is missing");
  if (auto status = CheckTime("event_time", fact.time); !status.ok()) return status;
  if (fact.sequence < 0) return absl::InvalidArgumentError(absl::StrCat("sequence ", fact.sequence, " is negative"));
  if (fact.energy_mwh < 0 || fact.energy_mwh > kMaxSessionEnergyMwh) {
    return Outside("energy_mwh", fact.energy_mwh, kMaxSessionEnergyMwh);
  }
  if (fact.power_w < 0 || fact.power_w > kMaxPowerW) return Outside("power_w", fact.power_w, kMaxPowerW);
  if (fact.amount_micros < 0 || fact.amount_micros > kMaxAmountMicros) {
    return Outside("amount_micros", fact.amount_micros, kMaxAmountMicros);
  }
  if (fact.kind == FactKind::kSample) return absl::OkStatus();

  if (fact.register_mwh < 0) {
    return absl::InvalidArgumentError(absl::StrCat("register_mwh ", fact.register_mwh, " is negative"));
  }
  if (fact.grant.session != fact.session || fact.grant.cp != fact.cp) {
    return absl::InvalidArgumentError("grant belongs to another session or charging point");
  }
  if (fact.grant.number.value() <= 0 || fact.grant.number.value() > kMaxCounter) {
    return absl::InvalidArgumentError(
        absl::StrCat("grant_number ", fact.grant.number.value(), " is not 1 to ", kMaxCounter));
  }
  if (auto status = CheckPrice(fact.grant.price); !status.ok()) return status;
  if (auto status = CheckTime("authorised_time", fact.grant.authorised); !status.ok()) return status;
  if (fact.kind == FactKind::kStart) {
    if (fact.energy_mwh != 0) return absl::InvalidArgumentError("a start carries energy");
    return absl::OkStatus();
  }
  if (fact.end_reason == EndReason::kNone) return absl::InvalidArgumentError("a final has no end reason");
  if (auto status = CheckTime("start_time", fact.start); !status.ok()) return status;
  if (auto status = CheckTime("end_time", fact.end); !status.ok()) return status;
  if (fact.end < fact.start) return absl::InvalidArgumentError("a final ends before it starts");
  return absl::OkStatus();
}

}  // namespace ev
