#include "services/driver/adapters/central_client.h"

#include <grpcpp/channel.h>

#include <array>
#include <atomic>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/hash/hash.h"
#include "base/error_detail.h"
#include "base/mutex.h"
#include "evcharging/central/v1/charging_point_service.grpc.pb.h"
#include "evcharging/central/v1/session_service.grpc.pb.h"
#include "evcharging/central/v1/ticket_service.grpc.pb.h"
#include "log/log.h"
#include "rpc/call.h"
#include "rpc/channel.h"
#include "rpc/client_streams.h"
#include "services/driver/adapters/codec.h"
#include "wire/common_codec.h"

namespace ev::driver {
namespace {

namespace central_pb = evcharging::central::v1;
namespace common_pb = evcharging::common::v1;

using central_pb::ChargingPointService;
using central_pb::SessionService;
using central_pb::TicketService;
using Watch = rpc::ClientWatch<central_pb::WatchSessionsResponse>;

constexpr int kPageSize = 1000;
constexpr int kMaxPages = 20;

// The unary calls under way, so that a stop need not wait for their deadlines.
class CallsUnderWay {
 public:
  // False: stopped, make no more calls.
  bool Add(const std::shared_ptr<grpc::ClientContext>& context) {
    MutexLock lock(mutex_);
    if (stopped_) return false;
    contexts_.emplace(context.get(), context);
    return true;
  }
  // Once its owner calls back no more.
  void Remove(grpc::ClientContext* context) {
    MutexLock lock(mutex_);
    contexts_.erase(context);
    changed_.SignalAll();
  }
  void Stop() {
    std::vector<std::shared_ptr<grpc::ClientContext>> contexts;
    {
      MutexLock lock(mutex_);
      stopped_ = true;
      for (const auto& [key, context] : contexts_) contexts.push_back(context);
    }
    for (const auto& context : contexts) context->TryCancel();  // May call back from here.
    MutexLock lock(mutex_);
    while (!contexts_.empty()) changed_.WaitFor(mutex_, absl::Seconds(1));
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<grpc::ClientContext*, std::shared_ptr<grpc::ClientContext>> contexts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

struct CentralClient::Impl {
  explicit Impl(const CentralClientOptions& o)
      : options(o),
        channel(rpc::MakeChannel({.target = options.target,
                                  .retried = {"evcharging.central.v1.ChargingPointService/ListChargingPoints",
                                              "evcharging.central.v1.ChargingPointService/GetChargingPoint",
                                              "evcharging.central.v1.SessionService/ListSessions",
                                              "evcharging.central.v1.SessionService/GetSession",
                                              "evcharging.central.v1.TicketService/ListTickets"}})),
        sessions(SessionService::NewStub(channel)),
        points(ChargingPointService::NewStub(channel)),
        tickets(TicketService::NewStub(channel)) {
    for (WatchConnection& connection : watch_connections) {
      connection.channel = rpc::MakeChannel({.target = options.target, .retried = {}, .own_connection = true});
      connection.sessions = SessionService::NewStub(connection.channel);
    }
  }

  template <typename Method, typename Request, typename Response>
  void Call(Method method, Request request, absl::Duration timeout, const Trace& trace,
            std::function<void(absl::StatusOr<Response>)> done) {
    struct State {
      grpc::ClientContext context;
      Request request;
      Response response;
    };
    auto state = std::make_shared<State>();
    state->request = std::move(request);
    rpc::SetTimeout(state->context, timeout);
    rpc::SetTrace(state->context, trace);
    if (!calls.Add(std::shared_ptr<grpc::ClientContext>(state, &state->context))) return;
    ((*sessions->async()).*method)(
        &state->context, &state->request, &state->response,
        [this, state, done = std::move(done)](const grpc::Status& status) {
          done(status.ok() ? absl::StatusOr<Response>(std::move(state->response)) : rpc::FromGrpc(status));
          calls.Remove(&state->context);
        });
  }

  template <typename Method, typename Request>
  void CallForCharge(Method method, Request request, absl::Duration timeout, const Trace& trace, OnCharge done) {
    Call<Method, Request, central_pb::Session>(
        method, std::move(request), timeout, trace,
        [this, done = std::move(done)](const absl::StatusOr<central_pb::Session>& session) {
          if (!session.ok()) return done(session.status());
          auto charge = Decode(*session);
          // Not InvalidArgument: that would blame the request.
          done(charge.ok() ? std::move(charge)
                           : WithReason(absl::InternalError(charge.status().message()), "UNDECODABLE"));
        });
  }

  absl::StatusOr<Charge> Decode(const central_pb::Session& session) {
    auto charge = FromProto(session);
    if (!charge.ok() && undecodable.fetch_add(1) == 0) {
      log::Warn("central sent a session that cannot be understood; said once", {{"error", charge.status()}});
    }
    return charge;
  }

  void OnMessage(const central_pb::WatchSessionsResponse& message, const WatchEvents& events) {
    using Response = central_pb::WatchSessionsResponse;
    switch (message.event_case()) {
      case Response::kSession:
      case Response::kChanged: {
        auto charge = Decode(message.event_case() == Response::kSession ? message.session() : message.changed());
        if (charge.ok()) events.charge(*std::move(charge));
        return;
      }
      case Response::kSnapshotComplete:
        return events.snapshot();
      case Response::kHeartbeat:
      case Response::EVENT_NOT_SET:
        return events.heartbeat();
    }
  }

  void ForgetWatch(WatchId id) {
    MutexLock lock(mutex);
    watches.erase(id);
  }

  // Central takes 1000 streams on a connection, and what is too much waits: so watches have connections of their own,
  // for as many drivers as are followed at most, and no call ever stands behind them. Each connects when it is first
  // used.
  struct WatchConnection {
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<SessionService::Stub> sessions;
  };
  static constexpr std::size_t kWatchConnections = 12;
  SessionService::Stub& SessionsOf(const DriverId& driver) {
    return *watch_connections[absl::HashOf(driver.value()) % kWatchConnections].sessions;
  }

  const CentralClientOptions options;
  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<SessionService::Stub> sessions;
  const std::unique_ptr<ChargingPointService::Stub> points;
  const std::unique_ptr<TicketService::Stub> tickets;
  std::array<WatchConnection, kWatchConnections> watch_connections;
  std::atomic<std::int64_t> undecodable{0};
  CallsUnderWay calls;
  rpc::LiveStreams streams;
  Mutex mutex;
  std::map<WatchId, std::weak_ptr<Watch>> watches ABSL_GUARDED_BY(mutex);
};

CentralClient::CentralClient(const CentralClientOptions& options) : impl_(std::make_unique<Impl>(options)) {}

CentralClient::~CentralClient() {
  Stop();
}

void CentralClient::Stop() {
  impl_->streams.CloseAll(absl::CancelledError("stopping"));
  impl_->calls.Stop();
  while (!impl_->streams.WaitUntilEmpty(absl::Seconds(1))) {
  }
}

std::int64_t CentralClient::undecodable() const {
  return impl_->undecodable;
}

void CentralClient::StartSession(const SendStart& start, OnCharge done) {
  central_pb::StartSessionRequest request;
  request.set_request_id(start.request_id);
  request.set_driver_id(start.driver.value());
  request.set_charging_point_id(start.cp.value());
  if (!std::holds_alternative<std::monostate>(start.target)) *request.mutable_target() = wire::ToProto(start.target);
  *request.mutable_waited() = wire::ToProto(start.waited);
  using Async = SessionService::StubInterface::async_interface;
  void (Async::*method)(grpc::ClientContext*, const central_pb::StartSessionRequest*, central_pb::Session*,
                        std::function<void(grpc::Status)>) = &Async::StartSession;
  impl_->CallForCharge(method, std::move(request), impl_->options.call_timeout, start.trace, std::move(done));
}

void CentralClient::StopSession(const SendStop& stop, OnCharge done) {
  central_pb::StopSessionRequest request;
  request.set_request_id(stop.request_id);
  request.set_session_id(stop.session.value());
  request.set_driver_id(stop.driver.value());
  using Async = SessionService::StubInterface::async_interface;
  void (Async::*method)(grpc::ClientContext*, const central_pb::StopSessionRequest*, central_pb::Session*,
                        std::function<void(grpc::Status)>) = &Async::StopSession;
  impl_->CallForCharge(method, std::move(request), impl_->options.call_timeout, stop.trace, std::move(done));
}

void CentralClient::GetSession(const SessionId& session, OnCharge done) {
  central_pb::GetSessionRequest request;
  request.set_session_id(session.value());
  using Async = SessionService::StubInterface::async_interface;
  void (Async::*method)(grpc::ClientContext*, const central_pb::GetSessionRequest*, central_pb::Session*,
                        std::function<void(grpc::Status)>) = &Async::GetSession;
  impl_->CallForCharge(method, std::move(request), impl_->options.read_timeout, Trace(), std::move(done));
}

void CentralClient::ListSessions(const central_pb::ListSessionsRequest& request, absl::Duration timeout,
                                 OnSessions done) {
  using Async = SessionService::StubInterface::async_interface;
  void (Async::*method)(grpc::ClientContext*, const central_pb::ListSessionsRequest*, central_pb::ListSessionsResponse*,
                        std::function<void(grpc::Status)>) = &Async::ListSessions;
  impl_->Call<decltype(method), central_pb::ListSessionsRequest, central_pb::ListSessionsResponse>(
      method, request, timeout, Trace(), std::move(done));
}

void CentralClient::ListOpenSessions(const DriverId& driver, OnOpenSessions done) {
  central_pb::ListSessionsRequest request;
  request.set_driver_id(driver.value());
  request.set_page_size(kPageSize);
  for (const SessionState state : OpenStates()) request.add_states(static_cast<common_pb::SessionState>(state));
  ListSessions(request, impl_->options.read_timeout,
               [this, done = std::move(done)](const absl::StatusOr<central_pb::ListSessionsResponse>& response) {
                 if (!response.ok()) return done(response.status());
                 OpenSessions open{.charges = {}, .is_complete = response->next_page_token().empty()};
                 for (const central_pb::Session& session : response->sessions()) {
                   if (auto charge = impl_->Decode(session); charge.ok()) open.charges.push_back(*std::move(charge));
                 }
                 done(std::move(open));
               });
}

void CentralClient::OpenWatch(const DriverId& driver, WatchId watch, WatchEvents events) {
  central_pb::WatchSessionsRequest request;
  request.set_driver_id(driver.value());
  Impl& impl = *impl_;
  const auto shared = std::make_shared<const WatchEvents>(std::move(events));
  auto stream = Watch::Start(impl.streams,
                             {.on_message = [&impl, shared](const auto& message) { impl.OnMessage(message, *shared); },
                              .on_closed =
                                  [&impl, shared, watch](const absl::Status& status) {
                                    impl.ForgetWatch(watch);
                                    shared->closed(status);
                                  }},
                             [&](grpc::ClientContext* context, auto* reactor) {
                               impl.SessionsOf(driver).async()->WatchSessions(context, &request, reactor);
                             });
  MutexLock lock(impl.mutex);
  // One that is over already stays as an expired pointer until the next is opened.
  std::erase_if(impl.watches, [](const auto& entry) { return entry.second.expired(); });
  impl.watches[watch] = stream;
}

void CentralClient::CloseWatch(WatchId watch) {
  std::shared_ptr<Watch> stream;
  {
    MutexLock lock(impl_->mutex);
    if (const auto it = impl_->watches.find(watch); it != impl_->watches.end()) stream = it->second.lock();
  }
  if (stream) stream->Cancel();
}

absl::StatusOr<std::vector<central_pb::ChargingPoint>> CentralClient::ListChargingPoints() {
  std::vector<central_pb::ChargingPoint> points;
  central_pb::ListChargingPointsRequest request;
  request.set_page_size(kPageSize);
  for (int page = 0; page < kMaxPages; ++page) {
    auto response = rpc::Call(*impl_->points, &ChargingPointService::StubInterface::ListChargingPoints, request,
                              impl_->options.read_timeout);
    if (!response.ok()) return response.status();
    points.insert(points.end(), response->charging_points().begin(), response->charging_points().end());
    if (response->next_page_token().empty()) break;
    request.set_page_token(response->next_page_token());
  }
  return points;
}

absl::StatusOr<central_pb::ChargingPoint> CentralClient::GetChargingPoint(const CpId& cp) {
  central_pb::GetChargingPointRequest request;
  request.set_charging_point_id(cp.value());
  return rpc::Call(*impl_->points, &ChargingPointService::StubInterface::GetChargingPoint, request,
                   impl_->options.read_timeout);
}

absl::StatusOr<std::vector<Charge>> CentralClient::ListHistory(const DriverId& driver, int count) {
  central_pb::ListSessionsRequest request;
  request.set_driver_id(driver.value());
  request.set_page_size(count);
  for (const auto state :
       {common_pb::SESSION_STATE_COMPLETED, common_pb::SESSION_STATE_DENIED, common_pb::SESSION_STATE_EXPIRED}) {
    request.add_states(state);
  }
  const auto response =
      rpc::Call(*impl_->sessions, &SessionService::StubInterface::ListSessions, request, impl_->options.read_timeout);
  if (!response.ok()) return response.status();
  std::vector<Charge> charges;
  for (const central_pb::Session& session : response->sessions()) {
    if (auto charge = impl_->Decode(session); charge.ok()) charges.push_back(*std::move(charge));
  }
  return charges;
}

absl::StatusOr<std::vector<Ticket>> CentralClient::ListTickets(const DriverId& driver, int count) {
  central_pb::ListTicketsRequest request;
  request.set_driver_id(driver.value());
  request.set_page_size(count);
  const auto response =
      rpc::Call(*impl_->tickets, &TicketService::StubInterface::ListTickets, request, impl_->options.read_timeout);
  if (!response.ok()) return response.status();
  std::vector<Ticket> tickets;
  for (const common_pb::Ticket& ticket : response->tickets()) tickets.push_back(FromProto(ticket));
  return tickets;
}

}  // namespace ev::driver
