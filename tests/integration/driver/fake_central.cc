#include "tests/integration/driver/fake_central.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/error_detail.h"
#include "rpc/status.h"
#include "tests/support/free_port.h"

namespace ev::driver {
namespace {

namespace central_pb = evcharging::central::v1;
namespace common_pb = evcharging::common::v1;

bool IsAtEnd(const central_pb::Session& session) {
  return session.state() == common_pb::SESSION_STATE_COMPLETED || session.state() == common_pb::SESSION_STATE_DENIED ||
         session.state() == common_pb::SESSION_STATE_EXPIRED;
}

}  // namespace

class FakeCentral::Sessions final : public central_pb::SessionService::Service {
 public:
  explicit Sessions(FakeCentral& central) : central_(central) {}

  grpc::Status StartSession(grpc::ServerContext*, const central_pb::StartSessionRequest* request,
                            central_pb::Session* response) override {
    FakeCentral& c = central_;
    MutexLock lock(c.mutex_);
    c.starts_.push_back(*request);
    if (c.requests_to_refuse_ > 0) {
      --c.requests_to_refuse_;
      return rpc::ToGrpc(
          WithRetryAfter(WithReason(absl::ResourceExhaustedError("too much waits"), "OVERLOADED"), c.wait_));
    }
    if (const auto denial = c.denials_.find(request->charging_point_id()); denial != c.denials_.end()) {
      ErrorDetail detail{.reason = denial->second};
      detail.metadata["charging_point_id"] = request->charging_point_id();
      return rpc::ToGrpc(WithDetail(
          absl::FailedPreconditionError(absl::StrCat("charging point ", request->charging_point_id(), " says no")),
          detail));
    }
    auto [known, is_new] = c.requests_.try_emplace(request->request_id(), "");
    if (is_new) {
      central_pb::Session& session = c.MakeLocked(request->driver_id(), request->charging_point_id());
      if (request->has_target()) *session.mutable_target() = request->target();
      session.set_state(c.begin_in_);
      known->second = session.session_id();
      c.ChangedLocked(session);
      if (c.complete_at_once_ != common_pb::END_REASON_UNSPECIFIED) c.CompleteLocked(session, c.complete_at_once_);
    }
    if (c.answers_to_lose_ > 0) {
      --c.answers_to_lose_;
      return {grpc::StatusCode::UNAVAILABLE, "the answer got lost"};
    }
    *response = c.sessions_.at(known->second);
    return grpc::Status::OK;
  }

  grpc::Status StopSession(grpc::ServerContext*, const central_pb::StopSessionRequest* request,
                           central_pb::Session* response) override {
    FakeCentral& c = central_;
    MutexLock lock(c.mutex_);
    c.stops_.push_back(*request);
    const auto it = c.sessions_.find(request->session_id());
    if (it == c.sessions_.end()) return {grpc::StatusCode::NOT_FOUND, "no such session"};
    if (it->second.driver_id() != request->driver_id()) {
      return rpc::ToGrpc(WithReason(absl::PermissionDeniedError("not your session"), "NOT_YOUR_SESSION"));
    }
    if (!IsAtEnd(it->second)) c.CompleteLocked(it->second, common_pb::END_REASON_DRIVER_STOP);
    *response = it->second;
    return grpc::Status::OK;
  }

  grpc::Status GetSession(grpc::ServerContext*, const central_pb::GetSessionRequest* request,
                          central_pb::Session* response) override {
    MutexLock lock(central_.mutex_);
    const auto it = central_.sessions_.find(request->session_id());
    if (it == central_.sessions_.end()) return {grpc::StatusCode::NOT_FOUND, "no such session"};
    *response = it->second;
    return grpc::Status::OK;
  }

  grpc::Status ListSessions(grpc::ServerContext*, const central_pb::ListSessionsRequest* request,
                            central_pb::ListSessionsResponse* response) override {
    MutexLock lock(central_.mutex_);
    for (const auto& [id, session] : central_.sessions_) {
      bool matches = request->states().empty();
      for (const int state : request->states()) matches = matches || state == session.state();
      if (matches && session.driver_id() == request->driver_id()) *response->add_sessions() = session;
    }
    return grpc::Status::OK;
  }

  grpc::Status WatchSessions(grpc::ServerContext* context, const central_pb::WatchSessionsRequest* request,
                             grpc::ServerWriter<central_pb::WatchSessionsResponse>* writer) override {
    FakeCentral& c = central_;
    std::vector<central_pb::WatchSessionsResponse> messages;
    std::size_t next = 0;
    {
      MutexLock lock(c.mutex_);
      ++c.watchers_;
      ++c.watches_;
      next = c.log_.size();
      for (const auto& [id, session] : c.sessions_) {
        if (session.driver_id() != request->driver_id() || IsAtEnd(session)) continue;
        *messages.emplace_back().mutable_session() = session;
      }
      messages.emplace_back().mutable_snapshot_complete();
    }
    bool is_open = true;
    while (is_open) {
      for (const auto& message : messages) writer->Write(message);
      messages.clear();
      MutexLock lock(c.mutex_);
      if (next == c.log_.size()) c.changed_.WaitFor(c.mutex_, absl::Milliseconds(5));
      for (; next < c.log_.size(); ++next) {
        if (c.log_[next].driver_id() == request->driver_id()) *messages.emplace_back().mutable_changed() = c.log_[next];
      }
      is_open = c.serving_ && !context->IsCancelled();
    }
    MutexLock lock(c.mutex_);
    --c.watchers_;
    return {grpc::StatusCode::UNAVAILABLE, "stopping"};
  }

 private:
  FakeCentral& central_;
};

class FakeCentral::Points final : public central_pb::ChargingPointService::Service {
 public:
  grpc::Status ListChargingPoints(grpc::ServerContext*, const central_pb::ListChargingPointsRequest*,
                                  central_pb::ListChargingPointsResponse* response) override {
    *response->add_charging_points() = Point("cp_001");
    *response->add_charging_points() = Point("cp_002");
    response->mutable_charging_points(1)->set_state(common_pb::CHARGING_POINT_STATE_STOPPED);
    auto& cause = *response->mutable_charging_points(1)->add_causes();
    cause.set_cause(common_pb::OUT_OF_SERVICE_CAUSE_OPERATOR);
    cause.set_reason("cable\x1b[31m damaged");
    return grpc::Status::OK;
  }
  grpc::Status GetChargingPoint(grpc::ServerContext*, const central_pb::GetChargingPointRequest* request,
                                central_pb::ChargingPoint* response) override {
    *response = Point(request->charging_point_id());
    return grpc::Status::OK;
  }

 private:
  static central_pb::ChargingPoint Point(const std::string& id) {
    central_pb::ChargingPoint point;
    point.set_charging_point_id(id);
    point.set_location("Calle Mayor 1");
    point.set_state(common_pb::CHARGING_POINT_STATE_AVAILABLE);
    point.mutable_price()->set_micros_per_kwh(350'000);
    point.mutable_price()->set_currency("EUR");
    return point;
  }
};

class FakeCentral::Tickets final : public central_pb::TicketService::Service {};

FakeCentral::FakeCentral()
    : port_(FreePort()),
      session_service_(std::make_unique<Sessions>(*this)),
      point_service_(std::make_unique<Points>()),
      ticket_service_(std::make_unique<Tickets>()) {
  Serve();
}

FakeCentral::~FakeCentral() {
  StopServing();
}

void FakeCentral::Serve(int max_streams) {
  {
    MutexLock lock(mutex_);
    serving_ = true;
  }
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address(), grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, max_streams);
  builder.RegisterService(session_service_.get());
  builder.RegisterService(point_service_.get());
  builder.RegisterService(ticket_service_.get());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port != port_) throw std::runtime_error("the fake Central cannot listen");
}

void FakeCentral::StopServing() {
  if (server_ == nullptr) return;
  {
    MutexLock lock(mutex_);
    serving_ = false;
    changed_.SignalAll();
  }
  server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
}

std::string FakeCentral::address() const {
  return absl::StrCat("127.0.0.1:", port_);
}

void FakeCentral::Deny(const std::string& cp, const std::string& reason) {
  MutexLock lock(mutex_);
  denials_[cp] = reason;
}

void FakeCentral::BeginIn(State state) {
  MutexLock lock(mutex_);
  begin_in_ = state;
}

void FakeCentral::LoseAnswers(int count) {
  MutexLock lock(mutex_);
  answers_to_lose_ = count;
}

void FakeCentral::Overload(int count, absl::Duration wait) {
  MutexLock lock(mutex_);
  requests_to_refuse_ = count;
  wait_ = wait;
}

void FakeCentral::CompleteAtOnce(common_pb::EndReason reason) {
  MutexLock lock(mutex_);
  complete_at_once_ = reason;
}

FakeCentral::Session& FakeCentral::MakeLocked(const std::string& driver, const std::string& cp) {
  const std::string id = absl::StrFormat("%032x", sessions_.size() + 1);
  Session& session = sessions_[id];
  session.set_session_id(id);
  session.set_driver_id(driver);
  session.set_charging_point_id(cp);
  session.set_grant_number(1);
  session.mutable_price()->set_micros_per_kwh(350'000);
  session.mutable_price()->set_currency("EUR");
  session.mutable_revision()->set_incarnation(1);
  return session;
}

void FakeCentral::ChangedLocked(Session& session) {
  session.mutable_revision()->set_counter(session.revision().counter() + 1);
  log_.push_back(session);
  changed_.SignalAll();
}

void FakeCentral::CompleteLocked(Session& session, common_pb::EndReason reason) {
  session.set_state(common_pb::SESSION_STATE_COMPLETED);
  session.set_end_reason(reason);
  session.set_energy_mwh(3'141'593);
  session.set_amount_micros(1'099'558);
  auto& ticket = *session.mutable_ticket();
  ticket.set_ticket_id(session.session_id());
  ticket.set_session_id(session.session_id());
  ticket.set_kind(common_pb::TICKET_KIND_FINAL);
  ticket.set_driver_id(session.driver_id());
  ticket.set_charging_point_id(session.charging_point_id());
  ticket.set_energy_mwh(session.energy_mwh());
  ticket.set_amount_micros(session.amount_micros());
  *ticket.mutable_price() = session.price();
  ticket.set_end_reason(reason);
  ChangedLocked(session);
}

void FakeCentral::Move(const std::string& session_id, State state, std::int64_t energy_mwh) {
  MutexLock lock(mutex_);
  Session& session = sessions_.at(session_id);
  session.set_state(state);
  session.set_energy_mwh(energy_mwh);
  session.set_power_w(state == common_pb::SESSION_STATE_CHARGING ? 11'000 : 0);
  session.set_amount_micros(energy_mwh * 350'000 / 1'000'000);
  ChangedLocked(session);
}

void FakeCentral::Complete(const std::string& session_id, common_pb::EndReason reason) {
  MutexLock lock(mutex_);
  CompleteLocked(sessions_.at(session_id), reason);
}

std::string FakeCentral::Open(const std::string& driver, const std::string& cp, State state) {
  MutexLock lock(mutex_);
  Session& session = MakeLocked(driver, cp);
  session.set_state(state);
  ChangedLocked(session);
  return session.session_id();
}

std::vector<central_pb::StartSessionRequest> FakeCentral::starts() const {
  MutexLock lock(mutex_);
  return starts_;
}

std::vector<central_pb::StopSessionRequest> FakeCentral::stops() const {
  MutexLock lock(mutex_);
  return stops_;
}

std::vector<FakeCentral::Session> FakeCentral::sessions() const {
  MutexLock lock(mutex_);
  std::vector<Session> all;
  for (const auto& [id, session] : sessions_) all.push_back(session);
  return all;
}

int FakeCentral::watchers() const {
  MutexLock lock(mutex_);
  return watchers_;
}

int FakeCentral::watches() const {
  MutexLock lock(mutex_);
  return watches_;
}

}  // namespace ev::driver
