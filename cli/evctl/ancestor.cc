#include "cli/evctl/ancestor.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "evcharging/events/v1/alerts.pb.h"
#include "evcharging/events/v1/facts.pb.h"
#include "evcharging/events/v1/status.pb.h"

namespace ev::evctl {
namespace {

namespace events = evcharging::events::v1;

// Amounts and energies have at most 14 digits: a double holds them, and is printed with the digits it was made of.
double Millionths(std::int64_t value) {
  return static_cast<double>(value) / 1e6;
}

template <typename Message>
nlohmann::ordered_json Envelope(const char* type, const Message& message) {
  nlohmann::ordered_json json;
  json["type"] = type;
  json["message_id"] = absl::BytesToHexString(message.message_id());
  json["cp_id"] = message.charging_point_id();
  json["session_id"] = message.session_id();
  return json;
}

template <typename Message>
void AddFigures(const Message& message, nlohmann::ordered_json& json) {
  json["energy_consumed_kwh"] = Millionths(message.energy_mwh());
  json["total_cost"] = Millionths(message.amount_micros());
  json["charging_rate"] = message.power_w() / 1e3;
}

template <typename Message>
void AddTimestamp(const Message& message, nlohmann::ordered_json& json) {
  const absl::Time time =
      absl::FromUnixSeconds(message.event_time().seconds()) + absl::Nanoseconds(message.event_time().nanos());
  json["timestamp"] = absl::FormatTime("%E4Y-%m-%dT%H:%M:%E9SZ", time, absl::UTCTimeZone());
}

const char* TypeOf(const events::Fact& fact) {
  switch (fact.body_case()) {
    case events::Fact::kSessionStart:
      return "charging_session_start";
    case events::Fact::kSample:
      return "charging_session_data";
    case events::Fact::kSessionFinal:
      return "charging_session_complete";
    case events::Fact::BODY_NOT_SET:
      break;
  }
  return "unknown";
}

}  // namespace

nlohmann::ordered_json AncestorJson(const events::Fact& fact) {
  nlohmann::ordered_json json = Envelope(TypeOf(fact), fact);
  AddFigures(fact, json);
  AddTimestamp(fact, json);
  return json;
}

nlohmann::ordered_json AncestorJson(const events::StatusUpdate& update) {
  nlohmann::ordered_json json = Envelope("charging_status_update", update);
  json["driver_id"] = update.driver_id();
  json["state"] = evcharging::common::v1::SessionState_Name(update.state());
  AddFigures(update, json);
  AddTimestamp(update, json);
  return json;
}

nlohmann::ordered_json AncestorJson(const events::Alert& alert) {
  nlohmann::ordered_json json = Envelope("system_alert", alert);
  json["kind"] = events::AlertKind_Name(alert.kind());
  json["severity"] = events::AlertSeverity_Name(alert.severity());
  json["text"] = alert.text();
  AddTimestamp(alert, json);
  return json;
}

}  // namespace ev::evctl
