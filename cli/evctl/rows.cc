#include "cli/evctl/rows.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/text.h"
#include "domain/figures.h"
#include "domain/money.h"
#include "evcharging/central/v1/charging_point.pb.h"
#include "evcharging/central/v1/server_service.pb.h"
#include "evcharging/central/v1/session.pb.h"
#include "evcharging/common/v1/ticket.pb.h"
#include "terminal/terminal.h"

namespace ev::evctl {
namespace {

namespace central = evcharging::central::v1;
namespace common = evcharging::common::v1;

using terminal::kCyan;
using terminal::kGreen;
using terminal::kGrey;
using terminal::kOrange;
using terminal::kRed;
using terminal::kYellow;

// Where a column is shown.
enum Where : unsigned { kInTable = 1, kInWide = 2, kInCsv = 4, kInText = kInTable | kInWide, kAlways = 7 };

template <typename Item>
struct Column {
  unsigned where;
  const char* name;
  Cell (*cell)(const Item&);
};

Cell Plain(std::string text) {
  return {std::move(text), ""};
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ",
                          absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos()), absl::UTCTimeZone());
}

std::string ShortTime(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "";
  return absl::FormatTime("%m-%d %H:%M:%S", absl::FromUnixSeconds(time.seconds()), absl::UTCTimeZone());
}

Price PriceOf(const common::Price& price) {
  return {.micros_per_kwh = price.micros_per_kwh(), .currency = price.currency()};
}

std::string StateText(common::ChargingPointState state) {
  return std::string(absl::StripPrefix(common::ChargingPointState_Name(state), "CHARGING_POINT_STATE_"));
}
std::string StateText(common::SessionState state) {
  return std::string(absl::StripPrefix(common::SessionState_Name(state), "SESSION_STATE_"));
}
std::string ReasonText(common::EndReason reason) {
  if (reason == common::END_REASON_UNSPECIFIED) return "";
  return std::string(absl::StripPrefix(common::EndReason_Name(reason), "END_REASON_"));
}
std::string DenialText(const common::Denial& denial) {
  return std::string(absl::StripPrefix(common::DenialReason_Name(denial.reason()), "DENIAL_REASON_"));
}

// The colours of Central's panel.
absl::string_view ColorOf(common::ChargingPointState state) {
  switch (state) {
    case common::CHARGING_POINT_STATE_AVAILABLE:
    case common::CHARGING_POINT_STATE_CHARGING:
      return kGreen;
    case common::CHARGING_POINT_STATE_RESERVED:
      return kCyan;
    case common::CHARGING_POINT_STATE_STOPPED:
      return kOrange;
    case common::CHARGING_POINT_STATE_FAULTED:
      return kRed;
    default:
      return kGrey;
  }
}

absl::string_view ColorOf(common::SessionState state) {
  switch (state) {
    case common::SESSION_STATE_CHARGING:
      return kGreen;
    case common::SESSION_STATE_REQUESTED:
    case common::SESSION_STATE_GRANTED:
      return kCyan;
    case common::SESSION_STATE_UNCONFIRMED:
    case common::SESSION_STATE_AWAITING_FINAL:
      return kYellow;
    case common::SESSION_STATE_DENIED:
      return kRed;
    default:
      return "";
  }
}

// Why a point is not in service, shortly.
std::string Causes(const central::ChargingPoint& point) {
  std::vector<std::string> causes;
  for (const auto& cause : point.causes()) {
    const std::string name = absl::AsciiStrToLower(
        absl::StripPrefix(common::OutOfServiceCause_Name(cause.cause()), "OUT_OF_SERVICE_CAUSE_"));
    causes.push_back(absl::StrCat(name, cause.reason().empty() ? "" : ": ", cause.reason(),
                                  cause.network_wide() ? " (all points)" : ""));
  }
  if (!point.connection().fault().empty()) causes.push_back(absl::StrCat("fault: ", point.connection().fault()));
  return absl::StrJoin(causes, "; ");
}

using Point = central::ChargingPoint;
constexpr Column<Point> kPointColumns[] = {
    {kInText, "POINT", [](const Point& p) { return Plain(p.charging_point_id()); }},
    {kInText, "STATE",
     [](const Point& p) -> Cell {
       return {StateText(p.state()), ColorOf(p.state())};
     }},
    {kInText, "DRIVER", [](const Point& p) { return Plain(p.current_session().driver_id()); }},
    {kInText, "POWER",
     [](const Point& p) {
       return Plain(p.current_session().power_w() > 0 ? PowerText(p.current_session().power_w()) : "");
     }},
    {kInText, "ENERGY",
     [](const Point& p) { return Plain(p.has_current_session() ? EnergyText(p.current_session().energy_mwh()) : ""); }},
    {kInText, "AMOUNT",
     [](const Point& p) {
       return Plain(p.has_current_session() ? AmountText(p.current_session().amount_micros(), p.price().currency())
                                            : "");
     }},
    {kInText, "PRICE", [](const Point& p) { return Plain(PriceText(PriceOf(p.price()))); }},
    {kInText, "LOCATION", [](const Point& p) { return Plain(p.location()); }},
    {kInWide, "SITE", [](const Point& p) { return Plain(p.site()); }},
    {kInWide, "LAST SEEN", [](const Point& p) { return Plain(ShortTime(p.connection().last_seen_time())); }},
    {kInWide, "UNSETTLED", [](const Point& p) { return Plain(absl::StrCat(p.connection().unsettled_total())); }},
    {kInWide, "SESSION", [](const Point& p) { return Plain(p.current_session().session_id()); }},
    {kInText, "WHY", [](const Point& p) { return Plain(Causes(p)); }},
    {kInCsv, "charging_point_id", [](const Point& p) { return Plain(p.charging_point_id()); }},
    {kInCsv, "state", [](const Point& p) { return Plain(StateText(p.state())); }},
    {kInCsv, "location", [](const Point& p) { return Plain(p.location()); }},
    {kInCsv, "site", [](const Point& p) { return Plain(p.site()); }},
    {kInCsv, "price_per_kwh", [](const Point& p) { return Plain(Exact(p.price().micros_per_kwh())); }},
    {kInCsv, "currency", [](const Point& p) { return Plain(p.price().currency()); }},
    {kInCsv, "connected", [](const Point& p) { return Plain(p.connection().connected() ? "true" : "false"); }},
    {kInCsv, "last_seen_time", [](const Point& p) { return Plain(TimeText(p.connection().last_seen_time())); }},
    {kInCsv, "session_id", [](const Point& p) { return Plain(p.current_session().session_id()); }},
    {kInCsv, "driver_id", [](const Point& p) { return Plain(p.current_session().driver_id()); }},
    {kInCsv, "power_w", [](const Point& p) { return Plain(absl::StrCat(p.current_session().power_w())); }},
    {kInCsv, "energy_kwh", [](const Point& p) { return Plain(Exact(p.current_session().energy_mwh())); }},
    {kInCsv, "amount", [](const Point& p) { return Plain(Exact(p.current_session().amount_micros())); }},
    {kInCsv, "out_of_service", [](const Point& p) { return Plain(Causes(p)); }},
};

// What a person should know of it beside its state.
std::string Remark(const central::Session& session) {
  if (session.has_denial()) return absl::StrCat(DenialText(session.denial()), ": ", session.denial().text());
  return absl::StrCat(ReasonText(session.end_reason()), session.notice().empty() ? "" : "  ", session.notice());
}

using Session = central::Session;
constexpr Column<Session> kSessionColumns[] = {
    {kAlways, "SESSION", [](const Session& s) { return Plain(s.session_id()); }},
    {kAlways, "STATE",
     [](const Session& s) -> Cell {
       return {StateText(s.state()), ColorOf(s.state())};
     }},
    {kAlways, "DRIVER", [](const Session& s) { return Plain(s.driver_id()); }},
    {kAlways, "POINT", [](const Session& s) { return Plain(s.charging_point_id()); }},
    {kInText, "ENERGY", [](const Session& s) { return Plain(EnergyText(s.energy_mwh())); }},
    {kInText, "AMOUNT", [](const Session& s) { return Plain(AmountText(s.amount_micros(), s.price().currency())); }},
    {kInText, "REQUESTED", [](const Session& s) { return Plain(ShortTime(s.request_time())); }},
    {kInWide, "STARTED", [](const Session& s) { return Plain(ShortTime(s.start_time())); }},
    {kInWide, "ENDED", [](const Session& s) { return Plain(ShortTime(s.end_time())); }},
    {kInWide, "LAST SAMPLE", [](const Session& s) { return Plain(ShortTime(s.last_sample_time())); }},
    {kInWide, "GRANT", [](const Session& s) { return Plain(absl::StrCat(s.grant_number())); }},
    {kInWide, "TRACE", [](const Session& s) { return Plain(s.trace_id()); }},
    {kInText, "REMARK", [](const Session& s) { return Plain(Remark(s)); }},
    {kInCsv, "energy_kwh", [](const Session& s) { return Plain(Exact(s.energy_mwh())); }},
    {kInCsv, "amount", [](const Session& s) { return Plain(Exact(s.amount_micros())); }},
    {kInCsv, "currency", [](const Session& s) { return Plain(s.price().currency()); }},
    {kInCsv, "price_per_kwh", [](const Session& s) { return Plain(Exact(s.price().micros_per_kwh())); }},
    {kInCsv, "request_time", [](const Session& s) { return Plain(TimeText(s.request_time())); }},
    {kInCsv, "start_time", [](const Session& s) { return Plain(TimeText(s.start_time())); }},
    {kInCsv, "end_time", [](const Session& s) { return Plain(TimeText(s.end_time())); }},
    {kInCsv, "end_reason", [](const Session& s) { return Plain(ReasonText(s.end_reason())); }},
    {kInCsv, "denial", [](const Session& s) { return Plain(s.has_denial() ? DenialText(s.denial()) : ""); }},
    {kInCsv, "trace_id", [](const Session& s) { return Plain(s.trace_id()); }},
};

std::string Marks(const common::Ticket& ticket) {
  std::vector<absl::string_view> marks;
  if (ticket.kind() == common::TICKET_KIND_ADJUSTMENT) marks.emplace_back("ADJUSTMENT");
  if (ticket.estimated()) marks.emplace_back("ESTIMATED");
  if (ticket.recovered()) marks.emplace_back("RECOVERED");
  return absl::StrJoin(marks, " ");
}

using Ticket = common::Ticket;
constexpr Column<Ticket> kTicketColumns[] = {
    {kAlways, "TICKET", [](const Ticket& t) { return Plain(t.ticket_id()); }},
    {kAlways, "DRIVER", [](const Ticket& t) { return Plain(t.driver_id()); }},
    {kAlways, "POINT", [](const Ticket& t) { return Plain(t.charging_point_id()); }},
    {kInText, "ENERGY", [](const Ticket& t) { return Plain(EnergyText(t.energy_mwh())); }},
    {kInText, "AMOUNT", [](const Ticket& t) { return Plain(AmountText(t.amount_micros(), t.price().currency())); }},
    {kInWide, "PRICE", [](const Ticket& t) { return Plain(PriceText(PriceOf(t.price()))); }},
    {kInWide, "STARTED", [](const Ticket& t) { return Plain(ShortTime(t.start_time())); }},
    {kInText, "ENDED", [](const Ticket& t) { return Plain(ShortTime(t.end_time())); }},
    {kInText, "REASON", [](const Ticket& t) { return Plain(ReasonText(t.end_reason())); }},
    {kInWide, "SESSION", [](const Ticket& t) { return Plain(t.session_id()); }},
    {kInText, "MARKS",
     [](const Ticket& t) -> Cell {
       return {Marks(t), kYellow};
     }},
    {kInCsv, "session_id", [](const Ticket& t) { return Plain(t.session_id()); }},
    {kInCsv, "kind",
     [](const Ticket& t) {
       return Plain(std::string(absl::StripPrefix(common::TicketKind_Name(t.kind()), "TICKET_KIND_")));
     }},
    {kInCsv, "energy_kwh", [](const Ticket& t) { return Plain(Exact(t.energy_mwh())); }},
    {kInCsv, "amount", [](const Ticket& t) { return Plain(Exact(t.amount_micros())); }},
    {kInCsv, "currency", [](const Ticket& t) { return Plain(t.price().currency()); }},
    {kInCsv, "price_per_kwh", [](const Ticket& t) { return Plain(Exact(t.price().micros_per_kwh())); }},
    {kInCsv, "start_time", [](const Ticket& t) { return Plain(TimeText(t.start_time())); }},
    {kInCsv, "end_time", [](const Ticket& t) { return Plain(TimeText(t.end_time())); }},
    {kInCsv, "create_time", [](const Ticket& t) { return Plain(TimeText(t.create_time())); }},
    {kInCsv, "end_reason", [](const Ticket& t) { return Plain(ReasonText(t.end_reason())); }},
    {kInCsv, "estimated", [](const Ticket& t) { return Plain(t.estimated() ? "true" : "false"); }},
    {kInCsv, "recovered", [](const Ticket& t) { return Plain(t.recovered() ? "true" : "false"); }},
    {kInCsv, "adjusts_ticket_id", [](const Ticket& t) { return Plain(t.adjusts_ticket_id()); }},
};

using Gap = central::Gap;
constexpr Column<Gap> kGapColumns[] = {
    {kAlways, "GAP", [](const Gap& g) { return Plain(absl::StrCat(g.gap_id())); }},
    {kAlways, "TOPIC", [](const Gap& g) { return Plain(g.topic()); }},
    {kAlways, "PARTITION", [](const Gap& g) { return Plain(absl::StrCat(g.partition())); }},
    {kAlways, "CAUSE",
     [](const Gap& g) {
       return Plain(std::string(absl::StripPrefix(central::GapCause_Name(g.cause()), "GAP_CAUSE_")));
     }},
    {kAlways, "EXPECTED", [](const Gap& g) { return Plain(absl::StrCat(g.expected_offset())); }},
    {kAlways, "RESUMED", [](const Gap& g) { return Plain(absl::StrCat(g.resumed_offset())); }},
    {kAlways, "DETECTED", [](const Gap& g) { return Plain(TimeText(g.detect_time())); }},
};

template <typename Item>
absl::Span<const Column<Item>> Columns();
template <>
absl::Span<const Column<Point>> Columns<Point>() {
  return kPointColumns;
}
template <>
absl::Span<const Column<Session>> Columns<Session>() {
  return kSessionColumns;
}
template <>
absl::Span<const Column<Ticket>> Columns<Ticket>() {
  return kTicketColumns;
}
template <>
absl::Span<const Column<Gap>> Columns<Gap>() {
  return kGapColumns;
}

bool IsShown(unsigned where, Output output) {
  const unsigned wanted = output == Output::kCsv ? kInCsv : output == Output::kWide ? kInWide : kInTable;
  return (where & wanted) != 0;
}

// A name in a table, and the same in CSV: `SESSION` is `session_id` there.
std::string NameIn(Output output, absl::string_view name) {
  if (output != Output::kCsv) return std::string(name);
  const std::string lower = absl::AsciiStrToLower(name);
  if (lower == "point") return "charging_point_id";
  const bool is_id = lower == "session" || lower == "driver" || lower == "ticket" || lower == "gap";
  return absl::StrCat(lower, is_id ? "_id" : "");
}

void AddLine(std::string& out, absl::string_view name, absl::string_view value) {
  if (!value.empty()) absl::StrAppendFormat(&out, "%-14s %s\n", absl::StrCat(name, ":"), Printable(value));
}

}  // namespace

std::string Exact(std::int64_t millionths) {
  const auto size =
      millionths < 0 ? 0 - static_cast<std::uint64_t>(millionths) : static_cast<std::uint64_t>(millionths);
  return absl::StrFormat("%s%d.%06d", millionths < 0 ? "-" : "", size / 1'000'000, size % 1'000'000);
}

template <typename Item>
std::vector<std::string> Names(Output output) {
  std::vector<std::string> names;
  for (const auto& column : Columns<Item>()) {
    if (IsShown(column.where, output)) names.push_back(NameIn(output, column.name));
  }
  return names;
}

template <typename Item>
std::vector<Cell> Row(const Item& item, Output output) {
  std::vector<Cell> row;
  for (const auto& column : Columns<Item>()) {
    if (IsShown(column.where, output)) row.push_back(column.cell(item));
  }
  return row;
}

template std::vector<std::string> Names<Point>(Output);
template std::vector<std::string> Names<Session>(Output);
template std::vector<std::string> Names<Ticket>(Output);
template std::vector<std::string> Names<Gap>(Output);
template std::vector<Cell> Row(const Point&, Output);
template std::vector<Cell> Row(const Session&, Output);
template std::vector<Cell> Row(const Ticket&, Output);
template std::vector<Cell> Row(const Gap&, Output);

std::string Describe(const Session& session) {
  std::string out;
  AddLine(out, "session", session.session_id());
  AddLine(out, "state", StateText(session.state()));
  AddLine(out, "driver", session.driver_id());
  AddLine(out, "point",
          absl::StrCat(session.charging_point_id(), session.requested_at_point() ? " (asked there)" : "", ", grant ",
                       session.grant_number()));
  AddLine(out, "requested", TimeText(session.request_time()));
  AddLine(out, "started", TimeText(session.start_time()));
  AddLine(out, "last sample", TimeText(session.last_sample_time()));
  AddLine(out, "ended", TimeText(session.end_time()));
  AddLine(out, "end reason", ReasonText(session.end_reason()));
  AddLine(out, "stop asked", ReasonText(session.stop_requested()));
  if (session.has_denial()) AddLine(out, "denied", Remark(session));
  AddLine(out, "notice", session.notice());
  if (session.has_write_off()) {
    AddLine(out, "written off", absl::StrCat(session.write_off().requested_by(), ": ", session.write_off().reason()));
  }
  AddLine(out, "meter", absl::StrCat(Exact(session.energy_mwh()), " kWh"));
  AddLine(out, "price",
          absl::StrCat(Exact(session.price().micros_per_kwh()), " ", session.price().currency(), " per kWh"));
  AddLine(out, "amount", absl::StrCat(Exact(session.amount_micros()), " ", session.price().currency()));
  const auto add_ticket = [&out](absl::string_view name, const Ticket& ticket) {
    const std::string marks = Marks(ticket);
    AddLine(out, name,
            absl::StrCat(ticket.ticket_id(), " of ", TimeText(ticket.create_time()), marks.empty() ? "" : "  ", marks));
    AddLine(out, "  bills",
            absl::StrCat(Exact(ticket.energy_mwh()), " kWh x ", Exact(ticket.price().micros_per_kwh()), " = ",
                         Exact(ticket.amount_micros()), " ", ticket.price().currency()));
  };
  if (session.has_ticket()) add_ticket("ticket", session.ticket());
  if (session.has_adjustment()) add_ticket("adjustment", session.adjustment());
  if (!session.has_ticket()) AddLine(out, "ticket", "none");
  AddLine(out, "trace", session.trace_id());
  return out;
}

std::string Describe(const Point& point) {
  std::string out;
  AddLine(out, "point", point.charging_point_id());
  AddLine(out, "state", StateText(point.state()));
  AddLine(out, "why", Causes(point));
  AddLine(out, "location", point.location());
  AddLine(out, "site", point.site());
  AddLine(out, "price", absl::StrCat(Exact(point.price().micros_per_kwh()), " ", point.price().currency(), " per kWh"));
  const auto& connection = point.connection();
  AddLine(out, "link",
          absl::StrCat(connection.connected() ? "connected" : "not connected", ", epoch ", connection.link_epoch(),
                       ", Monitor ", connection.monitor_version()));
  AddLine(out, "last seen", TimeText(connection.last_seen_time()));
  AddLine(out, "unsettled", absl::StrCat(connection.unsettled_total(), " sessions that the Engine still holds"));
  AddLine(out, "journal",
          absl::StrCat(connection.journal_id(), ", room for ", connection.journal_room_facts(), " facts",
                       connection.journal_full() ? ", FULL" : ""));
  AddLine(out, "Kafka", connection.kafka_fault());
  AddLine(out, "last grant", absl::StrCat(point.highest_grant_number()));
  AddLine(out, "registered", TimeText(point.create_time()));
  if (point.has_current_session()) {
    const auto& session = point.current_session();
    AddLine(out, "session",
            absl::StrCat(session.session_id(), " of ", session.driver_id(), ", ", StateText(session.state()),
                         session.waiting_for().empty() ? "" : ", waits for ", session.waiting_for()));
    AddLine(out, "meter",
            absl::StrCat(Exact(session.energy_mwh()), " kWh at ", PowerText(session.power_w()), " = ",
                         Exact(session.amount_micros()), " ", point.price().currency()));
  }
  return out;
}

}  // namespace ev::evctl
