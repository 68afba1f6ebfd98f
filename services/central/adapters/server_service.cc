#include "services/central/adapters/server_service.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "base/fnv1a.h"
#include "evcharging/central/v1/server_service.grpc.pb.h"
#include "log/log.h"
#include "services/central/adapters/request_fields.h"
#include "services/central/adapters/shard_call.h"
#include "wire/common_codec.h"

namespace ev::central {
namespace {

namespace pb = evcharging::central::v1;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

static_assert(static_cast<int>(PartHealth::kOk) == pb::HEALTH_OK);
static_assert(static_cast<int>(PartHealth::kOff) == pb::HEALTH_OFF);

// Cluster ids are Kafka's: base64 of a UUID.
constexpr std::size_t kMaxClusterIdBytes = 128;
// Longer than answers to requests are kept, which name sessions.
constexpr absl::Duration kPrunedAge = absl::Hours(24 * 7);
constexpr int kPrunedAtOnce = 1000;       // So that a commit does not wait long.
constexpr std::size_t kWaitingParts = 2;  // The sender waits for each.

void PutPart(const PartStatus& from, pb::ComponentHealth* to) {
  to->set_health(static_cast<pb::Health>(from.health));
  to->set_reason(from.reason);
}

// OFF was asked for, so it is no fault.
bool IsWorse(const PartStatus& a, const PartStatus& b) {
  const auto rank = [](const PartStatus& part) {
    return part.health == PartHealth::kOff ? PartHealth::kOk : part.health;
  };
  return rank(a) > rank(b);
}

// From what a gap is: it stays the same from call to call.
std::int64_t IdOf(const store::GapRecord& gap) {
  const std::uint64_t hash = Fnv1a(absl::StrCat(gap.topic, "/", gap.partition, "/", gap.stored_next, "/", gap.log_start,
                                                "/", gap.log_end, "/", absl::ToUnixNanos(gap.found)));
  return static_cast<std::int64_t>(hash >> 1);
}

pb::GapCause CauseOf(const store::GapRecord& gap) {
  if (gap.log_end == store::kAnotherLog) return pb::GAP_CAUSE_CLUSTER_CHANGED;
  return gap.stored_next < gap.log_start ? pb::GAP_CAUSE_BELOW_LOG_START : pb::GAP_CAUSE_ABOVE_LOG_END;
}

pb::Gap ToProto(const store::GapRecord& from) {
  pb::Gap gap;
  gap.set_gap_id(IdOf(from));
  gap.set_topic(from.topic);
  gap.set_partition(from.partition);
  gap.set_cause(CauseOf(from));
  gap.set_expected_offset(from.stored_next);
  gap.set_resumed_offset(from.log_start);
  *gap.mutable_detect_time() = wire::ToProto(from.found);
  return gap;
}

class ServerServiceImpl final : public pb::ServerService::CallbackService {
 public:
  ServerServiceImpl(ServerInfoOptions options, ShardHost& host, ServerStatus& status, const Clock& clock,
                    rpc::LiveStreams& streams)
      : options_(std::move(options)),
        host_(host),
        status_(status),
        clock_(clock),
        streams_(streams),
        backups_(options_.copy_store, options_.backup) {}

  ServerUnaryReactor* GetServerInfo(CallbackServerContext*, const pb::GetServerInfoRequest*,
                                    pb::ServerInfo* response) override {
    const auto call = rpc::UnaryCall<pb::ServerInfo>::Make(response);
    call->Finish(Info());
    return call.get();
  }

  ServerUnaryReactor* ListGaps(CallbackServerContext*, const pb::ListGapsRequest* request,
                               pb::ListGapsResponse* response) override {
    const auto call = rpc::UnaryCall<pb::ListGapsResponse>::Make(response);
    call->Finish(Gaps(*request));
    return call.get();
  }

  ServerUnaryReactor* AcceptCluster(CallbackServerContext*, const pb::AcceptClusterRequest* request,
                                    pb::AcceptClusterResponse* response) override {
    const auto call = rpc::UnaryCall<pb::AcceptClusterResponse>::Make(response);
    call->Finish(Accept(*request));
    return call.get();
  }

  ServerUnaryReactor* PruneStore(CallbackServerContext*, const pb::PruneStoreRequest* request,
                                 pb::PruneStoreResponse* response) override {
    const auto call = rpc::UnaryCall<pb::PruneStoreResponse>::Make(response);
    call->Finish(Prune(*request));
    return call.get();
  }

  grpc::ServerWriteReactor<pb::BackupPart>* BackupStore(CallbackServerContext*,
                                                        const pb::BackupStoreRequest*) override {
    auto writer = BackupSender::Writer::Make(streams_, kWaitingParts);
    backups_.Send(writer);
    return writer.get();
  }

 private:
  // Figures for people, read as they are: nobody decides by them, so they do not wait for a commit.
  pb::ServerInfo Info() {
    const Surroundings now = status_.Now();
    pb::ServerInfo info;
    info.set_version(options_.version);
    info.set_store_id(host_.store().id());
    info.set_incarnation(host_.store().incarnation());
    *info.mutable_start_time() = wire::ToProto(options_.started);
    *info.mutable_server_time() = wire::ToProto(clock_.Now().utc);
    const PartStatus& part = IsWorse(now.broker, now.store) ? now.broker : now.store;
    PutPart(IsWorse(part, now.overall) ? part : now.overall, info.mutable_overall());
    PutPart(now.broker, info.mutable_broker());
    PutPart(now.store, info.mutable_store());
    info.set_cluster_id(now.cluster_id);
    info.set_unaccepted_cluster_id(now.unaccepted_cluster_id);
    absl::Duration lag;
    for (const absl::Duration of : now.lags) lag = std::max(lag, of);
    *info.mutable_lag() = wire::ToProto(lag);
    std::int64_t points = 0;
    std::int64_t links = 0;
    std::int64_t sessions = 0;
    for (int i = 0; i < host_.shards(); ++i) {
      pb::ShardInfo* shard = info.add_shards();
      shard->set_shard(i);
      shard->set_owner(options_.owner);
      const auto index = static_cast<std::size_t>(i);
      *shard->mutable_lag() = wire::ToProto(index < now.lags.size() ? now.lags[index] : absl::ZeroDuration());
      const absl::Status read = host_.Apply(i, [&](Shard& at, const Moment&, Effects&) {
        std::int64_t here = 0;
        for (int state = 1; state <= kPointStates; ++state) here += at.PointsIn(static_cast<PointState>(state));
        std::int64_t open = 0;
        for (SessionState state : OpenStates()) open += at.SessionsIn(state);
        shard->set_epoch(at.epoch());
        shard->set_charging_point_count(static_cast<std::int32_t>(here));
        shard->set_open_session_count(static_cast<std::int32_t>(open));
        points += here;
        sessions += open;
        links += at.links();
      });
      if (!read.ok()) PutPart({PartHealth::kFailed, std::string(read.message())}, info.mutable_overall());
    }
    info.set_charging_point_count(static_cast<std::int32_t>(points));
    info.set_linked_charging_point_count(static_cast<std::int32_t>(links));
    info.set_open_session_count(static_cast<std::int32_t>(sessions));
    return info;
  }

  absl::StatusOr<pb::ListGapsResponse> Gaps(const pb::ListGapsRequest& request) {
    auto page_size = ReadPageSize(request.page_size());
    if (!page_size.ok()) return page_size.status();
    auto gaps = host_.store().ListGaps();
    if (!gaps.ok()) return gaps.status();
    auto next = gaps->begin();
    if (!request.page_token().empty()) {
      std::int64_t last = 0;
      const bool is_number = absl::SimpleAtoi(request.page_token(), &last);
      next = std::find_if(gaps->begin(), gaps->end(), [&](const auto& gap) { return IdOf(gap) == last; });
      if (!is_number || next == gaps->end()) return FieldError("page_token", "is not one that this list returned");
      ++next;
    }
    pb::ListGapsResponse response;
    while (next != gaps->end() && response.gaps_size() < *page_size) *response.add_gaps() = ToProto(*next++);
    if (next != gaps->end()) response.set_next_page_token(absl::StrCat(response.gaps().rbegin()->gap_id()));
    return response;
  }

  absl::StatusOr<pb::AcceptClusterResponse> Accept(const pb::AcceptClusterRequest& request) {
    if (request.cluster_id().empty()) return FieldError("cluster_id", "is empty");
    for (const absl::Status& status : {CheckText("cluster_id", request.cluster_id(), kMaxClusterIdBytes),
                                       CheckRequestId("request_id", request.request_id())}) {
      if (!status.ok()) return status;
    }
    pb::AcceptClusterResponse response;
    response.set_cluster_id(request.cluster_id());
    auto previous = host_.store().KafkaClusterId();
    if (!previous.ok()) return previous.status();
    if (*previous == request.cluster_id()) return response;  // Accepted before: harmless to repeat.
    response.set_previous_cluster_id(*previous);
    const absl::Status accepted = options_.accept_cluster ? options_.accept_cluster(request.cluster_id())
                                                          : absl::FailedPreconditionError("Kafka is switched off");
    if (absl::IsFailedPrecondition(accepted)) return WithReason(accepted, "CLUSTER_NOT_SEEN");
    if (!accepted.ok()) return accepted;
    return response;
  }

  absl::StatusOr<pb::PruneStoreResponse> Prune(const pb::PruneStoreRequest& request) {
    if (auto status = CheckText("requested_by", request.requested_by(), kMaxRequestedByBytes); !status.ok()) {
      return status;
    }
    if (!request.has_before()) return FieldError("before", "is missing");
    const auto before = ReadTime("before", request.before());
    if (!before.ok()) return before.status();
    if (*before > clock_.Now().utc - kPrunedAge) return FieldError("before", "must be at least 7 days ago");
    const auto pruned = host_.store().Prune(*before, kPrunedAtOnce, request.dry_run());
    if (!pruned.ok()) return pruned.status();
    if (!request.dry_run()) {
      log::Info("store pruned", {{"sessions", pruned->sessions},
                                 {"refusals", pruned->refusals},
                                 {"before", *before},
                                 {"by", request.requested_by()}});
    }
    pb::PruneStoreResponse response;
    response.set_session_count(pruned->sessions);
    response.set_refusal_count(pruned->refusals);
    response.set_has_more(pruned->sessions == kPrunedAtOnce || pruned->refusals == kPrunedAtOnce);
    return response;
  }

  const ServerInfoOptions options_;
  ShardHost& host_;
  ServerStatus& status_;
  const Clock& clock_;
  rpc::LiveStreams& streams_;
  BackupSender backups_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeServerService(ServerInfoOptions options, ShardHost& host, ServerStatus& status,
                                                 const Clock& clock, rpc::LiveStreams& streams) {
  return std::make_unique<ServerServiceImpl>(std::move(options), host, status, clock, streams);
}

}  // namespace ev::central
