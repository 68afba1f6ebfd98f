#ifndef EV_CLI_EVCTL_ANCESTOR_H_
#define EV_CLI_EVCTL_ANCESTOR_H_

#include <nlohmann/json_fwd.hpp>

namespace evcharging::events::v1 {
class Alert;
class Fact;
class StatusUpdate;
}  // namespace evcharging::events::v1

namespace ev::evctl {

// A message with the ancestor's field names, for whoever has tools that know them: `type`, `message_id` (32 hexadecimal
// digits), `cp_id`, `session_id`, `energy_consumed_kwh`, `total_cost` (in units of the currency), `charging_rate` (kW)
// and `timestamp` (UTC, RFC 3339). Numbers have every digit of the message. What the ancestor had no name for keeps
// ours, or is left out.
//
// `type` is charging_session_start, charging_session_data or charging_session_complete; "unknown" for a fact without a
// body.
nlohmann::ordered_json AncestorJson(const evcharging::events::v1::Fact& fact);
// `type` is charging_status_update; with `driver_id` and `state`.
nlohmann::ordered_json AncestorJson(const evcharging::events::v1::StatusUpdate& update);
// `type` is system_alert; with `kind`, `severity` and `text`, without figures.
nlohmann::ordered_json AncestorJson(const evcharging::events::v1::Alert& alert);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_ANCESTOR_H_
