#include "services/monitor/core/monitor.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

namespace ev::monitor {
namespace {

// Longer between two ticks than this: the process did not run, so what the others said meanwhile is still in the
// sockets. They get one more second before their silence counts.
constexpr absl::Duration kPause = absl::Seconds(2);
constexpr absl::Duration kPatienceAfterPause = absl::Seconds(1);
std::string Text(const absl::Status& status) {
  return status.ToString(absl::StatusToStringMode::kWithNoExtraData);
}

bool IsRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
      return true;
    default:
      return false;
  }
}

// Does Central have to know at once, not with the next beat?
bool IsNews(const EngineReport& before, const EngineReport& after) {
  const auto key = [](const EngineReport& r) {
    return std::tuple(r.health, r.configured_epoch, r.mark, r.occupation ? r.occupation->session : SessionId(),
                      r.occupation ? static_cast<int>(r.occupation->phase) : 0);
  };
  return key(before) != key(after);
}

}  // namespace

Monitor::Monitor(MonitorOptions options, Moment now, std::uint64_t seed)
    : options_(std::move(options)),
      random_(static_cast<std::minstd_rand::result_type>(seed)),
      state_changed_(now.utc),
      dialed_(now.monotonic),
      dial_at_(now.monotonic),
      next_beat_(now.monotonic),
      link_backoff_(options_.link_backoff),
      attach_opened_(now.monotonic),
      attach_at_(now.monotonic),
      next_down_(now.monotonic),
      attach_backoff_(options_.attach_backoff),
      last_tick_(now.monotonic),
      patience_until_(now.monotonic) {}

// ---- The link to Central.

bool Monitor::FromLink(StreamId link, Moment now) {
  if (!link_open_ || link != link_) return false;
  if (connected()) central_heard_ = now.monotonic;
  return true;
}

void Monitor::DialNow(Moment now) {
  ++link_;
  link_open_ = true;
  dialed_ = now.monotonic;
  Do(Dial{.link = link_, .health = Health(now), .report = report_});
}

void Monitor::Welcomed(StreamId link, LinkEpoch epoch, Moment now) {
  if (!FromLink(link, now) || connected()) return;
  state_ = LinkState::kConnected;
  state_changed_ = now.utc;
  link_error_.clear();
  outage_told_ = false;
  epoch_ = epoch;
  central_heard_ = now.monotonic;
  link_backoff_.Reset();
  Do(Note{.message = "linked to Central", .fields = {{"epoch", epoch.value()}}});
  BeatUp(now);
  SendDown(Down(now));
  SendAsked(now);
}

void Monitor::CentralBeat(StreamId link, Moment now) {
  FromLink(link, now);
}

void Monitor::Configure(StreamId link, Configuration configuration, Moment now) {
  if (!FromLink(link, now) || !connected() || configuration.epoch != epoch_) return;
  ++forwarded_.configurations;
  configuration_ = std::move(configuration);
  SendAttach down = Down(now);
  down.configuration = configuration_;
  SendDown(std::move(down));
}

void Monitor::Settle(StreamId link, std::vector<Settlement> settlements, Moment now) {
  if (!FromLink(link, now)) return;
  forwarded_.settlements += static_cast<std::int64_t>(settlements.size());
  // Without a stream they are dropped: Central says them again for each beat that still lists the fact.
  SendAttach down = Down(now);
  down.settlements = std::move(settlements);
  SendDown(std::move(down));
}

void Monitor::AnswerRequest(StreamId link, PointRequestAnswer answer, Moment now) {
  if (!FromLink(link, now)) return;
  std::erase_if(asked_, [&](const Asked& asked) { return asked.request.request_id == answer.request_id; });
  SendAttach down = Down(now);
  down.answers.push_back(std::move(answer));
  SendDown(std::move(down));
}

void Monitor::LinkClosed(StreamId link, const absl::Status& status, Moment now) {
  if (!link_open_ || link != link_) return;
  const absl::Duration slowly = options_.refused_backoff * (1 - Chance() / 2);
  if (absl::IsAborted(status)) {
    // Somebody else holds the link of this charging point: to fight for it would end every charge twice a second.
    DropLink(LinkState::kSuperseded, Text(status), slowly, now);
  } else if (IsRefusal(status)) {
    DropLink(LinkState::kRefused, Text(status), slowly, now);
  } else {
    DropLink(LinkState::kConnecting, status.ok() ? "Central closed the link" : Text(status),
             link_backoff_.Next(Chance()), now);
  }
}

void Monitor::DropLink(LinkState state, std::string error, absl::Duration wait, Moment now) {
  link_open_ = false;
  if (state_ != state || !outage_told_) {
    outage_told_ = true;
    state_changed_ = now.utc;
    Do(Note{.level = NoteLevel::kWarn,
            .message = state == LinkState::kSuperseded
                           ? "another Monitor has the link: look for one with the same charging point id"
                           : "Central cannot be reached",
            .fields = {{"error", error}}});
  }
  state_ = state;
  link_error_ = std::move(error);
  dial_at_ = now.monotonic + wait;
  // Their answers have no way back, and Central settles them by what the next link reports.
  waiting_.clear();
}

std::optional<absl::Duration> Monitor::CentralAge(Moment now) const {
  if (!central_heard_) return std::nullopt;
  return now.monotonic - *central_heard_;
}

void Monitor::BeatUp(Moment now) {
  if (!connected() || !link_open_) return;
  next_beat_ = now.monotonic + options_.beat_every;
  ++forwarded_.beats;
  SendBeat beat{.link = link_, .health = Health(now), .fault = EngineFault(now), .report = std::nullopt};
  if (std::exchange(report_is_new_, false)) beat.report = report_;
  Do(std::move(beat));
}

// ---- The Engine.

bool Monitor::FromEngine(StreamId attach, Moment now) {
  if (!attach_open_ || attach != attach_) return false;
  engine_heard_ = now.monotonic;
  attach_error_.clear();
  engine_outage_told_ = false;
  attach_refusal_ = absl::StatusCode::kOk;  // An Engine says nothing to a Monitor that it refuses.
  if (!std::exchange(attach_heard_, true)) attach_backoff_.Reset();
  return true;
}

void Monitor::OpenAttachNow(Moment now) {
  ++attach_;
  attach_open_ = true;
  attach_heard_ = false;
  attach_opened_ = now.monotonic;
  Do(OpenAttach{.attach = attach_});
  SendAttach down = Down(now);
  // An Engine that was restarted has forgotten it.
  down.configuration = configuration_;
  SendDown(std::move(down));
}

void Monitor::EngineReported(StreamId attach, EngineReport report, Moment now) {
  if (!FromEngine(attach, now)) return;
  const bool news = !report_ || IsNews(*report_, report);
  report_ = std::move(report);
  report_is_new_ = true;
  NoticeHealth(now);
  if (news) BeatUp(now);
}

void Monitor::EngineRequested(StreamId attach, PointRequest request, Moment now) {
  if (!FromEngine(attach, now)) return;
  ++forwarded_.requests;
  Do(Note{.message = "a charge is asked for at the charging point",
          .fields = {{"driver_id", request.driver.value()}, {"request_id", request.request_id}},
          .trace = request.trace});
  if (!connected() || asked_.size() >= kMaxRequests) {
    SendAttach down = Down(now);
    down.answers.push_back({.request_id = std::move(request.request_id),
                            .session = std::nullopt,
                            .denial = connected() ? DenialReason::kOverloaded : DenialReason::kCentralUnreachable,
                            .text = connected() ? "too many requests wait" : "Central cannot be reached"});
    SendDown(std::move(down));
    return;
  }
  asked_.push_back({.request = request, .received = now.monotonic});
  Do(SendRequest{.link = link_, .request = std::move(request)});
}

// A new link carries the requests that the old one did not answer: their ids make a repeat harmless.
void Monitor::SendAsked(Moment now) {
  for (const Asked& asked : asked_) {
    PointRequest request = asked.request;
    request.waited += now.monotonic - asked.received;
    Do(SendRequest{.link = link_, .request = std::move(request)});
  }
}

void Monitor::AttachClosed(StreamId attach, const absl::Status& status, Moment now) {
  if (!attach_open_ || attach != attach_) return;
  if (!absl::IsAborted(status) && !IsRefusal(status)) {
    return DropAttach(status.ok() ? "the Engine closed the stream" : Text(status), now);
  }
  // The Engine of another charging point, or another Monitor has taken it.
  if (std::exchange(attach_refusal_, status.code()) != status.code()) {
    Do(Note{.level = NoteLevel::kWarn,
            .message = absl::IsAborted(status)
                           ? "another Monitor has the Engine: look for one with the same charging point id"
                           : "the Engine refuses this Monitor: check the Engine's address and the charging point id",
            .fields = {{"error", Text(status)}}});
  }
  attach_open_ = false;
  attach_error_ = Text(status);
  attach_at_ = now.monotonic + options_.refused_backoff * (1 - Chance() / 2);
}

void Monitor::DropAttach(std::string error, Moment now) {
  attach_open_ = false;
  attach_refusal_ = absl::StatusCode::kOk;
  if (!std::exchange(engine_outage_told_, true)) {
    Do(Note{.level = NoteLevel::kWarn, .message = "Engine cannot be reached", .fields = {{"error", error}}});
  }
  attach_error_ = std::move(error);
  attach_at_ = now.monotonic + attach_backoff_.Next(Chance());
}

EngineHealth Monitor::Health(Moment now) const {
  if (!engine_heard_ || !report_) return EngineHealth::kUnknown;
  const bool silent = now.monotonic - *engine_heard_ >= options_.silence_limit && now.monotonic >= patience_until_;
  return silent ? EngineHealth::kSilent : report_->health;
}

std::string Monitor::EngineFault(Moment now) const {
  switch (Health(now)) {
    case EngineHealth::kHealthy:
      return {};
    case EngineHealth::kFaulted:
      return report_->fault;
    case EngineHealth::kSilent:
    case EngineHealth::kUnknown:
      break;
  }
  return attach_error_.empty() ? "the Engine does not answer its Monitor" : attach_error_;
}

void Monitor::NoticeHealth(Moment now) {
  const EngineHealth health = Health(now);
  if (health == told_health_) return;
  told_health_ = health;
  const std::string fault = EngineFault(now);
  Do(Note{.level = health == EngineHealth::kHealthy ? NoteLevel::kInfo : NoteLevel::kWarn,
          .message = "Engine health changed",
          .fields = {{"health", std::string(Name(health))}, {"fault", fault}}});
  BeatUp(now);
}

SendAttach Monitor::Down(Moment now) const {
  return {.attach = attach_,
          .epoch = epoch_,
          .central_age = CentralAge(now),
          .configuration = std::nullopt,
          .settlements = {},
          .answers = {}};
}

void Monitor::SendDown(SendAttach message) {
  if (attach_open_) Do(std::move(message));
}

// ---- Time.

void Monitor::Tick(Moment now) {
  if (now.monotonic - last_tick_ > kPause) patience_until_ = now.monotonic + kPatienceAfterPause;
  last_tick_ = now.monotonic;
  const auto silent = [&](absl::Duration heard) {
    return now.monotonic - heard >= options_.silence_limit && now.monotonic >= patience_until_;
  };

  if (link_open_ && silent(connected() ? *central_heard_ : dialed_)) {
    Do(HangUp{.link = link_});
    DropLink(LinkState::kConnecting, absl::StrCat("silent for ", absl::FormatDuration(options_.silence_limit)),
             link_backoff_.Next(Chance()), now);
  }
  if (attach_open_ && silent(attach_heard_ ? *engine_heard_ : attach_opened_)) {
    Do(CloseAttach{.attach = attach_});
    DropAttach(absl::StrCat("silent for ", absl::FormatDuration(options_.silence_limit)), now);
  }
  if (!link_open_ && now.monotonic >= dial_at_) DialNow(now);
  if (!attach_open_ && now.monotonic >= attach_at_) OpenAttachNow(now);

  if (in_flight_ && now.monotonic >= in_flight_->until) {
    CommandDone(in_flight_->command.id, absl::DeadlineExceededError("the Engine did not answer in time"), now);
  }
  ForwardNext(now);
  std::erase_if(asked_, [&](const Asked& asked) {
    return asked.request.waited + (now.monotonic - asked.received) >= options_.request_time_to_live;
  });

  NoticeHealth(now);
  if (now.monotonic >= next_beat_) BeatUp(now);
  if (attach_open_ && now.monotonic >= next_down_) {
    next_down_ = now.monotonic + options_.beat_every;
    SendDown(Down(now));
  }
}

MonitorStatus Monitor::GetStatus(Moment now) const {
  MonitorStatus status;
  status.link = state_;
  status.epoch = epoch_;
  status.central_age = CentralAge(now);
  status.link_changed = state_changed_;
  status.link_error = link_error_;
  status.health = Health(now);
  status.engine_fault = EngineFault(now);
  if (engine_heard_) status.engine_age = now.monotonic - *engine_heard_;
  status.report = report_;
  status.forwarded = forwarded_;
  status.commands_waiting = waiting_.size();
  status.requests_waiting = asked_.size();
  return status;
}

}  // namespace ev::monitor
