#include "cli/evctl/get.h"

#include <ostream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/nearest.h"
#include "base/text.h"
#include "cli/evctl/json.h"
#include "cli/evctl/rows.h"
#include "cli/evctl/words.h"

namespace ev::evctl {
namespace {

namespace central_pb = evcharging::central::v1;
namespace common = evcharging::common::v1;

constexpr int kPageSize = 1000;

// Calls `method` for page after page and prints the items that `items` finds in each answer.
template <typename Item, typename Stub, typename Request, typename Response, typename Items>
absl::Status PrintAll(const Central& central, const std::unique_ptr<Stub>& stub,
                      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), Request request,
                      Items items, const GetOptions& options, std::ostream& out) {
  std::vector<std::vector<Cell>> rows;
  request.set_page_size(kPageSize);
  do {
    const absl::StatusOr<Response> response = central.Call(stub, method, request);
    if (!response.ok()) return response.status();
    for (const Item& item : items(*response)) {
      if (options.output != Output::kJson) {
        rows.push_back(Row(item, options.output));
      } else if (auto status = PrintJson(item, out); !status.ok()) {
        return status;
      }
    }
    request.set_page_token(response->next_page_token());
  } while (!request.page_token().empty());
  if (options.output != Output::kJson) {
    out << RowsText(options.output, Names<Item>(options.output), rows, options.colored);
  }
  return absl::OkStatus();
}

// The value of an enum by its name without the prefix.
template <typename Enum, typename Parse>
absl::StatusOr<Enum> ParseState(absl::string_view prefix, const std::string& text, Parse parse,
                                const std::vector<std::string>& names) {
  Enum value;
  if (parse(absl::StrCat(prefix, absl::AsciiStrToUpper(text)), &value) && value != 0) return value;
  const std::string meant = DidYouMean(absl::AsciiStrToUpper(text), names);
  return absl::InvalidArgumentError(
      absl::StrCat("--state: no state \"", Printable(text), "\"",
                   meant.empty() ? absl::StrCat("; there are ", absl::StrJoin(names, ", ")) : meant));
}

absl::Status SetTime(absl::string_view option, const std::string& text, google::protobuf::Timestamp& time) {
  const auto parsed = ParseTime(text, absl::Now());
  if (!parsed.ok()) return absl::InvalidArgumentError(absl::StrCat(option, ": ", parsed.status().message()));
  time.set_seconds(absl::ToUnixSeconds(*parsed));
  return absl::OkStatus();
}

// Filters that `what` does not know would be believed to have filtered.
absl::Status CheckFilters(const GetOptions& options) {
  const bool is_points = options.what == "points";
  const bool is_sessions = options.what == "sessions";
  const bool is_tickets = options.what == "tickets";
  const std::pair<absl::string_view, bool> wrong[] = {
      {"--driver", !options.driver.empty() && !is_sessions && !is_tickets},
      {"--point", !options.point.empty() && !is_sessions && !is_tickets},
      {"--site", !options.site.empty() && !is_points},
      {"--state", !options.states.empty() && !is_points && !is_sessions},
      {"--since", !options.since.empty() && !is_tickets},
      {"--until", !options.until.empty() && !is_tickets}};
  for (const auto& [option, is_wrong] : wrong) {
    if (is_wrong) return absl::InvalidArgumentError(absl::StrCat(option, " is no filter of ", options.what));
  }
  return absl::OkStatus();
}

absl::Status GetPoints(const Central& central, const GetOptions& options, std::ostream& out) {
  central_pb::ListChargingPointsRequest request;
  request.set_site(options.site);
  for (const std::string& text : options.states) {
    const auto state = ParseState<common::ChargingPointState>(
        "CHARGING_POINT_STATE_", text, common::ChargingPointState_Parse,
        {"AVAILABLE", "RESERVED", "CHARGING", "STOPPED", "FAULTED", "DISCONNECTED"});
    if (!state.ok()) return state.status();
    request.add_states(*state);
  }
  return PrintAll<central_pb::ChargingPoint>(
      central, central.points, &Central::Points::ListChargingPoints, std::move(request),
      [](const auto& response) { return response.charging_points(); }, options, out);
}

absl::Status GetSessions(const Central& central, const GetOptions& options, std::ostream& out) {
  central_pb::ListSessionsRequest request;
  request.set_driver_id(options.driver);
  request.set_charging_point_id(options.point);
  for (const std::string& text : options.states) {
    const auto state = ParseState<common::SessionState>(
        "SESSION_STATE_", text, common::SessionState_Parse,
        {"REQUESTED", "UNCONFIRMED", "GRANTED", "CHARGING", "AWAITING_FINAL", "COMPLETED", "DENIED", "EXPIRED"});
    if (!state.ok()) return state.status();
    request.add_states(*state);
  }
  return PrintAll<central_pb::Session>(
      central, central.sessions, &Central::Sessions::ListSessions, std::move(request),
      [](const auto& response) { return response.sessions(); }, options, out);
}

absl::Status GetTickets(const Central& central, const GetOptions& options, std::ostream& out) {
  central_pb::ListTicketsRequest request;
  request.set_driver_id(options.driver);
  request.set_charging_point_id(options.point);
  if (!options.since.empty()) {
    if (auto status = SetTime("--since", options.since, *request.mutable_from_time()); !status.ok()) return status;
  }
  if (!options.until.empty()) {
    if (auto status = SetTime("--until", options.until, *request.mutable_until_time()); !status.ok()) return status;
  }
  return PrintAll<common::Ticket>(
      central, central.tickets, &Central::Tickets::ListTickets, std::move(request),
      [](const auto& response) { return response.tickets(); }, options, out);
}

}  // namespace

absl::StatusOr<absl::Time> ParseTime(absl::string_view text, absl::Time now) {
  absl::Time time;
  std::string error;
  if (absl::ParseTime("%Y-%m-%d", text, &time, &error)) return time;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return time;
  absl::Duration ago;
  int days = 0;
  const bool is_days = absl::EndsWith(text, "d") && absl::SimpleAtoi(text.substr(0, text.size() - 1), &days);
  if (is_days) ago = absl::Hours(24) * days;
  if ((is_days || absl::ParseDuration(text, &ago)) && ago >= absl::ZeroDuration() && ago <= absl::Hours(24) * 36'500) {
    return now - ago;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", Printable(text), "\" is no time; write 30m, 24h, 7d, 2026-11-01 or 2026-11-01T10:00:00Z"));
}

absl::Status Get(const Central& central, const GetOptions& options, std::ostream& out) {
  if (auto status = CheckFilters(options); !status.ok()) return status;
  if (options.what == "points") return GetPoints(central, options, out);
  if (options.what == "sessions") return GetSessions(central, options, out);
  if (options.what == "tickets") return GetTickets(central, options, out);
  if (options.what == "gaps") {
    return PrintAll<central_pb::Gap>(
        central, central.server, &Central::Server::ListGaps, central_pb::ListGapsRequest(),
        [](const auto& response) { return response.gaps(); }, options, out);
  }
  return NotOneOf("get", options.what, {"points", "sessions", "tickets", "gaps"});
}

absl::Status Describe(const Central& central, absl::string_view what, const std::string& id, std::ostream& out) {
  if (what == "point") {
    central_pb::GetChargingPointRequest request;
    request.set_charging_point_id(id);
    const auto point = central.Call(central.points, &Central::Points::GetChargingPoint, request);
    if (point.ok()) out << Describe(*point);
    return point.status();
  }
  std::string session_id = id;
  if (what == "ticket") {
    central_pb::GetTicketRequest request;
    request.set_ticket_id(id);
    const auto ticket = central.Call(central.tickets, &Central::Tickets::GetTicket, request);
    if (!ticket.ok()) return ticket.status();
    session_id = ticket->session_id();
  } else if (what != "session") {
    return NotOneOf("describe", what, {"point", "session", "ticket"});
  }
  central_pb::GetSessionRequest request;
  request.set_session_id(session_id);
  const auto session = central.Call(central.sessions, &Central::Sessions::GetSession, request);
  if (session.ok()) out << Describe(*session);
  return session.status();
}

}  // namespace ev::evctl
