#include "services/central/console/panel_model.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/text.h"
#include "domain/figures.h"

namespace ev::central {
namespace {

constexpr int kShortId = 8;  // Digits of a session id that a person needs.

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%H:%M:%S", time, absl::UTCTimeZone());
}

std::string CausesText(const std::vector<OutOfService>& causes) {
  std::string text = "Out of Order:";
  for (std::size_t i = 0; i < causes.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? " " : "; ", absl::AsciiStrToLower(Name(causes[i].cause)));
    if (!causes[i].reason.empty()) absl::StrAppend(&text, ", ", causes[i].reason);
    if (!causes[i].who.empty()) absl::StrAppend(&text, " (", causes[i].who, ")");
  }
  return text;
}

std::string Joined(std::initializer_list<absl::string_view> parts) {
  std::string text;
  for (absl::string_view part : parts) {
    if (!part.empty()) absl::StrAppend(&text, text.empty() ? "" : "  ", part);
  }
  return text;
}

std::string WhoAndWhere(const DriverId& driver, const CpId& cp) {
  return absl::StrCat(driver.value(), " at ", cp.value());
}

std::int64_t PowerOf(const PointView& point) {
  return point.state == PointState::kCharging && point.session.has_value() ? point.session->power_w : 0;
}

}  // namespace

absl::string_view ColorOf(PointState state) {
  switch (state) {
    case PointState::kAvailable:
    case PointState::kReserved:
    case PointState::kCharging:
      return terminal::kGreen;
    case PointState::kStopped:
      return terminal::kOrange;
    case PointState::kFaulted:
      return terminal::kRed;
    case PointState::kDisconnected:
      return terminal::kGrey;
  }
  return terminal::kPlain;
}

std::string PointText(const PointView& point) {
  const ChargingPoint& record = point.record;
  const std::string driver = point.session.has_value() ? point.session->driver.value() : "";
  const std::string causes = point.causes.empty() ? "" : CausesText(point.causes);
  std::string text;
  switch (point.state) {
    case PointState::kAvailable:
      text = Joined({PriceText(record.price), record.location});
      break;
    case PointState::kReserved:
      text = Joined({driver, PriceText(record.price), record.location, causes});
      break;
    case PointState::kCharging:
      if (point.session.has_value()) {
        const Session& session = *point.session;
        text = absl::StrFormat("%9s  %12s  %10s", PowerText(session.power_w), EnergyText(session.energy_mwh),
                               AmountText(session.amount_micros, session.price.currency));
      }
      text = Joined({text, driver, record.location, causes});
      break;
    case PointState::kStopped:
      text = Joined({causes, driver, record.location});
      break;
    case PointState::kFaulted:
      text = Joined({point.fault, driver, record.location, causes});
      break;
    case PointState::kDisconnected:
      text = point.last_seen == absl::InfinitePast()
                 ? "never seen"
                 : absl::StrCat("last seen ",
                                absl::FormatTime("%Y-%m-%d %H:%M:%S", point.last_seen, absl::UTCTimeZone()), " UTC");
      text = Joined({text,
                     point.last_state == PointState::kDisconnected
                         ? ""
                         : absl::StrCat("was ", std::string(Name(point.last_state))),
                     driver, record.location, causes});
      break;
  }
  return absl::StrFormat("%-12s  %-12s  %s", record.id.value(), std::string(Name(point.state)), text);
}

std::string TicketText(const Ticket& ticket) {
  return Joined({WhoAndWhere(ticket.driver, ticket.cp), EnergyText(ticket.energy_mwh),
                 AmountText(ticket.amount_micros, ticket.price.currency), Name(ticket.end_reason),
                 ticket.kind == TicketKind::kAdjustment ? "adjustment" : "", ticket.estimated ? "estimated" : "",
                 ticket.recovered ? "recovered" : "", ticket.session.value().substr(0, kShortId)});
}

std::string SessionText(const Session& session) {
  std::string figures;
  if (session.start != absl::InfinitePast() || session.energy_mwh > 0) {
    figures = Joined({PowerText(session.power_w), EnergyText(session.energy_mwh),
                      AmountText(session.amount_micros, session.price.currency)});
  }
  return Joined({session.id.value().substr(0, kShortId), absl::StrFormat("%-14s", std::string(Name(session.state))),
                 WhoAndWhere(session.driver, session.cp), figures});
}

// --- what changes ----------------------------------------------------------------------------------------------------

void PanelModel::Put(const PointView& point) {
  Erase(point.record.id);
  ++counts_[static_cast<std::size_t>(point.state)];
  power_w_ += PowerOf(point);
  points_.insert_or_assign(point.record.id.value(), point);
}

void PanelModel::Erase(const CpId& cp) {
  const auto it = points_.find(cp.value());
  if (it == points_.end()) return;
  --counts_[static_cast<std::size_t>(it->second.state)];
  power_w_ -= PowerOf(it->second);
  points_.erase(it);
}

void PanelModel::SetPoints(const std::vector<PointView>& points) {
  for (const PointView& point : points) Put(point);
}

void PanelModel::Apply(const PointChanged& change) {
  if (change.deleted) return Erase(change.point.record.id);
  if (change.point.state == PointState::kFaulted && change.previous != PointState::kFaulted) ++faults_;
  Put(change.point);
}

void PanelModel::Apply(const SessionChanged& change) {
  const Session& session = change.session;
  if (const auto it = points_.find(session.cp.value()); it != points_.end()) {
    PointView point = it->second;
    const bool is_its_own = point.session.has_value() && point.session->id == session.id;
    if (is_its_own || (!point.session.has_value() && HoldsPoint(session.state))) {
      point.session = HoldsPoint(session.state) ? std::optional<Session>(session) : std::nullopt;
      Put(point);
    }
  }
  if (!change.previous.has_value()) {
    ++requests_;
    Happened(session.requested,
             Joined({"request", WhoAndWhere(session.driver, session.cp),
                     session.manual ? "asked for at the charging point" : ""}),
             terminal::kPlain);
  }
  if (change.ticket.has_value()) {
    ++tickets_;
    Happened(change.ticket->issued, Joined({"ticket ", TicketText(*change.ticket)}), terminal::kGreen);
  } else if (change.previous != session.state &&
             (session.state == SessionState::kDenied || session.state == SessionState::kExpired)) {
    ++denials_;
    Happened(session.updated,
             Joined({session.state == SessionState::kDenied ? "denied " : "expired",
                     WhoAndWhere(session.driver, session.cp), Name(session.denial), session.denial_text}),
             terminal::kOrange);
  }
}

void PanelModel::Apply(const RequestDenied& denied) {
  ++requests_;
  ++denials_;
  Happened(denied.time, Joined({"denied ", WhoAndWhere(denied.driver, denied.cp), Name(denied.reason), denied.text}),
           terminal::kOrange);
}

void PanelModel::Happened(absl::Time time, absl::string_view what, absl::string_view color) {
  if (recent_.size() == kRecent) recent_.pop_front();
  recent_.push_back({Printable(CutUtf8(absl::StrCat(TimeText(time), "  ", what), kMaxLineBytes)), color});
}

bool PanelModel::SetLog(std::vector<std::string> lines) {
  for (std::string& line : lines) line = Printable(CutUtf8(line, kMaxLineBytes));
  if (lines == log_) return false;
  log_ = std::move(lines);
  return true;
}

void PanelModel::SetAnswer(absl::string_view text) {
  answer_.clear();
  if (text.empty()) return;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (answer_.size() == kAnswerLines) break;
    answer_.push_back(Printable(CutUtf8(line, kMaxLineBytes)));
  }
}

// --- what is shown ---------------------------------------------------------------------------------------------------

std::string PanelModel::Totals() const {
  std::string text = absl::StrCat(points_.size(), points_.size() == 1 ? " point:" : " points:");
  for (int i = 1; i <= kPointStates; ++i) {
    const auto state = static_cast<PointState>(i);
    if (Count(state) > 0) absl::StrAppend(&text, " ", Count(state), " ", absl::AsciiStrToLower(Name(state)));
  }
  absl::StrAppend(&text, "  |  ", PowerText(power_w_), "  |  requests ", requests_, "  denials ", denials_,
                  "  tickets ", tickets_, "  faults ", faults_);
  return text;
}

// The charging points come first, but a little is always kept for what happens; an answer is what the operator waits
// for, so it may take what the others have.
PanelModel::Split PanelModel::Divide(int rows) const {
  Split split;
  const int wanted_answer = answer_.empty() ? 0 : static_cast<int>(answer_.size()) + 1;
  int left = rows - 2;  // Title and totals.
  split.answer = std::min(wanted_answer, left);
  left -= split.answer;
  const int wanted_points = std::max<int>(1, static_cast<int>(std::min<std::size_t>(points_.size(), 1'000'000)));
  const int kept = left >= 14 ? 8 : left >= 9 ? 3 : 0;
  split.points = std::min(wanted_points, left - kept);
  left -= split.points;
  // Each of the two has a heading, so one line alone says nothing.
  const int wanted_recent = static_cast<int>(recent_.size()) + 1;
  split.recent = std::min(wanted_recent, log_.empty() ? left : std::max(left / 2, std::min(left, 3)));
  if (split.recent < 2) split.recent = 0;
  left -= split.recent;
  split.log = std::min(static_cast<int>(log_.size()) + 1, left);
  if (split.log < 2) split.log = 0;
  return split;
}

void PanelModel::RenderPoints(int rows, std::vector<terminal::Line>& out) {
  if (points_.empty()) {
    if (rows > 0) out.push_back({"no charging point has ever connected", terminal::kGrey});
    return;
  }
  if (rows <= 0) return;
  const int count = static_cast<int>(points_.size());
  // With pages one line says so.
  const int per_page = count <= rows ? rows : std::max(1, rows - 1);
  const int pages = (count + per_page - 1) / per_page;
  page_ = std::clamp(page_, 0, pages - 1);
  auto it = points_.begin();
  std::advance(it, page_ * per_page);
  for (int i = 0; i < per_page && it != points_.end(); ++i, ++it) {
    out.push_back({Printable(CutUtf8(PointText(it->second), kMaxLineBytes)), ColorOf(it->second.state)});
  }
  if (pages > 1 && rows > 1) {
    out.push_back(
        {absl::StrCat("-- page ", page_ + 1, " of ", pages, ": n next, p previous, panel <page>"), terminal::kGrey});
  }
}

std::vector<terminal::Line> PanelModel::Render(int rows) {
  std::vector<terminal::Line> out;
  if (rows < 2) return out;
  const Split split = Divide(rows);
  out.push_back({title_, terminal::kBold});
  out.push_back({Totals(), terminal::kPlain});
  RenderPoints(split.points, out);
  if (split.recent > 0) {
    out.push_back({"-- requests, denials, tickets", terminal::kGrey});
    for (auto it = recent_.end() - (split.recent - 1); it != recent_.end(); ++it) out.push_back(*it);
  }
  if (split.log > 0) {
    out.push_back({"-- log", terminal::kGrey});
    for (auto it = log_.end() - (split.log - 1); it != log_.end(); ++it) out.push_back({*it, terminal::kPlain});
  }
  if (split.answer > 0) {
    const auto shown = static_cast<std::size_t>(split.answer - 1);
    const std::size_t hidden = answer_.size() - shown;
    out.push_back({hidden == 0
                       ? "-- answer"
                       : absl::StrCat("-- answer, its last lines; with the ", hidden, " before: q, and ask again"),
                   terminal::kGrey});
    for (auto it = answer_.end() - static_cast<std::ptrdiff_t>(shown); it != answer_.end(); ++it) {
      out.push_back({*it, terminal::kBold});
    }
  }
  return out;
}

std::vector<std::string> PanelModel::Ids(absl::string_view prefix, std::size_t limit) const {
  std::vector<std::string> ids;
  for (auto it = points_.lower_bound(std::string(prefix)); it != points_.end() && ids.size() < limit; ++it) {
    if (!absl::StartsWith(it->first, prefix)) break;
    ids.push_back(it->first);
  }
  return ids;
}

}  // namespace ev::central
