#ifndef EV_SERVICES_DRIVER_CORE_DRIVERS_H_
#define EV_SERVICES_DRIVER_CORE_DRIVERS_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/id_source.h"
#include "services/driver/core/charge.h"
#include "services/driver/core/effects.h"
#include "services/driver/core/request_list.h"

namespace ev::driver {

struct DriversConfig {
  BackoffPolicy backoff{.initial = absl::Milliseconds(200), .max = absl::Seconds(5)};
  // A stream on which nothing came for so long is opened anew: Central's heartbeats come every 10 s. At its beginning
  // less is enough, for the snapshot comes at once.
  absl::Duration watch_silence = absl::Seconds(25);
  absl::Duration watch_opening = absl::Seconds(5);
  // An open session of which nothing was heard for so long is asked for.
  absl::Duration charge_silence = absl::Seconds(30);
  // A charge that stands still for so long (its point is faulted or disconnected, or it awaits its final, and no more
  // energy is told) is not waited for any longer; its ticket may come later.
  absl::Duration stuck = absl::Seconds(30);
  // Central denies an older request. Until then an overloaded Central is asked again.
  absl::Duration request_max_age = absl::Seconds(10);
  // A driver without charge, list, call and watcher is forgotten after it.
  absl::Duration idle = absl::Minutes(1);
  std::size_t max_drivers = 10'000;
  std::size_t max_calls = 10'000;   // On their way to Central, in all.
  std::size_t recent_charges = 16;  // At their end, kept for each driver so that late news of them is recognised.
};

// A charge that is asked for.
struct StartCall {
  std::string request_id;  // Empty: one is made, so that attempts are recognised.
  DriverId driver;
  CpId cp;
  Target target;
  bool to_the_end = false;  // Concluded{} is wanted too.
  Trace trace;              // None: a new one.
  // Monotonic: without an answer by then it is Unavailable, CENTRAL_UNREACHABLE. What became of it is seen later.
  absl::Duration give_up = absl::InfiniteDuration();
};

// A charge that is to end: this session, or the driver's one at this charging point, or the only one.
struct StopCall {
  std::string request_id;
  DriverId driver;
  SessionId session;  // Empty: see above.
  CpId cp;
  absl::Duration give_up = absl::InfiniteDuration();
  Trace trace;  // Of the stop, not of the charge; none: a new one.
};

struct ListCall {
  std::string request_id;  // Empty, or recognised: see RunList(). At most 58 characters.
  DriverId driver;
  RequestList::Plan plan;
  Target target;
  Trace trace;  // Of all its charges; none: each has its own.
};

// What the program knows of a driver.
struct DriverView {
  bool is_settled = false;  // Central has told all open sessions at least once.
  std::vector<Charge> open;
  std::optional<Ticket> last_ticket;  // Since the driver was followed.
  std::optional<ListProgress> list;
};

struct CentralView {
  bool is_known = false;  // It was tried.
  bool is_reachable = false;
  std::string error;  // Why not.
};

// The charges of many drivers: asked for, followed, ended, one by one or from a list.
//
// Central decides and is always right: what is kept here is the newest that it has told, by revision. A request is made
// once and attempted until Central answers, with the same id, so it makes one session however often it is sent; an
// attempt that failed is never taken for a denial, and an overload of Central only when no attempt before it may have
// been carried out. A session is left only at its end, or when Central does not know it.
//
// Inputs append effects, which the owner carries out in order. Every time is `now.monotonic`, but what people are
// shown. Not thread-safe: the owner holds one mutex around it. No I/O, no clock.
class Drivers {
 public:
  // `ids` brings request ids and the chance in the waits; it must outlive this.
  Drivers(const DriversConfig& config, IdSource& ids);
  ~Drivers();

  // --- following ---
  // From now on the driver's sessions are known. Calls follow their driver by themselves; a driver that nobody uses is
  // forgotten. ResourceExhausted (TOO_MANY_DRIVERS).
  absl::Status Follow(const Moment& now, const DriverId& driver, Effects& out);
  // While pinned, a driver that is followed is not forgotten. Counted.
  void Pin(const DriverId& driver);
  void Unpin(const Moment& now, const DriverId& driver);

  // --- calls ---
  // The answer comes as Answered{}. ResourceExhausted: too many on their way, or too many drivers.
  absl::StatusOr<CallId> Start(const Moment& now, const StartCall& call, Effects& out);
  // NotFound (NO_OPEN_SESSION), FailedPrecondition (SEVERAL_OPEN_SESSIONS, ids in the metadata), Unavailable
  // (CENTRAL_UNREACHABLE) when it is not known yet what is open, and as Start().
  absl::StatusOr<CallId> Stop(const Moment& now, const StopCall& call, Effects& out);

  // What one attempt brought. A late answer of a call that is over still tells how the session stands.
  void OnAnswer(const Moment& now, CallId call, absl::StatusOr<Charge> result, Effects& out);
  void OnFetched(const Moment& now, const DriverId& driver, const SessionId& session, absl::StatusOr<Charge> result,
                 Effects& out);

  // --- streams ---
  void OnWatchCharge(const Moment& now, const DriverId& driver, WatchId watch, Charge charge, Effects& out);
  // The snapshot is complete: open sessions that it did not have are asked for. May come again.
  void OnWatchSnapshot(const Moment& now, const DriverId& driver, WatchId watch, Effects& out);
  void OnWatchHeartbeat(const Moment& now, const DriverId& driver, WatchId watch, Effects& out);
  void OnWatchClosed(const Moment& now, const DriverId& driver, WatchId watch, const absl::Status& why, Effects& out);
  // News of a followed driver from the event log, which does not tell everything of a session: times, target and grant
  // stay as they are known, and so do ticket, adjustment and end reason where the news has none.
  void OnNews(const Moment& now, Charge charge, Effects& out);

  // --- lists ---
  // Works through a list; told as ListStep{}. A repeat of a request id gets the list that runs, or steps of one that is
  // over: its last. FailedPrecondition (RUN_IN_PROGRESS) while another list of this driver runs.
  absl::StatusOr<ListId> RunList(const Moment& now, const ListCall& call, Effects& out);
  // No effect when it is over.
  void CancelList(const Moment& now, const DriverId& driver, ListId list, Effects& out);

  // --- time ---
  // Attempts, pauses, silence. To be called several times a second.
  void Tick(const Moment& now, Effects& out);

  // --- views ---
  DriverView View(const DriverId& driver) const;
  bool IsSettled(const DriverId& driver) const;
  const CentralView& central() const { return central_; }
  std::size_t followed() const { return drivers_.size(); }
  std::size_t calls_under_way() const { return calls_.size(); }
  std::size_t lists_running() const;
  std::size_t open_charges() const;
  // The last step of a list of this driver that is over.
  std::optional<ListStep> LastStepOf(const DriverId& driver, ListId list) const;
  // Whether this list runs.
  bool IsRunning(const DriverId& driver, ListId list) const;

 private:
  struct Call;
  struct Followed;
  struct List;
  struct State;

  double Chance();
  State* Find(const DriverId& driver) const;
  absl::StatusOr<State*> FindOrFollow(const Moment& now, const DriverId& driver, Effects& out);
  bool IsUnused(const Moment& now, const State& state) const;

  void Dial(const Moment& now, State& state, Effects& out);
  void Redial(const Moment& now, State& state, const absl::Status& why, Effects& out);
  // The state of a stream that counts, which has just been heard; null for one that is over.
  State* Heard(const Moment& now, const DriverId& driver, WatchId watch, Effects& out);
  void OnReached(const Moment& now, Effects& out);
  void OnMissed(const Moment& now, const absl::Status& why, Effects& out);
  void TellAll(const Moment& now, const std::string& text, Effects& out);

  absl::StatusOr<CallId> Place(const Moment& now, State& state, Call call, Effects& out);
  void Attempt(const Moment& now, CallId id, Call& call, Effects& out);
  // Plans the next attempt. False: by then the request would be too old, and `why` is its answer.
  bool AskAgain(const Moment& now, Call& call, const absl::Status& why, Effects& out);
  Call Remove(const Moment& now, CallId id);
  void Finish(const Moment& now, CallId id, absl::StatusOr<Charge> result, Effects& out);
  void FinishStart(const Moment& now, CallId id, const Call& call, absl::StatusOr<Charge> result, Effects& out);
  void TellDenial(const Moment& now, State& state, const StartCall& start, const SessionId& session, Denial denial,
                  Effects& out);

  void Take(const Moment& now, State& state, Charge charge, Effects& out);
  void TellChange(const Moment& now, State& state, Charge charge, std::optional<Charge> before, Effects& out);
  void WaitForEnd(const Moment& now, State& state, CallId call, const Charge& answer, Effects& out);
  void GiveUp(const Moment& now, State& state, Followed& followed, Effects& out);
  void Lose(const Moment& now, State& state, const SessionId& session, Effects& out);
  void Conclude(const Moment& now, State& state, CallId call, const Conclusion& conclusion, Effects& out);

  void TellList(State& state, std::variant<Charge, Conclusion, ListFinished, ListBegun> step, Effects& out);
  void ConcludeList(const Moment& now, State& state, const Conclusion& conclusion, Effects& out);
  void EndListIfDone(State& state, Effects& out);

  void TickCalls(const Moment& now, Effects& out);
  void TickWatch(const Moment& now, State& state, Effects& out);
  void TickCharges(const Moment& now, State& state, Effects& out);
  void TickList(const Moment& now, State& state, Effects& out);

  const DriversConfig config_;
  IdSource& ids_;
  CallId last_call_;
  WatchId last_watch_;
  ListId last_list_;
  absl::btree_map<CallId, std::unique_ptr<Call>>
      calls_;  // By age, so that requests leave in the order in which they were made.
  absl::btree_map<DriverId, std::unique_ptr<State>> drivers_;
  CentralView central_;
  bool is_outage_told_ = false;
  int live_watches_ = 0;
};

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_CORE_DRIVERS_H_
