#ifndef EV_SERVICES_CENTRAL_CONSOLE_PANEL_MODEL_H_
#define EV_SERVICES_CENTRAL_CONSOLE_PANEL_MODEL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/text.h"
#include "domain/charging_point.h"
#include "domain/ids.h"
#include "services/central/core/effects.h"
#include "terminal/screen.h"

namespace ev::central {

// The colour of a state: available, reserved and charging are green, the others as SPEC's table has them.
absl::string_view ColorOf(PointState state);

// What an operator reads about a charging point: id, state, and what belongs to that state.
std::string PointText(const PointView& point);
std::string TicketText(const Ticket& ticket);
std::string SessionText(const Session& session);

// All that the panel shows, and where: charging points by id, totals, what happened last, the log's end, the last
// answer. Pure: no I/O, no clock, no thread.
//
// Its memory grows with charging points, never with history: kRecent lines of what happened and kAnswerLines of an
// answer are kept, each line at most kMaxLineBytes long.
class PanelModel {
 public:
  static constexpr std::size_t kRecent = 50;
  static constexpr std::size_t kAnswerLines = 1000;
  static constexpr std::size_t kMaxLineBytes = 400;
  static constexpr int kMinRows = 8;  // Less shows nothing useful.

  explicit PanelModel(absl::string_view title) : title_(Printable(title)) {}

  void SetTitle(absl::string_view title) { title_ = Printable(title); }
  void SetPoints(const std::vector<PointView>& points);
  void Apply(const PointChanged& change);
  void Apply(const SessionChanged& change);
  void Apply(const RequestDenied& denied);
  // Oldest first. Returns whether they differ from those before.
  bool SetLog(std::vector<std::string> lines);
  // Lines divided by '\n', shown until the next; empty: none.
  void SetAnswer(absl::string_view text);

  // Pages of charging points, when there are more than lines. A page that does not exist becomes the nearest.
  void TurnPage(int pages) { page_ += pages; }
  void ShowPage(int page) { page_ = page - 1; }

  // At most `rows` lines, from the top. Keeps the page in its range.
  std::vector<terminal::Line> Render(int rows);

  // At most `limit` ids that begin with `prefix`, in order.
  std::vector<std::string> Ids(absl::string_view prefix, std::size_t limit) const;

  std::size_t points() const { return points_.size(); }
  std::int64_t Count(PointState state) const { return counts_[static_cast<std::size_t>(state)]; }

 private:
  struct Split {
    int points = 0;
    int recent = 0;
    int log = 0;
    int answer = 0;
  };

  void Put(const PointView& point);
  void Erase(const CpId& cp);
  void Happened(absl::Time time, absl::string_view what, absl::string_view color);
  std::string Totals() const;
  Split Divide(int rows) const;
  void RenderPoints(int rows, std::vector<terminal::Line>& out);

  std::string title_;
  absl::btree_map<std::string, PointView> points_;
  std::array<std::int64_t, kPointStates + 1> counts_{};
  std::int64_t power_w_ = 0;  // Of all charging points that charge.
  std::int64_t requests_ = 0;
  std::int64_t denials_ = 0;
  std::int64_t tickets_ = 0;
  std::int64_t faults_ = 0;
  std::deque<terminal::Line> recent_;
  std::vector<std::string> log_;
  std::vector<std::string> answer_;
  int page_ = 0;
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_CONSOLE_PANEL_MODEL_H_
