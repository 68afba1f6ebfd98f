#include "cli/evctl/fleet.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/text.h"
#include "cli/evctl/rows.h"
#include "domain/figures.h"

namespace ev::evctl {
namespace {

namespace common = evcharging::common::v1;

constexpr std::size_t kCounted = 10'000;
constexpr std::size_t kMaxFilter = 64;
constexpr int kFrameRows = 5;  // Title, two of totals, the table's names, the keys.
constexpr char kEscape[] = "\x1b";

struct Order {
  FleetOrder order;
  const char* key;
  const char* name;
};
constexpr Order kOrders[] = {{FleetOrder::kPower, "P", "power"},
                             {FleetOrder::kEnergy, "E", "energy"},
                             {FleetOrder::kAmount, "A", "amount"},
                             {FleetOrder::kState, "S", "state"},
                             {FleetOrder::kId, "I", "id"}};

bool IsOlder(const common::Revision& a, const common::Revision& b) {
  return std::pair(a.incarnation(), a.counter()) < std::pair(b.incarnation(), b.counter());
}

bool IsOpen(common::SessionState state) {
  return state != common::SESSION_STATE_COMPLETED && state != common::SESSION_STATE_DENIED &&
         state != common::SESSION_STATE_EXPIRED;
}

// The order of the panel's states is the order in which a person looks.
std::tuple<std::int64_t, const std::string&> Rank(const Fleet::Point& point, FleetOrder order) {
  const auto& session = point.current_session();
  const std::string& id = point.charging_point_id();
  switch (order) {
    case FleetOrder::kPower:
      return {-session.power_w(), id};
    case FleetOrder::kEnergy:
      return {-session.energy_mwh(), id};
    case FleetOrder::kAmount:
      return {-session.amount_micros(), id};
    case FleetOrder::kState:
      return {point.state(), id};
    case FleetOrder::kId:
      break;
  }
  return {0, id};
}

bool Matches(const Fleet::Point& point, absl::string_view filter) {
  if (filter.empty()) return true;
  const auto row = Row(point, Output::kWide);
  return std::any_of(row.begin(), row.end(),
                     [&](const Cell& cell) { return absl::StrContains(absl::AsciiStrToLower(cell.text), filter); });
}

std::string AmountsText(const std::map<std::string, std::int64_t>& amounts) {
  std::string text;
  for (const auto& [currency, micros] : amounts) absl::StrAppend(&text, ", ", AmountText(micros, currency));
  return text;
}

// Whether more bytes may make a character of `text`.
bool IsBegun(absl::string_view text) {
  return CharacterLength(text) == 0 && text.size() < 4 && (static_cast<unsigned char>(text[0]) & 0xc0U) == 0xc0U;
}

template <typename Kept>
void DropOlder(std::map<std::string, Kept>& all, std::int64_t stream) {
  for (auto it = all.begin(); it != all.end();) it = it->second.stream == stream ? std::next(it) : all.erase(it);
}

std::string CountsText(const std::map<std::string, int>& counts, absl::string_view before) {
  std::string text;
  for (const auto& [name, count] : counts) absl::StrAppend(&text, text.empty() ? before : ", ", count, " ", name);
  return text;
}

}  // namespace

void Fleet::BeginSessions(absl::Time now) {
  ++session_stream_;
  since_ = now;
  tickets_ = 0;
  billed_mwh_ = 0;
  billed_.clear();
  counted_.clear();
  counted_order_.clear();
}

void Fleet::Put(const Point& point) {
  KeptPoint& kept = points_[point.charging_point_id()];
  if (kept.stream == point_stream_ && IsOlder(point.revision(), kept.point.revision())) return;
  kept = {point, point_stream_};
}

void Fleet::Bill(const common::Ticket& ticket) {
  if (!counted_.insert(ticket.ticket_id()).second) return;
  counted_order_.push_back(ticket.ticket_id());
  if (counted_order_.size() > kCounted) {
    counted_.erase(counted_order_.front());
    counted_order_.pop_front();
  }
  ++tickets_;
  billed_mwh_ += ticket.energy_mwh();
  billed_[ticket.price().currency()] += ticket.amount_micros();
}

void Fleet::Put(const Session& session) {
  if (const auto it = open_.find(session.session_id()); it != open_.end() && it->second.stream == session_stream_ &&
                                                        IsOlder(session.revision(), it->second.session.revision())) {
    return;
  }
  if (IsOpen(session.state())) {
    open_[session.session_id()] = {session, session_stream_};
    return;
  }
  open_.erase(session.session_id());
  // An adjustment follows its ticket, which is as old as can be.
  if (session.has_adjustment()) {
    Bill(session.adjustment());
  } else if (session.has_ticket()) {
    Bill(session.ticket());
  }
}

bool Fleet::Apply(const evcharging::central::v1::WatchChargingPointsResponse& message) {
  if (message.has_charging_point()) Put(message.charging_point());
  if (message.has_changed()) Put(message.changed());
  if (!message.deleted_charging_point_id().empty()) points_.erase(message.deleted_charging_point_id());
  if (!message.has_snapshot_complete()) return false;
  DropOlder(points_, point_stream_);
  return has_points_ = true;
}

bool Fleet::Apply(const evcharging::central::v1::WatchSessionsResponse& message) {
  if (message.has_session()) Put(message.session());
  if (message.has_changed()) Put(message.changed());
  if (!message.has_snapshot_complete()) return false;
  DropOlder(open_, session_stream_);
  return has_sessions_ = true;
}

std::vector<const Fleet::Point*> Fleet::Points(FleetOrder order, absl::string_view filter) const {
  const std::string lower = absl::AsciiStrToLower(filter);
  std::vector<const Point*> points;
  for (const auto& [id, kept] : points_) {
    if (Matches(kept.point, lower)) points.push_back(&kept.point);
  }
  std::sort(points.begin(), points.end(),
            [&](const Point* a, const Point* b) { return Rank(*a, order) < Rank(*b, order); });
  return points;
}

std::string Fleet::PointTotals() const {
  std::map<std::string, int> counts;
  std::int64_t power_w = 0;
  for (const auto& [id, kept] : points_) {
    ++counts[absl::AsciiStrToLower(
        absl::StripPrefix(common::ChargingPointState_Name(kept.point.state()), "CHARGING_POINT_STATE_"))];
    // The last word of a point that is not heard is no power.
    if (kept.point.state() == common::CHARGING_POINT_STATE_CHARGING) power_w += kept.point.current_session().power_w();
  }
  return absl::StrCat(points_.size(), points_.size() == 1 ? " point" : " points", CountsText(counts, ": "), "  |  ",
                      PowerText(power_w));
}

std::string Fleet::SessionTotals(bool is_live) const {
  std::map<std::string, int> counts;
  std::int64_t energy_mwh = 0;
  Amounts amounts;
  for (const auto& [id, kept] : open_) {
    const Session& session = kept.session;
    ++counts[absl::AsciiStrToLower(absl::StripPrefix(common::SessionState_Name(session.state()), "SESSION_STATE_"))];
    energy_mwh += session.energy_mwh();
    amounts[session.price().currency()] += session.amount_micros();
  }
  std::string text = absl::StrCat(open_.size(), open_.size() == 1 ? " session" : " sessions", CountsText(counts, ": "),
                                  "  |  on the meter ", EnergyText(energy_mwh), AmountsText(amounts));
  if (is_live) {
    absl::StrAppend(&text, "  |  billed since ", absl::FormatTime("%H:%M:%S", since_, absl::UTCTimeZone()), ": ",
                    tickets_, tickets_ == 1 ? " ticket, " : " tickets, ", EnergyText(billed_mwh_),
                    AmountsText(billed_));
  }
  return text;
}

// --- what is shown ---------------------------------------------------------------------------------------------------

FleetView::Wish FleetView::OnKey(const std::string& key) {
  if (key == "\x1a") return Wish::kSuspend;  // Ctrl-Z.
  if (is_typing_) {
    page_ = 0;
    if (key == "\r" || key == "\n") {
      is_typing_ = false;
    } else if (key == kEscape) {
      is_typing_ = false;
      filter_.clear();
    } else if (key == "\x7f" || key == "\b") {
      while (!filter_.empty() && (static_cast<unsigned char>(filter_.back()) & 0xc0U) == 0x80U) filter_.pop_back();
      if (!filter_.empty()) filter_.pop_back();
    } else if (key == "\x15") {  // Ctrl-U.
      filter_.clear();
    } else if (FindUnprintable(key) == absl::string_view::npos && filter_.size() + key.size() <= kMaxFilter) {
      filter_ += key;
    }
    return Wish::kNothing;
  }
  if (key == "q" || key == "Q") return Wish::kLeave;
  for (const Order& order : kOrders) {
    if (key == order.key) order_ = order.order;
  }
  if (key == "/") is_typing_ = true;
  if (key == kEscape) filter_.clear();
  // PageDown, PageUp, Home and End as terminals send them, and the arrows.
  if (key == "n" || key == " " || key == "\x1b[6~" || key == "\x1b[B" || key == "\x1bOB") ++page_;
  if (key == "p" || key == "b" || key == "\x1b[5~" || key == "\x1b[A" || key == "\x1bOA")
    page_ = std::max(page_ - 1, 0);
  if (key == "g" || key == "\x1b[H" || key == "\x1b[1~" || key == "\x1bOH") page_ = 0;
  if (key == "G" || key == "\x1b[F" || key == "\x1b[4~" || key == "\x1bOF") page_ = 1'000'000;
  return Wish::kNothing;
}

std::string FleetView::Keys(int pages) const {
  if (is_typing_) return absl::StrCat("filter: ", filter_, "_  (Enter keeps it, Esc clears it)");
  std::string text = absl::StrCat("page ", page_ + 1, " of ", pages);
  for (const Order& order : kOrders) {
    if (order.order == order_) absl::StrAppend(&text, " by ", order.name);
  }
  if (!filter_.empty()) absl::StrAppend(&text, ", filter \"", filter_, "\"");
  return absl::StrCat("-- ", text,
                      "  |  q leave  n next  p previous  / filter  sort by P power E energy A amount S state I id");
}

std::vector<terminal::Line> FleetView::Render(const Fleet& fleet, const terminal::Line& title, int rows) {
  if (rows <= kFrameRows) return {{"the window is too small: q leaves", terminal::kPlain}};
  const auto points = fleet.Points(order_, filter_);
  std::vector<std::vector<Cell>> cells;
  cells.reserve(points.size());
  for (const Fleet::Point* point : points) cells.push_back(Row(*point, output_));
  const std::string table = TableText(Names<Fleet::Point>(output_), cells, false);
  const std::vector<absl::string_view> lines = absl::StrSplit(absl::StripSuffix(table, "\n"), '\n');

  const int per_page = rows - kFrameRows;
  const int count = static_cast<int>(points.size());
  const int pages = std::max(1, (count + per_page - 1) / per_page);
  page_ = std::clamp(page_, 0, pages - 1);
  std::vector<terminal::Line> out = {title,
                                     {Printable(fleet.PointTotals()), terminal::kPlain},
                                     {Printable(fleet.SessionTotals(true)), terminal::kPlain},
                                     {std::string(lines.front()), terminal::kBold}};
  for (int i = page_ * per_page; i < std::min(count, (page_ + 1) * per_page); ++i) {
    const auto at = static_cast<std::size_t>(i);
    out.push_back({std::string(lines[at + 1]), cells[at][1].color});  // As its state is shown.
  }
  out.resize(static_cast<std::size_t>(rows - 1));
  out.push_back({Keys(pages), terminal::kGrey});
  return out;
}

std::vector<std::string> SplitKeys(std::string& typed) {
  constexpr std::size_t kLongest = 16;  // Of a sequence: longer ones are none.
  std::vector<std::string> keys;
  while (!typed.empty()) {
    std::size_t size = std::max<std::size_t>(CharacterLength(typed), 1);
    if (typed[0] == kEscape[0] && typed.size() > 1 && typed[1] == 'O') {
      size = 3;
    } else if (typed[0] == kEscape[0] && typed.size() > 1 && typed[1] == '[') {
      size = 2;
      while (size < typed.size() && size < kLongest && (typed[size] < '@' || typed[size] > '~')) ++size;
      ++size;
    } else if (typed == kEscape || IsBegun(typed)) {
      return keys;  // The key, or a sequence's beginning; or a character's.
    }
    if (size > typed.size()) return keys;
    keys.push_back(typed.substr(0, size));
    typed.erase(0, size);
  }
  return keys;
}

}  // namespace ev::evctl
