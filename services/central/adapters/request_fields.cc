#include "services/central/adapters/request_fields.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "base/text.h"
#include "evcharging/common/v1/price.pb.h"
#include "evcharging/common/v1/target.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace ev::central {
namespace {

// What protobuf allows: 0001-01-01 to 9999-12-31, and ten thousand years either way.
constexpr std::int64_t kMinTimeSeconds = -62'135'596'800;
constexpr std::int64_t kMaxTimeSeconds = 253'402'300'799;
constexpr std::int64_t kMaxDurationSeconds = 315'576'000'000;
constexpr std::int32_t kMaxNanos = 999'999'999;

template <typename Id>
absl::StatusOr<Id> ReadId(absl::string_view field, absl::string_view text,
                          absl::StatusOr<Id> (*parse)(absl::string_view)) {
  auto id = parse(text);
  if (!id.ok()) return FieldError(field, id.status().message());
  return id;
}

template <typename Id>
absl::StatusOr<Id> ReadFilter(absl::string_view field, absl::string_view text,
                              absl::StatusOr<Id> (*parse)(absl::string_view)) {
  if (text.empty()) return Id();
  return ReadId(field, text, parse);
}

template <typename Enum>
absl::StatusOr<Enum> ReadEnum(absl::string_view field, int value, int count) {
  if (value < 1 || value > count) return FieldError(field, absl::StrCat("has no value ", value));
  return static_cast<Enum>(value);
}

std::string Sized(absl::string_view part) {
  return absl::StrCat(part.size(), ":", part, "|");
}

}  // namespace

absl::StatusOr<CpId> ReadCpId(absl::string_view field, absl::string_view text) {
  return ReadId<CpId>(field, text, ParseCpId);
}
absl::StatusOr<DriverId> ReadDriverId(absl::string_view field, absl::string_view text) {
  return ReadId<DriverId>(field, text, ParseDriverId);
}
absl::StatusOr<SessionId> ReadSessionId(absl::string_view field, absl::string_view text) {
  return ReadId<SessionId>(field, text, ParseSessionId);
}
absl::StatusOr<CpId> ReadCpFilter(absl::string_view field, absl::string_view text) {
  return ReadFilter<CpId>(field, text, ParseCpId);
}
absl::StatusOr<DriverId> ReadDriverFilter(absl::string_view field, absl::string_view text) {
  return ReadFilter<DriverId>(field, text, ParseDriverId);
}
absl::StatusOr<SessionId> ReadSessionFilter(absl::string_view field, absl::string_view text) {
  return ReadFilter<SessionId>(field, text, ParseSessionId);
}

absl::Status CheckText(absl::string_view field, absl::string_view text, std::size_t max_bytes) {
  if (text.size() > max_bytes) {
    return FieldError(field, absl::StrCat("has ", text.size(), " bytes, at most ", max_bytes, " are allowed"));
  }
  if (const std::size_t bad = FindUnprintable(text); bad != text.npos) {
    return FieldError(field, absl::StrCat("contains a control character, or no UTF-8, at byte ", bad));
  }
  return absl::OkStatus();
}

std::string CleanText(absl::string_view text, std::size_t max_bytes) {
  return Printable(CutUtf8(text, max_bytes), ' ');
}

absl::StatusOr<int> ReadPageSize(int page_size) {
  if (page_size == 0) return kDefaultPageSize;
  if (page_size < 0 || page_size > kMaxPageSize) {
    return FieldError("page_size", absl::StrCat(page_size, " is outside 1 .. ", kMaxPageSize));
  }
  return page_size;
}

absl::StatusOr<Price> ReadPrice(absl::string_view field, const evcharging::common::v1::Price& price) {
  Price read{.micros_per_kwh = price.micros_per_kwh(), .currency = price.currency()};
  const bool is_in_range = read.micros_per_kwh >= 0 && read.micros_per_kwh <= kMaxPriceMicrosPerKwh;
  if (auto status = CheckPrice(read); !status.ok()) {
    return FieldError(absl::StrCat(field, is_in_range ? ".currency" : ".micros_per_kwh"), status.message());
  }
  return read;
}

absl::StatusOr<Target> ReadTarget(absl::string_view field, const evcharging::common::v1::Target& target) {
  using Wire = evcharging::common::v1::Target;
  Target read;
  absl::string_view name;
  switch (target.limit_case()) {
    case Wire::kEnergyMwh:
      read = EnergyTarget{target.energy_mwh()};
      name = ".energy_mwh";
      break;
    case Wire::kAmountMicros:
      read = AmountTarget{target.amount_micros()};
      name = ".amount_micros";
      break;
    case Wire::kDuration: {
      name = ".duration";
      auto duration = ReadWait(absl::StrCat(field, name), target.duration());
      if (!duration.ok()) return duration.status();
      read = DurationTarget{*duration};
      break;
    }
    case Wire::LIMIT_NOT_SET:
      return read;
  }
  if (auto status = CheckTarget(read); !status.ok()) {
    return FieldError(absl::StrCat(field, name), status.message());
  }
  return read;
}

absl::StatusOr<absl::Time> ReadTime(absl::string_view field, const google::protobuf::Timestamp& time) {
  if (time.seconds() < kMinTimeSeconds || time.seconds() > kMaxTimeSeconds || time.nanos() < 0 ||
      time.nanos() > kMaxNanos) {
    return FieldError(field, "is no valid time");
  }
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

absl::StatusOr<absl::Duration> ReadWait(absl::string_view field, const google::protobuf::Duration& wait) {
  if (wait.seconds() < 0 || wait.seconds() > kMaxDurationSeconds || wait.nanos() < 0 || wait.nanos() > kMaxNanos) {
    return FieldError(field, "is negative or no valid duration");
  }
  return absl::Seconds(wait.seconds()) + absl::Nanoseconds(wait.nanos());
}

absl::StatusOr<Cause> ReadCause(absl::string_view field, int cause) {
  if (cause == 0) return Cause::kOperator;
  return ReadEnum<Cause>(field, cause, static_cast<int>(Cause::kCredentials));
}
absl::StatusOr<PointState> ReadPointState(absl::string_view field, int state) {
  return ReadEnum<PointState>(field, state, kPointStates);
}
absl::StatusOr<SessionState> ReadSessionState(absl::string_view field, int state) {
  return ReadEnum<SessionState>(field, state, kSessionStates);
}

std::string RequestKey(absl::string_view caller, absl::string_view method, absl::string_view scope,
                       absl::string_view request_id) {
  if (request_id.empty()) return "";
  return absl::StrCat(Sized(caller), Sized(method), Sized(scope), Sized(request_id));
}

std::string Fingerprint(absl::Span<const absl::string_view> parts) {
  std::string fingerprint;
  for (absl::string_view part : parts) fingerprint += Sized(part);
  return fingerprint;
}

std::string Fingerprint(const Target& target) {
  if (const auto* energy = std::get_if<EnergyTarget>(&target)) return absl::StrCat("energy_mwh=", energy->energy_mwh);
  if (const auto* amount = std::get_if<AmountTarget>(&target)) {
    return absl::StrCat("amount_micros=", amount->amount_micros);
  }
  if (const auto* time = std::get_if<DurationTarget>(&target)) {
    return absl::StrCat("duration_ns=", absl::ToInt64Nanoseconds(time->duration));
  }
  return "no target";
}

}  // namespace ev::central
