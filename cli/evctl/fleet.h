#ifndef EV_CLI_EVCTL_FLEET_H_
#define EV_CLI_EVCTL_FLEET_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/evctl/table.h"
#include "evcharging/central/v1/charging_point_service.pb.h"
#include "evcharging/central/v1/session_service.pb.h"
#include "terminal/screen.h"

namespace ev::evctl {

enum class FleetOrder { kPower, kEnergy, kAmount, kState, kId };

// A network as Central's Watch streams tell it. When a stream begins anew, what the one before has told stays until the
// new snapshot is complete. Pure: no I/O, no clock, no thread. Its memory grows with charging points and open sessions,
// never with history.
class Fleet {
 public:
  using Point = evcharging::central::v1::ChargingPoint;

  // A stream begins. What is billed is counted from there on: what was billed while there was none is not known.
  void BeginPoints() { ++point_stream_; }
  void BeginSessions(absl::Time now);
  // Whether the message completes a snapshot.
  bool Apply(const evcharging::central::v1::WatchChargingPointsResponse& message);
  bool Apply(const evcharging::central::v1::WatchSessionsResponse& message);
  bool is_complete() const { return has_points_ && has_sessions_; }

  // Those of which a cell of their row contains `filter`, in any case; the highest figure first, equal ones by id.
  std::vector<const Point*> Points(FleetOrder order, absl::string_view filter) const;

  // "3 points: 2 available, 1 charging  |  11.0 kW".
  std::string PointTotals() const;
  // Open sessions by state, with what their meters show; and what was billed since the stream began, when `is_live`.
  std::string SessionTotals(bool is_live) const;

 private:
  using Session = evcharging::central::v1::Session;
  using Amounts = std::map<std::string, std::int64_t>;  // Micros by currency.

  struct KeptPoint {
    Point point;
    std::int64_t stream = 0;
  };
  struct KeptSession {
    Session session;
    std::int64_t stream = 0;
  };

  void Put(const Point& point);
  void Put(const Session& session);
  void Bill(const evcharging::common::v1::Ticket& ticket);

  std::map<std::string, KeptPoint> points_;
  std::map<std::string, KeptSession> open_;
  std::int64_t point_stream_ = 0;
  std::int64_t session_stream_ = 0;
  bool has_points_ = false;
  bool has_sessions_ = false;

  // Of this stream of sessions. A change of a session that is billed already comes with the same ticket.
  absl::Time since_;
  std::int64_t tickets_ = 0;
  std::int64_t billed_mwh_ = 0;
  Amounts billed_;
  std::set<std::string> counted_;
  std::deque<std::string> counted_order_;  // Oldest first.
};

// What a person chose to see of it, and how it is shown.
class FleetView {
 public:
  explicit FleetView(Output output) : output_(output) {}

  enum class Wish { kNothing, kLeave, kSuspend };
  // `key`: a character, or a terminal's sequence as SplitKeys() gives it.
  Wish OnKey(const std::string& key);

  // `rows` lines at most: `title`, totals, charging points, and which keys there are.
  std::vector<terminal::Line> Render(const Fleet& fleet, const terminal::Line& title, int rows);

 private:
  std::string Keys(int pages) const;

  const Output output_;
  FleetOrder order_ = FleetOrder::kPower;
  std::string filter_;
  bool is_typing_ = false;
  int page_ = 0;
};

// Takes the keys off the beginning of `typed`: characters, and sequences that begin with ESC. What may go on stays.
std::vector<std::string> SplitKeys(std::string& typed);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_FLEET_H_
