#ifndef EV_SERVICES_MONITOR_CORE_MONITOR_H_
#define EV_SERVICES_MONITOR_CORE_MONITOR_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "domain/link.h"
#include "services/monitor/core/effects.h"

namespace ev::monitor {

struct MonitorOptions {
  CpId cp;
  absl::Duration silence_limit = absl::Seconds(3);
  absl::Duration beat_every = absl::Seconds(1);
  absl::Duration request_time_to_live = absl::Seconds(10);
  BackoffPolicy link_backoff = {.initial = absl::Milliseconds(200), .max = absl::Seconds(3)};
  BackoffPolicy attach_backoff = {.initial = absl::Milliseconds(200), .max = absl::Seconds(1)};
  absl::Duration refused_backoff = absl::Seconds(10);  // Refused or superseded: between half of it and all of it.
};

// The numbers are the wire's.
enum class LinkState { kConnecting = 1, kConnected = 2, kRefused = 3, kSuperseded = 4 };

// What has passed through since the start.
struct ForwardedCounts {
  std::int64_t beats = 0;
  std::int64_t commands = 0;
  std::int64_t commands_undelivered = 0;
  std::int64_t configurations = 0;
  std::int64_t settlements = 0;
  std::int64_t requests = 0;
};

struct MonitorStatus {
  LinkState link = LinkState::kConnecting;
  LinkEpoch epoch;
  std::optional<absl::Duration> central_age;
  absl::Time link_changed;
  std::string link_error;
  EngineHealth health = EngineHealth::kUnknown;
  std::string engine_fault;
  std::optional<absl::Duration> engine_age;
  std::optional<EngineReport> report;
  ForwardedCounts forwarded;
  std::size_t commands_waiting = 0;  // For the Engine: at most kMaxCommands.
  std::size_t requests_waiting = 0;  // For Central's answer: at most kMaxRequests.
};

// Beyond them a command is answered as not sent, a request at the charging point as OVERLOADED.
inline constexpr std::size_t kMaxCommands = 64;
inline constexpr std::size_t kMaxRequests = 16;

// One charging point's Monitor: keeps the link to Central and the stream to the Engine, judges both by what is heard,
// and passes on what either says, commands one at a time and in order.
//
// Calls in, effects out: after every call do TakeEffects(). No clock, no I/O. Single-threaded.
class Monitor {
 public:
  // `seed` spreads the attempts of many Monitors in time.
  Monitor(MonitorOptions options, Moment now, std::uint64_t seed);

  // The link. What an older link says is ignored.
  void Welcomed(StreamId link, LinkEpoch epoch, Moment now);
  void CentralBeat(StreamId link, Moment now);
  void Configure(StreamId link, Configuration configuration, Moment now);
  void TakeCommand(StreamId link, Command command, Moment now);
  void Settle(StreamId link, std::vector<Settlement> settlements, Moment now);
  void AnswerRequest(StreamId link, PointRequestAnswer answer, Moment now);
  // Aborted: a newer link took over. PermissionDenied, Unauthenticated, InvalidArgument, NotFound, FailedPrecondition:
  // refused; tried again, but slowly.
  void LinkClosed(StreamId link, const absl::Status& status, Moment now);

  // The Engine's stream.
  void EngineReported(StreamId attach, EngineReport report, Moment now);
  void EngineRequested(StreamId attach, PointRequest request, Moment now);
  void AttachClosed(StreamId attach, const absl::Status& status, Moment now);
  // What became of the command handed over by Forward. An error: the Engine did not answer.
  void CommandDone(CommandId id, absl::StatusOr<CommandAnswer> answer, Moment now);

  // About ten times a second, at least once.
  void Tick(Moment now);

  MonitorStatus GetStatus(Moment now) const;
  std::vector<Effect> TakeEffects() { return std::exchange(effects_, {}); }

 private:
  struct Waiting {
    Command command;
    absl::Duration received;
  };
  struct InFlight {
    Command command;
    StreamId link;
    absl::Duration until;
  };
  struct Asked {
    PointRequest request;
    absl::Duration received;
  };

  bool FromLink(StreamId link, Moment now);
  bool FromEngine(StreamId attach, Moment now);
  bool connected() const { return state_ == LinkState::kConnected; }
  EngineHealth Health(Moment now) const;
  std::string EngineFault(Moment now) const;
  std::optional<absl::Duration> CentralAge(Moment now) const;
  double Chance() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  void DialNow(Moment now);
  void DropLink(LinkState state, std::string error, absl::Duration wait, Moment now);
  void OpenAttachNow(Moment now);
  void DropAttach(std::string error, Moment now);
  void BeatUp(Moment now);
  SendAttach Down(Moment now) const;
  void SendDown(SendAttach message);
  void ForwardNext(Moment now);
  void Undeliverable(StreamId link, const Command& command, Undelivered why, std::string text);
  void NoticeHealth(Moment now);
  void SendAsked(Moment now);
  template <typename E>
  void Do(E effect) {
    effects_.push_back(std::move(effect));
  }

  const MonitorOptions options_;
  std::minstd_rand random_;

  // The link to Central.
  StreamId link_ = 0;  // The newest; `link_open_` says whether it still is.
  bool link_open_ = false;
  LinkState state_ = LinkState::kConnecting;
  absl::Time state_changed_;
  std::string link_error_;
  LinkEpoch epoch_;
  absl::Duration dialed_;
  std::optional<absl::Duration> central_heard_;  // On the newest link that was accepted.
  absl::Duration dial_at_;
  absl::Duration next_beat_;
  Backoff link_backoff_;
  bool outage_told_ = false;
  std::optional<Configuration> configuration_;

  // The Engine.
  StreamId attach_ = 0;
  bool attach_open_ = false;
  bool attach_heard_ = false;  // The Engine has spoken on this stream.
  absl::Duration attach_opened_;
  absl::Duration attach_at_;
  absl::Duration next_down_;
  Backoff attach_backoff_;
  std::optional<absl::Duration> engine_heard_;
  std::optional<EngineReport> report_;
  bool report_is_new_ = false;
  std::string attach_error_;
  bool engine_outage_told_ = false;
  absl::StatusCode attach_refusal_ = absl::StatusCode::kOk;  // The last, which was told; none: kOk.
  EngineHealth told_health_ = EngineHealth::kUnknown;

  std::deque<Waiting> waiting_;
  std::optional<InFlight> in_flight_;
  std::deque<Asked> asked_;

  absl::Duration last_tick_;
  absl::Duration patience_until_;  // Silence does not count before.
  ForwardedCounts forwarded_;
  std::vector<Effect> effects_;
};

}  // namespace ev::monitor

#endif  // EV_SERVICES_MONITOR_CORE_MONITOR_H_
