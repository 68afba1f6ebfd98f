#include "services/driver/core/lines.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace ev::driver {
namespace {

std::string TimeText(absl::Time time, absl::string_view format) {
  return absl::FormatTime(format, time, absl::UTCTimeZone());
}

// An empty text where it did not happen.
std::string SpanText(absl::Time start, absl::Time end) {
  if (start == absl::InfinitePast() || end == absl::InfinitePast()) return "";
  return absl::StrCat("  ", TimeText(start, "%Y-%m-%d %H:%M:%S"), " to ", TimeText(end, "%H:%M:%S"), " UTC");
}

std::string FiguresText(const Charge& charge) {
  return absl::StrCat(EnergyText(charge.energy_mwh), "  ", PowerText(charge.power_w), "  ",
                      AmountText(charge.amount_micros, charge.price.currency));
}

std::string GrantLine(const Charge& charge) {
  const std::string target = TargetText(charge.target, charge.price.currency);
  return absl::StrCat(charge.cp.value(), ": granted  ", PriceText(charge.price), target.empty() ? "" : "  ", target,
                      "  plug in  session ", charge.id.value());
}

// What is said when a session comes into this state; empty: nothing.
std::string StepLine(const Charge& charge) {
  const std::string& cp = charge.cp.value();
  switch (charge.state) {
    case SessionState::kRequested:
      return "";
    case SessionState::kUnconfirmed:
      return absl::StrCat(cp, ": not confirmed  the charging point has not answered yet; do not ask again  session ",
                          charge.id.value());
    case SessionState::kGranted:
      return GrantLine(charge);
    case SessionState::kCharging:
      return absl::StrCat(cp, ": charging  ", PriceText(charge.price), "  session ", charge.id.value());
    case SessionState::kAwaitingFinal:
      return absl::StrCat(
          cp, ": ended  ", EnergyText(charge.energy_mwh), "  ",
          charge.end_reason == EndReason::kNone ? "" : absl::StrCat(std::string(Name(charge.end_reason)), "  "),
          "the ticket comes when the final figures are booked");
    case SessionState::kCompleted:
      return charge.ticket ? TicketLine(*charge.ticket) : "";
    case SessionState::kDenied:
    case SessionState::kExpired:
      return DenialLine(charge.cp, std::get<Denial>(ConclusionOf(charge)));
  }
  return "";
}

}  // namespace

std::string TargetText(const Target& target, absl::string_view currency) {
  if (const auto* energy = std::get_if<EnergyTarget>(&target)) {
    return absl::StrCat("until ", EnergyText(energy->energy_mwh));
  }
  if (const auto* amount = std::get_if<AmountTarget>(&target)) {
    return absl::StrCat("until ", AmountText(amount->amount_micros, currency));
  }
  if (const auto* time = std::get_if<DurationTarget>(&target)) {
    return absl::StrCat("for ", absl::FormatDuration(time->duration));
  }
  return "";
}

std::string LiveLine(const Charge& charge) {
  return absl::StrCat(charge.cp.value(), ": ", FiguresText(charge));
}

std::string TicketLine(const Ticket& ticket) {
  return absl::StrCat(ticket.cp.value(), ticket.kind == TicketKind::kAdjustment ? ": adjustment  " : ": ticket  ",
                      EnergyText(ticket.energy_mwh), "  ", AmountText(ticket.amount_micros, ticket.price.currency),
                      "  ", std::string(Name(ticket.end_reason)), ticket.estimated ? "  estimated" : "",
                      ticket.recovered ? "  recovered" : "", SpanText(ticket.start, ticket.end), "  session ",
                      ticket.session.value());
}

std::string DenialLine(const CpId& cp, const Denial& denial) {
  return absl::StrCat(cp.value(), ": denied  ", denial.reason, denial.text.empty() ? "" : "  ", denial.text);
}

std::string StateLine(const Charge& charge) {
  std::string line;
  if (IsConcluded(charge)) {
    line = StepLine(charge);
  } else {
    line = absl::StrCat(charge.cp.value(), ": ", std::string(Name(charge.state)), "  ", FiguresText(charge),
                        "  session ", charge.id.value());
  }
  if (!charge.notice.empty()) absl::StrAppend(&line, "  (", charge.notice, ")");
  if (charge.adjustment) absl::StrAppend(&line, "\n", TicketLine(*charge.adjustment));
  return line;
}

ChangeLines LinesFor(const ChargeChange& change) {
  const Charge& charge = change.charge;
  const bool same_state = change.before && change.before->state == charge.state &&
                          change.before->ticket.has_value() == charge.ticket.has_value();
  std::vector<std::string> steps;
  if (!same_state) {
    if (std::string line = StepLine(charge); !line.empty()) steps.push_back(std::move(line));
  }
  if (!charge.notice.empty() && !(change.before && change.before->notice == charge.notice)) {
    steps.push_back(absl::StrCat(charge.cp.value(), ": ", charge.notice));
  }
  if (charge.adjustment && !(change.before && change.before->adjustment)) {
    steps.push_back(TicketLine(*charge.adjustment));
  }
  return {.step = absl::StrJoin(steps, "\n"), .live = charge.state == SessionState::kCharging ? LiveLine(charge) : ""};
}

std::string ProgressText(const ListProgress& progress) {
  return absl::StrCat(progress.index + 1, " of ", progress.total, ": ", progress.cp.value());
}

std::string CountsText(const ListProgress& progress) {
  return absl::StrCat(progress.completed, " completed, ", progress.denied, " denied, ", progress.failed, " failed");
}

}  // namespace ev::driver
