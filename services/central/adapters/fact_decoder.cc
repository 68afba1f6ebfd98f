#include "services/central/adapters/fact_decoder.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "evcharging/events/v1/facts.pb.h"
#include "google/protobuf/util/time_util.h"

namespace ev::central {
namespace {

namespace common = evcharging::common::v1;
namespace events = evcharging::events::v1;
using google::protobuf::util::TimeUtil;

// No kind: the fact has no body.
std::optional<FactKind> KindOf(const events::Fact& message) {
  switch (message.body_case()) {
    case events::Fact::kSessionStart:
      return FactKind::kStart;
    case events::Fact::kSample:
      return FactKind::kSample;
    case events::Fact::kSessionFinal:
      return FactKind::kFinal;
    case events::Fact::BODY_NOT_SET:
      break;
  }
  return std::nullopt;
}

// Leaves `id` alone when it already says so: the usual batch repeats few ids.
template <typename Id>
absl::Status ReadId(const std::string& text, absl::StatusOr<Id> (*parse)(absl::string_view), Id& id) {
  if (!text.empty() && id.value() == text) return absl::OkStatus();
  auto parsed = parse(text);
  if (!parsed.ok()) return parsed.status();
  id = *std::move(parsed);
  return absl::OkStatus();
}

absl::Status ReadTime(const google::protobuf::Timestamp& from, const char* what, absl::Time& to) {
  if (from.seconds() < TimeUtil::kTimestampMinSeconds || from.seconds() > TimeUtil::kTimestampMaxSeconds ||
      from.nanos() < 0 || from.nanos() > 999'999'999) {
    return absl::InvalidArgumentError(absl::StrCat(what, " is not a valid time"));
  }
  to = absl::FromUnixSeconds(from.seconds()) + absl::Nanoseconds(from.nanos());
  return absl::OkStatus();
}

absl::Status ReadTarget(const common::Grant& from, Target& to) {
  switch (from.target().limit_case()) {
    case common::Target::kEnergyMwh:
      to = EnergyTarget{from.target().energy_mwh()};
      break;
    case common::Target::kAmountMicros:
      to = AmountTarget{from.target().amount_micros()};
      break;
    case common::Target::kDuration:
      to = DurationTarget{absl::Seconds(from.target().duration().seconds()) +
                          absl::Nanoseconds(from.target().duration().nanos())};
      break;
    case common::Target::LIMIT_NOT_SET:
      to = std::monostate();
      break;
  }
  return CheckTarget(to);
}

absl::Status ReadGrant(const common::Grant& from, Grant& to) {
  if (auto status = ReadId(from.session_id(), ParseSessionId, to.session); !status.ok()) return status;
  if (auto status = ReadId(from.charging_point_id(), ParseCpId, to.cp); !status.ok()) return status;
  if (auto status = ReadId(from.driver_id(), ParseDriverId, to.driver); !status.ok()) return status;
  if (auto status = ReadTime(from.authorised_time(), "authorised_time", to.authorised); !status.ok()) return status;
  if (auto status = ReadTarget(from, to.target); !status.ok()) return status;
  to.number = GrantNumber(from.grant_number());
  to.price = {from.price().micros_per_kwh(), from.price().currency()};
  to.key_id = from.key_id();
  to.signature = from.signature();
  to.trace = ParseTraceparent(from.traceparent());
  return absl::OkStatus();
}

}  // namespace

struct FactDecoder::Scratch {
  events::Fact message;
};

FactDecoder::FactDecoder() : scratch_(std::make_unique<Scratch>()) {}
FactDecoder::~FactDecoder() = default;

absl::Status FactDecoder::Decode(absl::string_view body, Fact& fact) {
  events::Fact& message = scratch_->message;
  if (!message.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return absl::InvalidArgumentError("not a Fact message");
  }
  const std::optional<FactKind> kind = KindOf(message);
  if (!kind.has_value()) return absl::InvalidArgumentError("the fact has no body: start, sample or final");
  if (*kind != fact.kind) fact = {.kind = *kind};  // Nothing is left of a fact of another kind.
  if (message.message_id().size() != fact.message_id.bytes.size()) {
    return absl::InvalidArgumentError(absl::StrCat("message_id has ", message.message_id().size(), " bytes, not 16"));
  }
  std::copy(message.message_id().begin(), message.message_id().end(), fact.message_id.bytes.begin());
  if (auto status = ReadId(message.charging_point_id(), ParseCpId, fact.cp); !status.ok()) return status;
  if (auto status = ReadId(message.session_id(), ParseSessionId, fact.session); !status.ok()) return status;
  if (auto status = ReadTime(message.event_time(), "event_time", fact.time); !status.ok()) return status;
  fact.sequence = message.sequence();
  fact.energy_mwh = message.energy_mwh();
  fact.power_w = message.power_w();
  fact.amount_micros = message.amount_micros();
  if (fact.kind == FactKind::kSample) return absl::OkStatus();
  if (fact.kind == FactKind::kStart) {
    fact.register_mwh = message.session_start().register_mwh();
    return ReadGrant(message.session_start().grant(), fact.grant);
  }
  const events::SessionFinal& final = message.session_final();
  fact.register_mwh = final.register_mwh();
  if (!common::EndReason_IsValid(final.end_reason())) {
    return absl::InvalidArgumentError(absl::StrCat("end_reason ", final.end_reason(), " is unknown"));
  }
  fact.end_reason = static_cast<EndReason>(final.end_reason());
  if (auto status = ReadTime(final.start_time(), "start_time", fact.start); !status.ok()) return status;
  if (auto status = ReadTime(final.end_time(), "end_time", fact.end); !status.ok()) return status;
  return ReadGrant(final.grant(), fact.grant);
}

}  // namespace ev::central
