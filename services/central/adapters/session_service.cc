#include "services/central/adapters/session_service.h"

#include <string>
#include <utility>
#include <variant>

#include "base/error_detail.h"
#include "evcharging/central/v1/session_service.grpc.pb.h"
#include "log/log.h"
#include "services/central/adapters/codec.h"
#include "services/central/adapters/request_fields.h"
#include "services/central/adapters/shard_call.h"
#include "services/central/adapters/store_reads.h"

namespace ev::central {
namespace {

namespace pb = evcharging::central::v1;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

absl::StatusOr<StartCall> Read(const pb::StartSessionRequest& request) {
  auto driver = ReadDriverId("driver_id", request.driver_id());
  if (!driver.ok()) return driver.status();
  auto cp = ReadCpId("charging_point_id", request.charging_point_id());
  if (!cp.ok()) return cp.status();
  auto target = ReadTarget("target", request.target());
  if (!target.ok()) return target.status();
  auto waited = ReadWait("waited", request.waited());
  if (!waited.ok()) return waited.status();
  if (auto status = CheckRequestId("request_id", request.request_id()); !status.ok()) return status;
  return StartCall{.call = {},
                   .request_key = RequestKey(driver->value(), "StartSession", cp->value(), request.request_id()),
                   .fingerprint = Fingerprint(*target),
                   .driver = *std::move(driver),
                   .cp = *std::move(cp),
                   .target = *std::move(target),
                   .waited = *waited};
}

// What StopSession and WriteOffSession are asked about.
struct SessionRequest {
  SessionId id;
  DriverId driver;     // Of StopSession; may be empty.
  std::string who;     // Of WriteOffSession.
  std::string reason;  // Of WriteOffSession.
  RequestTag tag;

  RowKeys rows() const {
    RowKeys rows = tag.rows();
    rows.sessions.push_back(id);
    return rows;
  }
};

absl::StatusOr<SessionRequest> Read(const pb::StopSessionRequest& request) {
  auto id = ReadSessionId("session_id", request.session_id());
  if (!id.ok()) return id.status();
  auto driver = ReadDriverFilter("driver_id", request.driver_id());
  if (!driver.ok()) return driver.status();
  if (auto status = CheckRequestId("request_id", request.request_id()); !status.ok()) return status;
  SessionRequest read{.id = *std::move(id), .driver = *std::move(driver), .who = {}, .reason = {}, .tag = {}};
  read.tag = {.key = RequestKey(read.driver.value(), "StopSession", read.id.value(), request.request_id()),
              .fingerprint = {}};
  return read;
}

absl::StatusOr<SessionRequest> Read(const pb::WriteOffSessionRequest& request) {
  auto id = ReadSessionId("session_id", request.session_id());
  if (!id.ok()) return id.status();
  for (const absl::Status& status : {CheckText("reason", request.reason(), kMaxReasonBytes),
                                     CheckText("requested_by", request.requested_by(), kMaxRequestedByBytes),
                                     CheckRequestId("request_id", request.request_id())}) {
    if (!status.ok()) return status;
  }
  SessionRequest read{
      .id = *std::move(id), .driver = {}, .who = request.requested_by(), .reason = request.reason(), .tag = {}};
  read.tag = {.key = RequestKey("", "WriteOffSession", read.id.value(), request.request_id()),
              .fingerprint = Fingerprint({request.reason(), request.requested_by()})};
  return read;
}

absl::StatusOr<store::SessionFilter> Read(const pb::ListSessionsRequest& request) {
  auto driver = ReadDriverFilter("driver_id", request.driver_id());
  if (!driver.ok()) return driver.status();
  auto cp = ReadCpFilter("charging_point_id", request.charging_point_id());
  if (!cp.ok()) return cp.status();
  auto page_size = ReadPageSize(request.page_size());
  if (!page_size.ok()) return page_size.status();
  store::SessionFilter filter{.driver = *std::move(driver),
                              .cp = *std::move(cp),
                              .states = {},
                              .page_size = *page_size,
                              .page_token = request.page_token()};
  for (int state : request.states()) {
    auto known = ReadSessionState("states", state);
    if (!known.ok()) return known.status();
    filter.states.push_back(*known);
  }
  return filter;
}

absl::StatusOr<SessionFilter> Read(const pb::WatchSessionsRequest& request) {
  auto driver = ReadDriverFilter("driver_id", request.driver_id());
  if (!driver.ok()) return driver.status();
  auto cp = ReadCpFilter("charging_point_id", request.charging_point_id());
  if (!cp.ok()) return cp.status();
  auto session = ReadSessionFilter("session_id", request.session_id());
  if (!session.ok()) return session.status();
  return SessionFilter{.driver = *std::move(driver), .cp = *std::move(cp), .session = *std::move(session)};
}

class SessionServiceImpl final : public pb::SessionService::CallbackService {
 public:
  SessionServiceImpl(ShardHost& host, WatchHub& watches) : host_(host), watches_(watches) {}

  ServerUnaryReactor* StartSession(CallbackServerContext* context, const pb::StartSessionRequest* request,
                                   pb::Session* response) override {
    const auto call = rpc::UnaryCall<pb::Session>::Make(response);
    auto read = Read(*request);
    if (!read.ok()) {
      call->Finish(read.status());
      return call.get();
    }
    read->trace = rpc::TraceOf(*context);
    RowKeys rows;
    if (!read->request_key.empty()) rows.requests.push_back(read->request_key);
    Ask(
        host_, call, host_.ShardOf(read->cp), rows,
        [&](Shard& shard, const Moment& now, const CallId& id, Effects& out) {
          read->call = id;
          shard.StartSession(now, *read, out);
        },
        [this, cp = read->cp](const CallResult& result) -> absl::StatusOr<pb::Session> {
          auto session = SessionOf(result);
          if (session.ok()) return session;
          ErrorDetail detail = DetailOf(session.status());
          detail.metadata["charging_point_id"] = cp.value();
          return WithDetail(session.status(), detail);
        });
    return call.get();
  }

  ServerUnaryReactor* StopSession(CallbackServerContext* context, const pb::StopSessionRequest* request,
                                  pb::Session* response) override {
    return AskAbout(
        *context, Read(*request), response, "stop asked for",
        [](const SessionRequest& read, Shard& shard, const Moment& now, const CallId& id, Effects& out) {
          const auto stop = [&] {
            shard.StopSession(now, {.call = id, .session = read.id, .driver = read.driver}, out);
          };
          Once(shard, now, id, read.tag, out, stop, stop);
        },
        // It came to its end before: that is what was asked for.
        [](const Failure& failure) { return failure.reason == "SESSION_NOT_OPEN"; });
  }

  ServerUnaryReactor* WriteOffSession(CallbackServerContext* context, const pb::WriteOffSessionRequest* request,
                                      pb::Session* response) override {
    return AskAbout(
        *context, Read(*request), response, "write-off asked for",
        [](const SessionRequest& read, Shard& shard, const Moment& now, const CallId& id, Effects& out) {
          Once(
              shard, now, id, read.tag, out,
              [&] {
                shard.WriteOffSession(now, {.call = id, .session = read.id, .who = read.who, .reason = read.reason},
                                      out);
              },
              [&] { shard.GetSession(id, read.id, out); });
        },
        [](const Failure&) { return false; });
  }

  // Reads come from the store: it holds what is durable, and of a session nothing else may be told. Only the notice is
  // of this moment.
  ServerUnaryReactor* GetSession(CallbackServerContext*, const pb::GetSessionRequest* request,
                                 pb::Session* response) override {
    const auto call = rpc::UnaryCall<pb::Session>::Make(response);
    auto id = ReadSessionId("session_id", request->session_id());
    if (!id.ok()) {
      call->Finish(id.status());
      return call.get();
    }
    auto session = FindSession(host_.store(), *id);
    call->Finish(session.ok() ? Seen(*session) : session.status());
    return call.get();
  }

  ServerUnaryReactor* ListSessions(CallbackServerContext*, const pb::ListSessionsRequest* request,
                                   pb::ListSessionsResponse* response) override {
    const auto call = rpc::UnaryCall<pb::ListSessionsResponse>::Make(response);
    call->Finish(List(*request));
    return call.get();
  }

  grpc::ServerWriteReactor<pb::WatchSessionsResponse>* WatchSessions(CallbackServerContext*,
                                                                     const pb::WatchSessionsRequest* request) override {
    return watches_.WatchSessions(Read(*request));
  }

 private:
  absl::StatusOr<pb::Session> SessionOf(const CallResult& result) {
    auto session = ResultAs<Session>(result);
    if (!session.ok()) return session.status();
    // Of a session that is over the ticket is read, in the committer's thread: a repeat or a write-off, so seldom.
    return Seen(*session);
  }

  absl::StatusOr<pb::Session> Seen(const Session& session) {
    return WithTickets(host_.store(), session, host_.ShownState(session.cp));
  }

  absl::StatusOr<pb::ListSessionsResponse> List(const pb::ListSessionsRequest& request) {
    auto filter = Read(request);
    if (!filter.ok()) return filter.status();
    auto page = host_.store().ListSessions(*filter);
    if (absl::IsInvalidArgument(page.status())) return FieldError("page_token", page.status().message());
    if (!page.ok()) return page.status();
    pb::ListSessionsResponse response;
    response.set_next_page_token(page->next_page_token);
    for (const Session& session : page->items) {
      auto proto = Seen(session);
      if (!proto.ok()) return proto.status();
      *response.add_sessions() = *std::move(proto);
    }
    return response;
  }

  // Where `is_answer` says so, a failure is answered with the session as it is. The request has a trace of its own,
  // which the session does not join: the record of it, `said`, names both.
  template <typename Input, typename IsAnswer>
  ServerUnaryReactor* AskAbout(const CallbackServerContext& context, absl::StatusOr<SessionRequest> read,
                               pb::Session* response, absl::string_view said, Input input, IsAnswer is_answer) {
    const auto call = rpc::UnaryCall<pb::Session>::Make(response);
    if (!read.ok()) {
      call->Finish(read.status());
      return call.get();
    }
    // The store says whose shard it is.
    auto session = FindSession(host_.store(), read->id);
    if (!session.ok()) {
      call->Finish(session.status());
      return call.get();
    }
    {
      const log::TraceScope scope(rpc::TraceOf(context));
      log::Info(said, {{"session_id", session->id},
                       {"cp_id", session->cp},
                       {"driver_id", read->driver},
                       {"session_trace_id", TraceIdText(session->trace)}});
    }
    Ask(
        host_, call, host_.ShardOf(session->cp), read->rows(),
        [&](Shard& shard, const Moment& now, const CallId& id, Effects& out) { input(*read, shard, now, id, out); },
        [this, is_answer, id = read->id](const CallResult& result) -> absl::StatusOr<pb::Session> {
          const auto* failure = std::get_if<Failure>(&result);
          if (failure == nullptr || !is_answer(*failure)) return SessionOf(result);
          auto now = FindSession(host_.store(), id);
          return now.ok() ? Seen(*now) : now.status();
        });
    return call.get();
  }

  ShardHost& host_;
  WatchHub& watches_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeSessionService(ShardHost& host, WatchHub& watches) {
  return std::make_unique<SessionServiceImpl>(host, watches);
}

}  // namespace ev::central
