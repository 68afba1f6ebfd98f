#include "services/monitor/adapters/monitor_host.h"

#include <grpcpp/channel.h>

#include <deque>
#include <map>
#include <optional>
#include <thread>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "evcharging/central/v1/link_service.grpc.pb.h"
#include "evcharging/engine/v1/engine_service.grpc.pb.h"
#include "evcharging/monitor/v1/monitor_service.grpc.pb.h"
#include "log/log.h"
#include "process/version.h"
#include "rpc/call.h"
#include "rpc/channel.h"
#include "rpc/client_streams.h"
#include "rpc/server_call.h"
#include "rpc/server_streams.h"
#include "services/monitor/adapters/monitor_codec.h"
#include "wire/common_codec.h"

namespace ev::monitor {
namespace {

namespace central = evcharging::central::v1;
namespace common = evcharging::common::v1;
namespace engine = evcharging::engine::v1;
namespace pb = evcharging::monitor::v1;

constexpr absl::Duration kTick = absl::Milliseconds(100);
constexpr absl::Duration kWakeLimit = absl::Seconds(1);
constexpr absl::Duration kHeartbeat = absl::Seconds(10);
constexpr absl::Duration kGoodbye = absl::Seconds(5);
constexpr std::size_t kStreamBound = 256;

using Link = rpc::ClientBidi<central::LinkUp, central::LinkDown>;
using Attach = rpc::ClientBidi<engine::AttachUp, engine::AttachDown>;
using Watcher = rpc::BoundedWriter<pb::WatchStatusResponse>;

}  // namespace

class MonitorHost::Impl final : public pb::MonitorService::CallbackService {
 public:
  Impl(HostOptions options, const Clock& clock, std::uint64_t seed, rpc::LiveStreams& streams,
       std::function<void(const MonitorStatus&)> on_status)
      : options_(std::move(options)),
        clock_(clock),
        streams_(streams),
        on_status_(std::move(on_status)),
        central_channel_(rpc::MakeChannel(
            {.target = options_.central_address, .retried = {}, .max_reconnect_backoff = absl::Seconds(1)})),
        engine_channel_(rpc::MakeChannel(
            {.target = options_.engine_address, .retried = {}, .max_reconnect_backoff = absl::Seconds(1)})),
        central_(central::LinkService::NewStub(central_channel_)),
        engine_(engine::EngineService::NewStub(engine_channel_)),
        core_(options_.core, clock.Now(), seed),
        doer_([this](const std::stop_token& stop) { RunEffects(stop); }),
        ticker_([this](const std::stop_token& stop) { RunTicks(stop); }) {}

  ~Impl() override {
    for (std::jthread* thread : {&ticker_, &doer_}) {
      {
        MutexLock lock(mutex_);  // Or a thread that has just looked would sleep on.
        thread->request_stop();
        wake_.SignalAll();
      }
      thread->join();
    }
    if (link_.stream) link_.stream->Cancel();
    if (attach_.stream) attach_.stream->Cancel();
    link_.stream.reset();
    attach_.stream.reset();
    own_streams_.WaitUntilEmpty(kGoodbye);
    // A call has a deadline, so this ends.
    MutexLock lock(mutex_);
    while (calls_ > 0) wake_.WaitFor(mutex_, kWakeLimit);
  }

  MonitorStatus Snapshot() const {
    MutexLock lock(mutex_);
    return core_.GetStatus(clock_.Now());
  }

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext*, const pb::GetStatusRequest*,
                                      pb::MonitorStatus* response) override {
    auto call = rpc::UnaryCall<pb::MonitorStatus>::Make(response);
    call->Finish(EncodedStatus());
    return call.get();
  }

  grpc::ServerWriteReactor<pb::WatchStatusResponse>* WatchStatus(grpc::CallbackServerContext*,
                                                                 const pb::WatchStatusRequest*) override {
    auto watcher = Watcher::Make(streams_, kStreamBound);
    MutexLock lock(mutex_);
    newcomers_.push_back(watcher);
    wake_.SignalAll();
    return watcher.get();
  }

 private:
  template <typename Stream>
  struct Open {
    StreamId id = 0;
    std::shared_ptr<Stream> stream;
  };

  // Calls the core under the lock and queues what it wants done.
  template <typename Decide>
  void Apply(Decide decide) {
    MutexLock lock(mutex_);
    decide(core_, clock_.Now());
    for (Effect& effect : core_.TakeEffects()) effects_.push_back(std::move(effect));
    wake_.SignalAll();
  }

  void RunTicks(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      Apply([](Monitor& core, Moment now) { core.Tick(now); });
      const absl::Duration until = clock_.Now().monotonic + kTick;
      MutexLock lock(mutex_);
      for (absl::Duration left = kTick; left > absl::ZeroDuration() && !stop.stop_requested();
           left = until - clock_.Now().monotonic) {
        wake_.WaitFor(mutex_, left);
      }
    }
  }

  // The one thread that touches streams: what the core decided first is also said first, and no lock is held.
  void RunEffects(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::deque<Effect> effects;
      std::vector<std::shared_ptr<Watcher>> newcomers;
      {
        MutexLock lock(mutex_);
        while (effects_.empty() && newcomers_.empty() && !stop.stop_requested()) wake_.WaitFor(mutex_, kWakeLimit);
        effects.swap(effects_);
        newcomers.swap(newcomers_);
      }
      for (const Effect& effect : effects) {
        std::visit([this](const auto& e) { Perform(e); }, effect);
      }
      TellWatchers(std::move(newcomers));
    }
  }

  // ---- To Central.

  void Perform(const Dial& dial) {
    {
      MutexLock lock(mutex_);
      command_ids_.clear();
    }
    link_.id = dial.link;
    link_.stream = Link::Start(
        own_streams_, kStreamBound,
        {.on_message = [this, id = dial.link](const central::LinkDown& message) { OnLinkDown(id, message); },
         .on_closed =
             [this, id = dial.link](const absl::Status& status) {
               Apply([&](Monitor& core, Moment now) { core.LinkClosed(id, status, now); });
             }},
        [this](grpc::ClientContext* context, auto* reactor) { central_->async()->Link(context, reactor); });
    central::LinkUp message;
    central::Hello& hello = *message.mutable_hello();
    hello.set_charging_point_id(options_.core.cp.value());
    hello.set_location(options_.location);
    hello.set_site(options_.site);
    hello.set_monitor_version(std::string(process::Version()));
    hello.set_engine_health(wire::ToProto(dial.health));
    if (dial.report) *hello.mutable_report() = NewestReport();
    link_.stream->Write(std::move(message));
  }

  void Perform(const HangUp& hang_up) {
    if (link_.stream && link_.id == hang_up.link) link_.stream->Cancel();
  }

  void Perform(const SendBeat& beat) {
    central::LinkUp message;
    message.mutable_beat()->set_engine_health(wire::ToProto(beat.health));
    message.mutable_beat()->set_fault(beat.fault);
    if (beat.report) *message.mutable_beat()->mutable_report() = NewestReport();
    ToCentral(beat.link, std::move(message));
  }

  void Perform(const SendAnswer& send) {
    central::LinkUp message;
    central::CommandAnswer& answer = *message.mutable_command_answer();
    {
      MutexLock lock(mutex_);
      auto known = answers_.extract(send.answer.id);
      answer =
          known.empty() || send.undelivered != Undelivered::kNone ? EncodeUndelivered(send) : std::move(known.mapped());
      auto id = command_ids_.extract(send.answer.id);
      if (id.empty()) return;
      answer.set_command_id(std::move(id.mapped()));
    }
    ToCentral(send.link, std::move(message));
  }

  void Perform(const SendRequest& send) {
    central::LinkUp message;
    *message.mutable_session_request() = wire::ToProto(send.request);
    ToCentral(send.link, std::move(message));
  }

  void ToCentral(StreamId link, central::LinkUp message) {
    if (link_.stream && link_.id == link) link_.stream->Write(std::move(message));
  }

  void OnLinkDown(StreamId link, const central::LinkDown& message) {
    switch (message.message_case()) {
      case central::LinkDown::kWelcome:
        return Apply(
            [&](Monitor& core, Moment now) { core.Welcomed(link, LinkEpoch(message.welcome().link_epoch()), now); });
      case central::LinkDown::kBeat:
        return Apply([&](Monitor& core, Moment now) { core.CentralBeat(link, now); });
      case central::LinkDown::kConfiguration:
        return Pass(wire::FromProto(message.configuration()),
                    [&](Monitor& core, Configuration c, Moment now) { core.Configure(link, std::move(c), now); });
      case central::LinkDown::kCommand:
        return OnCommand(link, message.command());
      case central::LinkDown::kSettlement:
        return Pass(wire::FromProto(message.settlement()),
                    [&](Monitor& core, Settlement s, Moment now) { core.Settle(link, {std::move(s)}, now); });
      case central::LinkDown::kSessionRequestAnswer:
        return Pass(
            wire::FromProto(message.session_request_answer()),
            [&](Monitor& core, PointRequestAnswer a, Moment now) { core.AnswerRequest(link, std::move(a), now); });
      case central::LinkDown::MESSAGE_NOT_SET:
        log::Warn("Central said something that this Monitor does not know");
    }
  }

  // What cannot be decoded is dropped: Central repeats whatever matters.
  template <typename T, typename Take>
  void Pass(absl::StatusOr<T> decoded, Take take) {
    if (!decoded.ok()) return log::Warn("Central's message is not usable", {{"error", decoded.status()}});
    Apply([&](Monitor& core, Moment now) { take(core, *std::move(decoded), now); });
  }

  void OnCommand(StreamId link, const central::Command& message) {
    Pass(Decode(message), [&](Monitor& core, Command command, Moment now) {
      mutex_.AssertHeld();
      command.id = NextCommand(message.command_id());
      core.TakeCommand(link, std::move(command), now);
    });
  }

  CommandId NextCommand(const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    last_command_ = last_command_.Next();
    command_ids_[last_command_] = id;
    return last_command_;
  }

  // ---- To the Engine.

  void Perform(const OpenAttach& open) {
    attach_.id = open.attach;
    attach_.stream = Attach::Start(
        own_streams_, kStreamBound,
        {.on_message = [this, id = open.attach](const engine::AttachDown& message) { OnAttachDown(id, message); },
         .on_closed =
             [this, id = open.attach](const absl::Status& status) {
               Apply([&](Monitor& core, Moment now) { core.AttachClosed(id, status, now); });
             }},
        [this](grpc::ClientContext* context, auto* reactor) { engine_->async()->Attach(context, reactor); });
  }

  void Perform(const CloseAttach& close) {
    if (attach_.stream && attach_.id == close.attach) attach_.stream->Cancel();
  }

  void Perform(const SendAttach& send) {
    if (attach_.stream && attach_.id == send.attach) attach_.stream->Write(Encode(send, options_.core.cp));
  }

  void OnAttachDown(StreamId attach, const engine::AttachDown& message) {
    switch (message.message_case()) {
      case engine::AttachDown::kStatus: {
        auto report = wire::FromProto(message.status().report());
        if (!report.ok()) return log::Warn("the Engine's status is not usable", {{"error", report.status()}});
        return Apply([&](Monitor& core, Moment now) {
          mutex_.AssertHeld();
          KeepStatus(message.status());
          core.EngineReported(attach, *std::move(report), now);
        });
      }
      case engine::AttachDown::kSessionRequest: {
        auto request = wire::FromProto(message.session_request());
        if (!request.ok()) return log::Warn("the Engine's request is not usable", {{"error", request.status()}});
        return Apply([&](Monitor& core, Moment now) { core.EngineRequested(attach, *std::move(request), now); });
      }
      case engine::AttachDown::MESSAGE_NOT_SET:
        log::Warn("the Engine said something that this Monitor does not know");
    }
  }

  void KeepStatus(const engine::EngineStatus& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { engine_status_ = status; }

  common::EngineReport NewestReport() const {
    MutexLock lock(mutex_);
    return engine_status_ ? engine_status_->report() : common::EngineReport();
  }

  void Perform(const Forward& forward) {
    std::visit([&](const auto& command) { Call(forward, Encode(command, forward)); }, forward.command.body);
  }

  void Call(const Forward& forward, engine::PrepareSessionRequest request) {
    CallEngine<common::PrepareSessionResult>(forward, std::move(request),
                                             &engine::EngineService::StubInterface::async_interface::PrepareSession);
  }
  void Call(const Forward& forward, engine::CancelGrantRequest request) {
    CallEngine<common::CancelGrantResult>(forward, std::move(request),
                                          &engine::EngineService::StubInterface::async_interface::CancelGrant);
  }
  void Call(const Forward& forward, engine::StopSessionRequest request) {
    CallEngine<common::StopSessionResult>(forward, std::move(request),
                                          &engine::EngineService::StubInterface::async_interface::StopSession);
  }

  template <typename Result, typename Request>
  void CallEngine(const Forward& forward, Request request,
                  void (engine::EngineService::StubInterface::async_interface::*method)(
                      grpc::ClientContext*, const Request*, Result*, std::function<void(grpc::Status)>)) {
    {
      MutexLock lock(mutex_);
      ++calls_;
    }
    rpc::CallAsync(*engine_->async(), method, std::move(request), forward.limit, TraceOf(forward.command),
                   [this, id = forward.command.id](absl::StatusOr<Result> result) {
                     Apply([&](Monitor& core, Moment now) {
                       mutex_.AssertHeld();
                       Finish(core, id, std::move(result), now);
                     });
                   });
  }

  template <typename Result>
  void Finish(Monitor& core, CommandId id, absl::StatusOr<Result> result, Moment now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    --calls_;
    if (!result.ok()) return core.CommandDone(id, result.status(), now);
    Answered answered = Decode(*result);
    answers_.clear();  // One command is under way at a time; what is left here was not asked for any more.
    answers_[id] = std::move(answered.message);
    core.CommandDone(id, std::move(answered.answer), now);
  }

  // ---- Watchers; on the host's thread.

  pb::MonitorStatus EncodedStatus() const {
    MutexLock lock(mutex_);
    return Encode(core_.GetStatus(clock_.Now()), options_.core.cp, options_.central_address, options_.engine_address,
                  engine_status_ ? &*engine_status_ : nullptr);
  }

  void TellWatchers(std::vector<std::shared_ptr<Watcher>> newcomers) {
    const MonitorStatus status = Snapshot();
    const auto& occupation = status.report ? status.report->occupation : std::nullopt;
    StatusKey key(status.link, status.epoch, status.link_error, status.health, status.engine_fault,
                  occupation ? occupation->session : SessionId(), occupation ? static_cast<int>(occupation->phase) : 0,
                  status.report && status.report->plugged_in);
    if (key != last_key_) {
      last_key_ = std::move(key);
      if (on_status_) on_status_(status);
      pb::WatchStatusResponse event;
      *event.mutable_changed() = EncodedStatus();
      Tell(event);
    }
    for (auto& watcher : newcomers) {
      pb::WatchStatusResponse snapshot;
      *snapshot.mutable_status() = EncodedStatus();
      pb::WatchStatusResponse marker;
      marker.mutable_snapshot_complete()->set_item_count(1);
      if (watcher->Write(std::move(snapshot)) && watcher->Write(std::move(marker))) {
        watchers_.push_back(std::move(watcher));
      }
    }
    const Moment now = clock_.Now();
    if (now.monotonic - last_heartbeat_ < kHeartbeat) return;
    last_heartbeat_ = now.monotonic;
    pb::WatchStatusResponse event;
    *event.mutable_heartbeat()->mutable_time() = wire::ToProto(now.utc);
    Tell(event);
  }

  void Tell(const pb::WatchStatusResponse& event) {
    std::erase_if(watchers_, [&](const std::shared_ptr<Watcher>& watcher) { return !watcher->Write(event); });
  }

  void Perform(const Note& note) { log::Write(note, {{"cp_id", options_.core.cp}}); }

  using StatusKey = std::tuple<LinkState, LinkEpoch, std::string, EngineHealth, std::string, SessionId, int, bool>;

  const HostOptions options_;
  const Clock& clock_;
  rpc::LiveStreams& streams_;     // The server's.
  rpc::LiveStreams own_streams_;  // To Central and the Engine.
  const std::function<void(const MonitorStatus&)> on_status_;
  const std::shared_ptr<grpc::Channel> central_channel_;
  const std::shared_ptr<grpc::Channel> engine_channel_;
  const std::unique_ptr<central::LinkService::Stub> central_;
  const std::unique_ptr<engine::EngineService::Stub> engine_;

  // Only on the host's thread.
  Open<Link> link_;
  Open<Attach> attach_;
  std::vector<std::shared_ptr<Watcher>> watchers_;
  std::optional<StatusKey> last_key_;
  absl::Duration last_heartbeat_ = -absl::InfiniteDuration();

  mutable Mutex mutex_;
  CondVar wake_;
  Monitor core_ ABSL_GUARDED_BY(mutex_);
  std::deque<Effect> effects_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Watcher>> newcomers_ ABSL_GUARDED_BY(mutex_);
  std::optional<engine::EngineStatus> engine_status_ ABSL_GUARDED_BY(mutex_);
  CommandId last_command_ ABSL_GUARDED_BY(mutex_);
  std::map<CommandId, std::string> command_ids_ ABSL_GUARDED_BY(mutex_);  // As this link's Central calls them.
  std::map<CommandId, central::CommandAnswer> answers_ ABSL_GUARDED_BY(mutex_);
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;

  std::jthread doer_;  // Last two: they stop before anything they use is destroyed.
  std::jthread ticker_;
};

MonitorHost::MonitorHost(HostOptions options, const Clock& clock, std::uint64_t seed, rpc::LiveStreams& streams,
                         std::function<void(const MonitorStatus&)> on_status)
    : impl_(std::make_unique<Impl>(std::move(options), clock, seed, streams, std::move(on_status))) {}
MonitorHost::~MonitorHost() = default;

grpc::Service* MonitorHost::service() {
  return impl_.get();
}

MonitorStatus MonitorHost::GetStatus() const {
  return impl_->Snapshot();
}

}  // namespace ev::monitor
