#ifndef EV_SERVICES_ENGINE_CORE_ENGINE_H_
#define EV_SERVICES_ENGINE_CORE_ENGINE_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/id_source.h"
#include "domain/link.h"
#include "journal/fact_log.h"
#include "services/engine/core/charge.h"
#include "services/engine/core/monitor_link.h"
#include "services/engine/core/outcome.h"
#include "services/engine/core/unsettled_list.h"

namespace ev::engine {

struct EngineOptions {
  absl::Duration silence_limit = absl::Seconds(3);  // For the Monitor, and for Central before energy starts.
  absl::Duration sample_every = absl::Seconds(1);
  absl::Duration produce_again_every = absl::Seconds(30);
  absl::Duration request_time_to_live = absl::Seconds(10);
  bool plugs_in_by_itself = true;  // The simulator's driver: plugs in after a grant, unplugs after the charge.
  absl::Duration plug_in_delay = absl::Seconds(1);
};

inline constexpr std::size_t kMaxFaultText = 200;  // Bytes.
inline constexpr absl::Duration kDefaultPlugInTimeToLive = absl::Seconds(30);

// Why the contactor opened.
enum class Opening { kCommanded, kLimitReached, kVehicleFull };

// One charging point: decides who may charge, when energy starts and ends, and what is said about it.
//
// Calls in, Outcome out: after every call take TakeOutcome(), do what it says, and only then show what the call
// returned. No clock, no I/O. The register is exact whenever the contactor is open, and as of the last call while it is
// closed. Single-threaded.
class Engine {
 public:
  // `contents` is what the log holds: a session that was cut off is closed at once with what the meter says. `ids` must
  // outlive this.
  Engine(EngineOptions options, const journal::LogContents& contents, MeterReading meter, Moment now, IdSource& ids);

  // From the Monitor's stream.
  //
  // FailedPrecondition: the journal belongs to another charging point. Aborted: a newer link has taken over.
  absl::Status Hear(const MonitorBeat& beat, Moment now);
  // Of an older link: changes nothing.
  void Configure(const Configuration& configuration, Moment now);
  // Any number of times.
  void Settle(const std::vector<Settlement>& settlements, Moment now);
  void AnswerRequest(const PointRequestAnswer& answer, Moment now);

  // Commands, by the Monitor. FailedPrecondition: they came by an older link; nothing was done.
  absl::Status CheckLink(LinkEpoch epoch) const;
  CommandAnswer Prepare(const PrepareSession& command, Moment now);
  CommandAnswer Cancel(const CancelGrant& command, Moment now);
  CommandAnswer Stop(const StopSession& command, Moment now);

  // Whether this request, made by hand, is a new one; the last 64 ids are remembered, and an empty one is always new.
  // InvalidArgument (REQUEST_ID_REUSED): the id was used for another one.
  absl::StatusOr<bool> IsNew(const std::string& request_id, const std::string& request);
  // By hand. All may be repeated.
  void PlugIn(Moment now);
  void Unplug(Moment now);
  // `text`: at most kMaxFaultText bytes, printable (base/text.h).
  void InjectFault(absl::string_view text, Moment now);
  void ClearFault(Moment now);
  // A person asks for a charge: the result comes as an Outcome's request_results, at once or within the request's time
  // to live. An empty request_id gets a fresh one; with one of its own a repeat gets the answer of the first.
  void RequestSession(RequestToken token, PointRequest request, Moment now);

  // About ten times a second, at least once.
  void Tick(MeterReading meter, Moment now);
  // The contactor is open now.
  void ContactorOpened(MeterReading meter, Opening opening, Moment now);
  // The start fact of this session is durable: energy may flow.
  void StartWritten(const SessionId& session, Moment now);
  // The process ends: so does a running charge, and none starts any more.
  void ShutDown(Moment now);
  // A write failed: what must not be lost has no place any more.
  void LogFailed(absl::string_view why, Moment now);

  GrantNumber mark() const { return mark_; }
  // A grant is held that no energy flows under.
  bool IsReserved() const { return std::holds_alternative<Reservation>(occupant_); }
  Status GetStatus(Moment now) const;
  Outcome TakeOutcome(Moment now);

 private:
  struct Reservation {
    Grant grant;
    absl::Duration granted;  // By the monotonic clock, as all below.
    absl::Duration expires;
  };
  // A charge is there from its start fact on; the contactor closes when that is durable.
  struct Charging {
    Charge charge;
    bool contactor_closed = false;
    absl::Duration next_sample;
    EndReason ending = EndReason::kNone;  // Set when the contactor was told to open.
  };
  struct Asked {
    RequestToken token;
    std::string request_id;
    absl::Duration until;
    Trace trace;
  };
  struct Refusal {
    DenialReason reason = DenialReason::kNone;
    std::string text;
  };
  using StatusKey = std::tuple<CpId, EngineHealth, std::string, LinkEpoch, GrantNumber, bool, SessionId, int, bool,
                               bool, std::string, std::int64_t>;

  bool Idle() const { return std::holds_alternative<std::monostate>(occupant_); }
  const Grant* CurrentGrant() const;
  std::int64_t KeptFacts() const;
  bool JournalFull() const;
  // Why no session can be accepted now; kNone: one can.
  Refusal Obstacle(Moment now) const;
  std::string WaitingFor(Moment now) const;
  void RaiseMark(GrantNumber number);
  CommandAnswer Answer(Verdict verdict, DenialReason denial = DenialReason::kNone, std::string text = {}) const;
  void TryStart(Moment now);
  void End(EndReason reason, Moment now);
  void Release(absl::string_view why);
  void Keep(const Fact& fact);
  // The trace of the session that holds the charging point; none: nobody does.
  Trace CurrentTrace() const;
  // What happens at the charging point belongs to the session that holds it, unless `trace` is another's.
  void Say(absl::string_view message, std::vector<NoteField> fields, const Trace& trace) {
    out_.notes.push_back({.level = NoteLevel::kInfo, .message = message, .fields = std::move(fields), .trace = trace});
  }
  void Say(absl::string_view message, std::vector<NoteField> fields = {}) {
    Say(message, std::move(fields), CurrentTrace());
  }
  void Warn(absl::string_view message, std::vector<NoteField> fields, const Trace& trace) {
    out_.notes.push_back({.level = NoteLevel::kWarn, .message = message, .fields = std::move(fields), .trace = trace});
  }
  void Warn(absl::string_view message, std::vector<NoteField> fields = {}) {
    Warn(message, std::move(fields), CurrentTrace());
  }
  void NoticePartners(Moment now);
  void CheckTimers(Moment now);
  void SimulateDriver(Moment now);
  void Reply(RequestToken token, PointRequestAnswer answer, const Trace& trace);
  EngineReport MakeReport() const;
  StatusKey Key(const Status& status) const;

  const EngineOptions options_;
  IdSource& ids_;
  const std::string journal_id_;
  const std::int64_t capacity_;

  CpId cp_;
  GrantNumber mark_;
  MonitorLink link_;
  UnsettledList unsettled_;
  std::variant<std::monostate, Reservation, Charging> occupant_;
  MeterReading meter_;
  std::string fault_;
  bool shutting_down_ = false;
  bool plugged_in_ = false;
  bool vehicle_served_ = false;  // The plugged-in vehicle has had its charge: another one needs a fresh plug-in.
  bool plugged_in_by_itself_ = false;
  bool monitor_was_present_ = false;
  bool central_was_heard_ = false;
  absl::Time last_start_ = absl::InfinitePast();
  std::deque<Asked> asked_;
  std::deque<std::pair<std::string, std::string>> done_by_hand_;  // Id and request, oldest first.

  absl::Duration last_tick_;
  absl::Duration next_status_;
  absl::Duration next_produce_again_;
  std::optional<StatusKey> last_key_;
  Outcome out_;
};

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_CORE_ENGINE_H_
