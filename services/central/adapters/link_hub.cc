#include "services/central/adapters/link_hub.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "base/stop_pause.h"
#include "evcharging/central/v1/link_service.grpc.pb.h"
#include "log/log.h"
#include "rpc/server_streams.h"
#include "services/central/adapters/codec.h"
#include "services/central/adapters/link_codec.h"
#include "services/central/adapters/request_fields.h"
#include "services/central/adapters/shard_call.h"
#include "wire/common_codec.h"

namespace ev::central {
namespace {

namespace pb = evcharging::central::v1;
namespace common = evcharging::common::v1;

absl::Status Refusal(absl::Status status, absl::string_view reason) {
  return WithReason(std::move(status), reason);
}

// What is no denial is a request that must be mended before it can be asked again.
DenialReason ReasonOf(const Failure& failure) {
  if (failure.denial != DenialReason::kNone) return failure.denial;
  const std::string reason = failure.reason.empty() ? DetailOf(failure.status).reason : failure.reason;
  for (const DenialReason known : {DenialReason::kRequestIdReused, DenialReason::kInvalidField}) {
    if (reason == Name(known)) return known;
  }
  return DenialReason::kDriverRefused;
}

}  // namespace

class LinkHub::Impl final : public pb::LinkService::CallbackService {
 public:
  using Stream = rpc::BidiStream<pb::LinkUp, pb::LinkDown>;

  Impl(LinkOptions options, ShardHost& host, const Clock& clock, rpc::LiveStreams& streams)
      : options_(std::move(options)), host_(host), clock_(clock), streams_(streams) {}

  grpc::ServerBidiReactor<pb::LinkUp, pb::LinkDown>* Link(grpc::CallbackServerContext*) override {
    bool is_full = false;
    auto link = std::make_shared<OneLink>();
    {
      MutexLock lock(mutex_);
      link->id = StreamId(++last_id_);
      is_full = links_.size() >= options_.max_links;
    }
    const StreamId id = link->id;
    const auto stream =
        Stream::Make(streams_, options_.bound,
                     {.on_message = [this, id](Stream& from, const pb::LinkUp& up) { OnMessage(id, from, up); },
                      .on_closed = [this, id] { OnClosed(id); }});
    if (is_full) {
      stream->Close(Refusal(absl::ResourceExhaustedError("too many links"), "OVERLOADED"));
      return stream.get();
    }
    link->stream = stream;
    link->opened = clock_.Now().monotonic;
    MutexLock lock(mutex_);
    links_[id] = std::move(link);
    return stream.get();
  }

  void Accept(const LinkAccepted& accepted) {
    std::shared_ptr<Stream> stream;
    std::shared_ptr<Stream> older;
    {
      MutexLock lock(mutex_);
      if (const auto it = links_.find(accepted.stream); it != links_.end()) {
        it->second->epoch = accepted.epoch;
        stream = it->second->stream;
        StreamId& newest = newest_[accepted.cp];
        if (const auto before = links_.find(std::exchange(newest, accepted.stream));
            before != links_.end() && before->second->stream != stream) {
          older = before->second->stream;
        }
      }
    }
    if (older != nullptr) {
      older->Close(Refusal(absl::AbortedError("a newer link of this charging point has taken over"), "SUPERSEDED"));
    }
    if (stream == nullptr) return CloseInShard(accepted.cp, accepted.epoch);  // It went while the epoch was written.
    log::Info("link accepted", {{"cp_id", accepted.cp}, {"epoch", accepted.epoch}});
    pb::LinkDown down;
    down.mutable_welcome()->set_link_epoch(accepted.epoch.value());
    down.mutable_welcome()->set_central_version(options_.version);
    stream->Write(std::move(down));
  }

  void Refuse(const LinkRefused& refused) {
    log::Warn("link refused", {{"cp_id", refused.cp}, {"reason", refused.reason}});
    std::shared_ptr<Stream> stream;
    {
      MutexLock lock(mutex_);
      const auto it = links_.find(refused.stream);
      if (it == links_.end()) return;
      stream = it->second->stream;
    }
    // To the Monitor it is no missing thing but a closed door.
    stream->Close(absl::IsNotFound(refused.status)
                      ? Refusal(absl::PermissionDeniedError(refused.status.message()), "POINT_NOT_REGISTERED")
                      : Refusal(refused.status, refused.reason));
  }

  bool Send(const LinkMessage& message) {
    std::shared_ptr<Stream> stream;
    {
      MutexLock lock(mutex_);
      OneLink* link = NewestLocked(message.cp);
      if (link == nullptr || link->epoch != message.epoch) return false;
      stream = link->stream;
    }
    if (!stream->Write(ToProto(message.body))) return false;
    if (const auto* command = std::get_if<Command>(&message.body)) {
      const log::TraceScope scope(TraceOf(*command));
      log::Info("command sent",
                {{"cp_id", message.cp}, {"order", OrderOf(*command)}, {"session_id", SessionOf(*command)}});
    }
    return true;
  }

  // Ends the streams that did not say who they are in time.
  void CheckHellos() {
    const absl::Duration latest = clock_.Now().monotonic - options_.hello_deadline;
    std::vector<std::shared_ptr<Stream>> late;
    {
      MutexLock lock(mutex_);
      for (const auto& [id, link] : links_) {
        if (link->cp.empty() && link->opened <= latest) late.push_back(link->stream);
      }
    }
    for (const auto& stream : late) {
      stream->Close(Refusal(absl::FailedPreconditionError("no Hello came in time"), "HELLO_MISSING"));
    }
  }

  absl::Duration hello_deadline() const { return options_.hello_deadline; }

  std::size_t size() const {
    MutexLock lock(mutex_);
    return links_.size();
  }

 private:
  struct OneLink {
    StreamId id;
    std::shared_ptr<Stream> stream;
    absl::Duration opened;
    CpId cp;          // Empty: no Hello yet.
    LinkEpoch epoch;  // 0: not accepted yet.
  };

  OneLink* NewestLocked(const CpId& cp) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto newest = newest_.find(cp);
    if (newest == newest_.end()) return nullptr;
    const auto it = links_.find(newest->second);
    return it == links_.end() ? nullptr : it->second.get();
  }

  void OnMessage(const StreamId& id, Stream& stream, const pb::LinkUp& up) {
    CpId cp;
    LinkEpoch epoch;
    bool is_newest = false;
    {
      MutexLock lock(mutex_);
      const auto it = links_.find(id);
      if (it == links_.end()) return;
      cp = it->second->cp;
      epoch = it->second->epoch;
      is_newest = NewestLocked(cp) == it->second.get();
    }
    if (cp.empty()) return OnHello(id, stream, up);
    if (up.has_hello()) {
      return stream.Close(Refusal(absl::InvalidArgumentError("a link has one Hello"), "HELLO_REPEATED"));
    }
    if (!is_newest) return;  // Not accepted yet, or taken over.
    absl::Status done;
    switch (up.message_case()) {
      case pb::LinkUp::kBeat:
        done = OnBeat(cp, epoch, up.beat());
        break;
      case pb::LinkUp::kCommandAnswer:
        done = OnAnswer(cp, epoch, up.command_answer());
        break;
      case pb::LinkUp::kSessionRequest:
        done = OnRequest(id, stream, cp, up.session_request());
        break;
      default:
        break;  // Something that a newer Monitor says.
    }
    if (!done.ok()) stream.Close(std::move(done));
  }

  void OnHello(const StreamId& id, Stream& stream, const pb::LinkUp& up) {
    if (!up.has_hello()) {
      return stream.Close(Refusal(absl::FailedPreconditionError("the first message must be Hello"), "HELLO_MISSING"));
    }
    auto hello = FromProto(up.hello());
    if (!hello.ok()) return stream.Close(hello.status());
    if (host_.is_behind()) return stream.Close(Overloaded());
    {
      MutexLock lock(mutex_);
      const auto it = links_.find(id);
      if (it == links_.end()) return;
      it->second->cp = hello->cp;
    }
    const EngineReport report = hello->report.value_or(EngineReport{});
    const LinkHello say{.stream = id,
                        .cp = hello->cp,
                        .location = hello->location,
                        .site = hello->site,
                        .mark = report.mark,
                        .journal_id = report.journal_id,
                        .highest_epoch = hello->highest_epoch,
                        .monitor_version = hello->monitor_version};
    const absl::Status applied = host_.Apply(
        host_.ShardOf(say.cp), [&](Shard& shard, const Moment& now, Effects& out) { shard.OnHello(now, say, out); });
    if (!applied.ok()) stream.Close(AskAgain(applied));
  }

  absl::Status OnBeat(const CpId& cp, LinkEpoch epoch, const pb::Beat& from) {
    auto beat = FromProto(from);
    if (!beat.ok()) return beat.status();
    if (host_.is_behind()) {
      // What it says is said again within a second; that the charging point lives must not be forgotten.
      Tell(cp, RowKeys{}, [&](Shard& shard, const Moment& now, Effects&) { shard.OnSignOfLife(now, cp, epoch); });
      return absl::OkStatus();
    }
    Tell(cp, RowKeysOf(*beat), [&](Shard& shard, const Moment& now, Effects& out) {
      if (beat->report.has_value()) {
        shard.OnReport(now, cp, epoch, *std::move(beat->report), out);
      } else {
        shard.OnBeat(now, cp, epoch, beat->health, out);
      }
    });
    return absl::OkStatus();
  }

  // Rows of what the Engine still waits for: a shard that has forgotten them must answer all the same.
  static RowKeys RowKeysOf(const MonitorBeat& beat) {
    RowKeys rows;
    if (!beat.report.has_value()) return rows;
    for (const Unsettled& unsettled : beat.report->unsettled) rows.sessions.push_back(unsettled.session);
    if (beat.report->occupation.has_value()) rows.sessions.push_back(beat.report->occupation->session);
    return rows;
  }

  absl::Status OnAnswer(const CpId& cp, LinkEpoch epoch, const pb::CommandAnswer& from) {
    auto answer = FromProto(from);
    if (!answer.ok()) return answer.status();
    Tell(cp, RowKeys{},
         [&](Shard& shard, const Moment& now, Effects& out) { shard.OnAnswer(now, cp, epoch, *answer, out); });
    return absl::OkStatus();
  }

  absl::Status OnRequest(const StreamId& id, Stream& stream, const CpId& cp, const common::SessionRequest& from) {
    auto request = FromProto(from);
    if (!request.ok()) {
      const absl::Status named = CheckRequestId("session_request.request_id", from.request_id());
      if (!named.ok() || from.request_id().empty()) return request.status();
      // What a person has typed must not cost the charging point its link.
      Answer(stream, from.request_id(), Failure{.status = request.status()});
      return absl::OkStatus();
    }
    if (host_.RefusesCalls()) {
      Answer(stream, request->request_id, Failure{Overloaded(), "OVERLOADED", DenialReason::kOverloaded});
      return absl::OkStatus();
    }
    StartCall call{
        .call = {},
        .request_key = RequestKey(request->driver.value(), "SessionRequest", cp.value(), request->request_id),
        .fingerprint = Fingerprint(request->target),
        .driver = request->driver,
        .cp = cp,
        .target = request->target,
        .waited = request->waited,
        .manual = true,
        .trace = request->trace};
    call.call = host_.Await([this, id, request_id = request->request_id](const CallResult& result) {
      std::shared_ptr<Stream> still_there;
      {
        MutexLock lock(mutex_);
        if (const auto it = links_.find(id); it != links_.end()) still_there = it->second->stream;
      }
      // Else it is asked again on the next link, with the same id.
      if (still_there != nullptr) Answer(*still_there, request_id, result);
    });
    RowKeys rows;
    rows.requests.push_back(call.request_key);
    const absl::Status applied =
        host_.Apply(host_.ShardOf(cp), rows,
                    [&](Shard& shard, const Moment& now, Effects& out) { shard.StartSession(now, call, out); });
    if (!applied.ok()) host_.Forget(call.call);  // No answer: it is asked again.
    return absl::OkStatus();
  }

  static void Answer(Stream& stream, const std::string& request_id, const CallResult& result) {
    pb::LinkDown down;
    common::SessionRequestAnswer* answer = down.mutable_session_request_answer();
    answer->set_request_id(request_id);
    if (const auto* session = std::get_if<Session>(&result)) {
      answer->set_session_id(session->id.value());
    } else if (const auto* failure = std::get_if<Failure>(&result)) {
      if (absl::IsUnavailable(failure->status)) return;  // Central is going: its successor will be asked.
      *answer->mutable_denial() = wire::ToDenial(ReasonOf(*failure), std::string(failure->status.message()));
    }
    stream.Write(std::move(down));
  }

  // Runs an input that nobody waits for. When the store cannot be read the message is as good as lost on its way: the
  // next beat says the same, and a command without an answer has its deadline.
  void Tell(const CpId& cp, const RowKeys& rows, ShardHost::Input input) {
    if (const absl::Status applied = host_.Apply(host_.ShardOf(cp), rows, input); !applied.ok()) {
      log::Debug("a Monitor's message was dropped", {{"cp_id", cp}, {"status", applied}});
    }
  }

  void OnClosed(const StreamId& id) {
    std::shared_ptr<OneLink> link;
    {
      MutexLock lock(mutex_);
      const auto it = links_.find(id);
      if (it == links_.end()) return;
      link = std::move(it->second);
      links_.erase(it);
      if (const auto newest = newest_.find(link->cp); newest != newest_.end() && newest->second == id) {
        newest_.erase(newest);
      }
    }
    if (link->epoch == LinkEpoch()) return;
    log::Info("link closed", {{"cp_id", link->cp}, {"epoch", link->epoch}});
    CloseInShard(link->cp, link->epoch);
  }

  void CloseInShard(const CpId& cp, LinkEpoch epoch) {
    Tell(cp, RowKeys{},
         [&](Shard& shard, const Moment& now, Effects& out) { shard.OnLinkClosed(now, cp, epoch, out); });
  }

  const LinkOptions options_;
  ShardHost& host_;
  const Clock& clock_;
  rpc::LiveStreams& streams_;
  mutable Mutex mutex_;
  std::int64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<StreamId, std::shared_ptr<OneLink>> links_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<CpId, StreamId> newest_ ABSL_GUARDED_BY(mutex_);  // The newest that was accepted.
};

LinkHub::LinkHub(LinkOptions options, ShardHost& host, const Clock& clock, rpc::LiveStreams& streams)
    : impl_(new Impl(std::move(options), host, clock, streams)) {
  hello_timer_ = std::jthread([this](const std::stop_token& stop) { HelloLoop(stop); });
}

LinkHub::~LinkHub() = default;

grpc::Service& LinkHub::service() {
  return *impl_;
}
void LinkHub::Accept(const LinkAccepted& accepted) {
  impl_->Accept(accepted);
}
void LinkHub::Refuse(const LinkRefused& refused) {
  impl_->Refuse(refused);
}
bool LinkHub::Send(const LinkMessage& message) {
  return impl_->Send(message);
}
std::size_t LinkHub::size() const {
  return impl_->size();
}

void LinkHub::HelloLoop(const std::stop_token& stop) {
  StopPause pause(stop);
  while (pause.For(std::min(impl_->hello_deadline() / 5, absl::Seconds(1)))) impl_->CheckHellos();
}

}  // namespace ev::central
