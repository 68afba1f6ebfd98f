#ifndef EV_TESTS_SIM_DRIVER_SIM_H_
#define EV_TESTS_SIM_DRIVER_SIM_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/driver/core/drivers.h"
#include "tests/sim/central_process.h"
#include "tests/sim/clocks.h"
#include "tests/sim/network.h"

namespace ev::sim {

// A driver: the person, who remembers what was asked for and asks again, with the same request id, until its end was
// shown; and the Driver process in between, which comes and goes and knows nothing but the driver's id.
class DriverSim {
 public:
  struct Request {
    CpId cp;
    Target target;
    bool is_in_list = false;
    SessionId session;  // That it got; empty: none yet, or denied before there was one.
    std::optional<driver::Conclusion> conclusion;
  };

  DriverSim(DriverId id, EventLoop& loop, Random& random, Network& network, CentralProcess& central);

  void Start();
  void Crash();
  void CutWatch();

  // Nothing is asked while the process is down.
  void Ask(const std::string& request_id, const CpId& cp, const Target& target);
  void RunList(const std::string& request_id, const std::vector<CpId>& cps, const Target& target);
  void Stop(const std::string& request_id);

  const DriverId& id() const { return id_; }
  const std::map<std::string, Request>& requests() const { return requests_; }
  // The sessions that this process has shown, as they were shown last.
  std::map<SessionId, driver::Charge> shown() const;
  // Whatever was asked for has come to its end.
  bool IsQuiet() const;

  std::int64_t crashes = 0;
  std::int64_t cuts = 0;
  std::int64_t unconfirmed = 0;
  std::int64_t repeats = 0;        // Requests sent again.
  std::int64_t fetches = 0;        // Of sessions that the stream did not have any more.
  std::int64_t lists = 0;          // Worked through to their end.
  std::int64_t tickets_shown = 0;  // At a new process again.
  // Each must stay empty: what must never happen.
  std::vector<std::string> wrong;

 private:
  struct List {
    driver::ListCall call;
    bool is_over = false;
  };
  struct Run {
    Life life = std::make_shared<int>();
    std::optional<ProcessClock> clock;
    std::optional<RandomIdSource> ids;
    std::optional<driver::Drivers> core;
    CentralProcess::WatchHandle watch;
    driver::WatchId watch_id;
    std::map<driver::CallId, std::string> asked;
    bool is_list_busy = false;
    std::optional<absl::Duration> list_concluded;
    // What the person was shown.
    std::map<SessionId, driver::Charge> shown;
    std::vector<std::pair<CpId, driver::Denial>> denials;  // Told as news, not yet matched with a conclusion.
    std::map<SessionId, int> denial_news;
  };
  using Input = std::function<void(driver::Drivers&, const Moment&, driver::Effects&)>;
  using OnCharge = std::function<void(const absl::StatusOr<driver::Charge>&)>;

  void Apply(const Input& input);
  void Place(const std::string& request_id);
  void PlaceList();
  void Call(
      absl::Duration limit, std::function<void(const OnCharge&)> serve,
      std::function<void(driver::Drivers&, const Moment&, const absl::StatusOr<driver::Charge>&, driver::Effects&)>
          answered);
  absl::StatusOr<driver::Charge> Read(const SessionId& session) const;

  void Do(const driver::OpenWatch& effect);
  void Do(const driver::CloseWatch& effect);
  void Do(const driver::SendStart& effect);
  void Do(const driver::SendStop& effect);
  void Do(const driver::SendGet& effect);
  void Do(const driver::Answered& effect);
  void Do(const driver::Concluded& effect);
  void Do(const driver::Told& effect);
  void Do(const driver::Settled&) {}
  void Do(const driver::ListStep& effect);

  void OnGot(const std::string& request_id, const driver::Charge& charge);
  void OnConclusion(const std::string& request_id, const driver::Conclusion& conclusion);
  void OnShown(const driver::Charge& charge);
  void OnDenialNews(const CpId& cp, const SessionId& session, const driver::Denial& denial);
  void Wrong(const std::string& what);

  const DriverId id_;
  EventLoop& loop_;
  Random& random_;
  Network& network_;
  CentralProcess& central_;
  std::map<std::string, Request> requests_;
  std::map<std::string, int> sent_;  // By request id.
  std::optional<List> list_;
  std::unique_ptr<Run> run_;
};

}  // namespace ev::sim

#endif  // EV_TESTS_SIM_DRIVER_SIM_H_
