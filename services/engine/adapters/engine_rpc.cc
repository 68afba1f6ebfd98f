#include "services/engine/adapters/engine_rpc.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "base/text.h"
#include "domain/ids.h"
#include "evcharging/engine/v1/engine_service.grpc.pb.h"
#include "log/log.h"
#include "rpc/server_call.h"
#include "rpc/server_streams.h"
#include "services/engine/adapters/engine_codec.h"
#include "wire/common_codec.h"

namespace ev::engine {
namespace {

namespace common = evcharging::common::v1;

constexpr std::size_t kStreamBound = 256;
constexpr absl::Duration kHeartbeat = absl::Seconds(10);

using AttachStream = rpc::BidiStream<pb::AttachUp, pb::AttachDown>;
using Watcher = rpc::BoundedWriter<pb::WatchStatusResponse>;

}  // namespace

class EngineRpc::Impl final : public pb::EngineService::CallbackService {
 public:
  Impl(rpc::LiveStreams& streams, const Clock& clock, std::function<std::string()> kafka_fault)
      : streams_(streams), clock_(clock), kafka_fault_(std::move(kafka_fault)) {}

  void Serve(EngineHost& host) { host_ = &host; }

  void OnStatus(const Status& status, bool changed) {
    const pb::EngineStatus message = Encode(status);
    pb::AttachDown down;
    *down.mutable_status() = message;
    for (const auto& stream : Attached()) stream->Write(down);

    if (changed || status.energy_flows) {
      pb::WatchStatusResponse event;
      *event.mutable_changed() = message;
      Tell(event);
    }
    const Moment now = clock_.Now();
    if (now.monotonic - last_heartbeat_ < kHeartbeat) return;
    last_heartbeat_ = now.monotonic;
    pb::WatchStatusResponse event;
    *event.mutable_heartbeat()->mutable_time() = wire::ToProto(now.utc);
    Tell(event);
  }

  // To the Monitor with the newest link: an older one has no way to Central any more.
  void OnRequest(const PointRequest& request) {
    std::shared_ptr<AttachStream> newest;
    {
      MutexLock lock(mutex_);
      LinkEpoch epoch;
      for (const auto& [id, attached] : attached_) {
        if (!attached.is_heard || (newest && attached.epoch < epoch)) continue;
        newest = attached.stream;
        epoch = attached.epoch;
      }
    }
    if (!newest) return;  // The request then ends by its time to live.
    pb::AttachDown down;
    *down.mutable_session_request() = wire::ToProto(request);
    newest->Write(std::move(down));
  }

  // ---- The Monitor's stream.

  grpc::ServerBidiReactor<pb::AttachUp, pb::AttachDown>* Attach(grpc::CallbackServerContext*) override {
    const std::int64_t id = [&] {
      MutexLock lock(mutex_);
      const std::int64_t next = next_attach_++;
      attached_[next];
      return next;
    }();
    auto stream = AttachStream::Make(
        streams_, kStreamBound,
        {.on_message = [this, id](AttachStream& from, const pb::AttachUp& message) { OnAttachUp(id, from, message); },
         .on_closed = [this, id] { Detach(id); }});
    {
      MutexLock lock(mutex_);
      // Not there: it was closed before it could be kept.
      if (auto it = attached_.find(id); it != attached_.end()) it->second.stream = stream;
    }
    return stream.get();
  }

  // ---- Commands.

  grpc::ServerUnaryReactor* PrepareSession(grpc::CallbackServerContext* context,
                                           const pb::PrepareSessionRequest* request,
                                           common::PrepareSessionResult* response) override {
    auto call = rpc::UnaryCall<common::PrepareSessionResult>::Make(response);
    auto command = Decode(*request);
    if (!command.ok()) return Refuse(call, command.status());
    Order(*context, call, *request, [command = *std::move(command)](Engine& core, Moment now) {
      return EncodePrepared(core.Prepare(command, now));
    });
    return call.get();
  }

  grpc::ServerUnaryReactor* CancelGrant(grpc::CallbackServerContext* context, const pb::CancelGrantRequest* request,
                                        common::CancelGrantResult* response) override {
    auto call = rpc::UnaryCall<common::CancelGrantResult>::Make(response);
    auto command = Decode(*request);
    if (!command.ok()) return Refuse(call, command.status());
    Order(*context, call, *request, [command = *std::move(command)](Engine& core, Moment now) {
      const GrantNumber before = core.mark();
      const bool was_held = core.IsReserved();
      const CommandAnswer answer = core.Cancel(command, now);
      return EncodeCancelled(answer, before, was_held && !core.IsReserved());
    });
    return call.get();
  }

  grpc::ServerUnaryReactor* StopSession(grpc::CallbackServerContext* context, const pb::StopSessionRequest* request,
                                        common::StopSessionResult* response) override {
    auto call = rpc::UnaryCall<common::StopSessionResult>::Make(response);
    auto command = Decode(*request);
    if (!command.ok()) return Refuse(call, command.status());
    Order(*context, call, *request,
          [command = *std::move(command)](Engine& core, Moment now) { return EncodeStopped(core.Stop(command, now)); });
    return call.get();
  }

  // ---- By hand.

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext*, const pb::GetStatusRequest*,
                                      pb::EngineStatus* response) override {
    return Act(response, "", "", [](Engine&, Moment) {});
  }
  grpc::ServerUnaryReactor* PlugIn(grpc::CallbackServerContext*, const pb::PlugInRequest* request,
                                   pb::EngineStatus* response) override {
    return Act(response, request->request_id(), "PlugIn", [](Engine& core, Moment now) { core.PlugIn(now); });
  }
  grpc::ServerUnaryReactor* Unplug(grpc::CallbackServerContext*, const pb::UnplugRequest* request,
                                   pb::EngineStatus* response) override {
    return Act(response, request->request_id(), "Unplug", [](Engine& core, Moment now) { core.Unplug(now); });
  }
  grpc::ServerUnaryReactor* InjectFault(grpc::CallbackServerContext*, const pb::InjectFaultRequest* request,
                                        pb::EngineStatus* response) override {
    const std::string& text = request->fault();
    if (text.size() > kMaxFaultText || FindUnprintable(text) != text.npos) {
      return Refuse(rpc::UnaryCall<pb::EngineStatus>::Make(response),
                    FieldError("fault", absl::StrCat("at most ", kMaxFaultText, " bytes without control characters")));
    }
    return Act(response, request->request_id(), absl::StrCat("InjectFault ", text),
               [text](Engine& core, Moment now) { core.InjectFault(text, now); });
  }
  grpc::ServerUnaryReactor* ClearFault(grpc::CallbackServerContext*, const pb::ClearFaultRequest* request,
                                       pb::EngineStatus* response) override {
    return Act(response, request->request_id(), "ClearFault", [](Engine& core, Moment now) { core.ClearFault(now); });
  }

  grpc::ServerUnaryReactor* RequestSession(grpc::CallbackServerContext* context,
                                           const pb::RequestSessionRequest* request,
                                           pb::RequestSessionResponse* response) override {
    auto call = rpc::UnaryCall<pb::RequestSessionResponse>::Make(response);
    auto decoded = Decode(*request);
    if (!decoded.ok()) return Refuse(call, decoded.status());
    decoded->trace = rpc::TraceOf(*context);
    const CpId cp = host_->GetStatus().cp;
    host_->RequestSession(*std::move(decoded), [call, cp](const PointRequestAnswer& answer) {
      if (!answer.session) {
        call->Finish(DenialError(answer.denial, answer.text, cp));
        return;
      }
      pb::RequestSessionResponse granted;
      granted.set_session_id(answer.session->value());
      call->Finish(std::move(granted));
    });
    return call.get();
  }

  grpc::ServerWriteReactor<pb::WatchStatusResponse>* WatchStatus(grpc::CallbackServerContext*,
                                                                 const pb::WatchStatusRequest*) override {
    auto watcher = Watcher::Make(streams_, kStreamBound);
    // Joins on the host's thread, between two changes: nothing is missed and nothing comes before the snapshot.
    host_->Apply([](Engine& core, Moment now) { return core.GetStatus(now); },
                 [this, watcher](const absl::StatusOr<Status>& status) {
                   if (!status.ok()) return watcher->Close(status.status());
                   pb::WatchStatusResponse snapshot;
                   *snapshot.mutable_status() = Encode(*status);
                   pb::WatchStatusResponse marker;
                   marker.mutable_snapshot_complete()->set_item_count(1);
                   if (watcher->Write(std::move(snapshot)) && watcher->Write(std::move(marker))) {
                     watchers_.push_back(watcher);
                   }
                 });
    return watcher.get();
  }

 private:
  struct AttachedMonitor {
    std::shared_ptr<AttachStream> stream;
    bool is_heard = false;  // It has named this charging point. Before, it is told nothing.
    LinkEpoch epoch;
  };

  pb::EngineStatus Encode(const Status& status) const { return engine::Encode(status, kafka_fault_()); }

  template <typename Response>
  static grpc::ServerUnaryReactor* Refuse(const std::shared_ptr<rpc::UnaryCall<Response>>& call, absl::Status status) {
    call->Finish(std::move(status));
    return call.get();
  }

  template <typename Response, typename Request, typename Decide>
  void Order(const grpc::CallbackServerContext& context, const std::shared_ptr<rpc::UnaryCall<Response>>& call,
             const Request& request, Decide decide) {
    const log::TraceScope scope(rpc::TraceOf(context));
    log::Debug("command", {{"order", Request::descriptor()->name()}, {"request_id", request.request_id()}});
    if (auto status = wire::CheckCounter("link_epoch", request.link_epoch(), 0); !status.ok()) {
      call->Finish(std::move(status));
      return;
    }
    host_->Apply(
        [epoch = request.link_epoch(), decide = std::move(decide)](Engine& core,
                                                                   Moment now) -> absl::StatusOr<Response> {
          if (auto status = core.CheckLink(LinkEpoch(epoch)); !status.ok()) return status;
          return decide(core, now);
        },
        [call](absl::StatusOr<absl::StatusOr<Response>> answer) {
          call->Finish(answer.ok() ? *std::move(answer) : absl::StatusOr<Response>(answer.status()));
        });
  }

  // `what` tells one request from another under the same id.
  template <typename Decide>
  grpc::ServerUnaryReactor* Act(pb::EngineStatus* response, const std::string& request_id, std::string what,
                                Decide decide) {
    auto call = rpc::UnaryCall<pb::EngineStatus>::Make(response);
    if (auto status = CheckRequestId("request_id", request_id); !status.ok()) return Refuse(call, std::move(status));
    host_->Apply(
        [request_id, what = std::move(what), decide = std::move(decide)](Engine& core, Moment now) {
          absl::StatusOr<bool> is_new = core.IsNew(request_id, what);
          if (is_new.ok() && *is_new) decide(core, now);
          return is_new;
        },
        [this, call](const absl::StatusOr<absl::StatusOr<bool>>& decided) {
          const absl::Status status = decided.ok() ? decided->status() : decided.status();
          if (status.ok()) {
            call->Finish(Encode(host_->GetStatus()));
          } else {
            call->Finish(status);
          }
        });
    return call.get();
  }

  void OnAttachUp(std::int64_t id, AttachStream& from, const pb::AttachUp& message) {
    auto decoded = Decode(message);
    if (!decoded.ok()) {
      log::Warn("a Monitor's message is refused", {{"error", decoded.status()}});
      return from.Close(decoded.status());
    }
    absl::Status heard;
    const absl::Status applied = host_->Apply([&](Engine& core, Moment now) {
      heard = core.Hear(decoded->beat, now);
      if (!heard.ok()) return;
      if (decoded->configuration) core.Configure(*decoded->configuration, now);
      if (!decoded->settlements.empty()) core.Settle(decoded->settlements, now);
      for (const PointRequestAnswer& answer : decoded->answers) core.AnswerRequest(answer, now);
    });
    // The Monitor sees then that its Engine can do nothing.
    if (!applied.ok()) heard = applied;
    if (!heard.ok()) {
      log::Warn("a Monitor is refused", {{"cp_id", decoded->beat.cp}, {"error", heard}});
      return from.Close(heard);
    }
    std::vector<std::shared_ptr<AttachStream>> superseded;
    LinkEpoch newest;
    bool is_first = false;
    {
      MutexLock lock(mutex_);
      if (auto it = attached_.find(id); it != attached_.end()) {
        is_first = !std::exchange(it->second.is_heard, true);
        it->second.epoch = decoded->beat.epoch;
      }
      for (const auto& [other, attached] : attached_) newest = std::max(newest, attached.epoch);
      // Perhaps this very stream: a newer one may have been heard between the core and here.
      for (const auto& [other, attached] : attached_) {
        const bool older = attached.epoch > LinkEpoch() && attached.epoch < newest;
        if (older && attached.stream) superseded.push_back(attached.stream);
      }
    }
    if (is_first) {
      pb::AttachDown first;
      *first.mutable_status() = Encode(host_->GetStatus());
      from.Write(std::move(first));
    }
    for (const auto& stream : superseded) {
      stream->Close(WithReason(absl::AbortedError(absl::StrCat("superseded by link ", newest.value())), "SUPERSEDED"));
    }
  }

  void Detach(std::int64_t id) {
    std::shared_ptr<AttachStream> last;  // Released outside the lock.
    MutexLock lock(mutex_);
    if (auto node = attached_.extract(id); !node.empty()) last = std::move(node.mapped().stream);
  }

  std::vector<std::shared_ptr<AttachStream>> Attached() {
    MutexLock lock(mutex_);
    std::vector<std::shared_ptr<AttachStream>> streams;
    for (const auto& [id, attached] : attached_) {
      if (attached.stream && attached.is_heard) streams.push_back(attached.stream);
    }
    return streams;
  }

  void Tell(const pb::WatchStatusResponse& event) {
    std::erase_if(watchers_, [&](const std::shared_ptr<Watcher>& watcher) { return !watcher->Write(event); });
  }

  rpc::LiveStreams& streams_;
  const Clock& clock_;
  const std::function<std::string()> kafka_fault_;
  EngineHost* host_ = nullptr;

  // Only on the host's thread.
  std::vector<std::shared_ptr<Watcher>> watchers_;
  absl::Duration last_heartbeat_ = -absl::InfiniteDuration();

  Mutex mutex_;
  std::map<std::int64_t, AttachedMonitor> attached_ ABSL_GUARDED_BY(mutex_);
  std::int64_t next_attach_ ABSL_GUARDED_BY(mutex_) = 1;
};

EngineRpc::EngineRpc(rpc::LiveStreams& streams, const Clock& clock, std::function<std::string()> kafka_fault)
    : impl_(std::make_unique<Impl>(streams, clock, std::move(kafka_fault))) {}
EngineRpc::~EngineRpc() = default;

void EngineRpc::Serve(EngineHost& host) {
  impl_->Serve(host);
}

grpc::Service* EngineRpc::service() {
  return impl_.get();
}

void EngineRpc::OnStatus(const Status& status, bool changed) {
  impl_->OnStatus(status, changed);
}

void EngineRpc::OnRequest(const PointRequest& request) {
  impl_->OnRequest(request);
}

}  // namespace ev::engine
