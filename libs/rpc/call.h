#ifndef EV_RPC_CALL_H_
#define EV_RPC_CALL_H_

#include <grpcpp/client_context.h>

#include <chrono>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/trace.h"
#include "rpc/status.h"

namespace ev::rpc {

// Every call has an end: `timeout` from now.
inline void SetTimeout(grpc::ClientContext& context, absl::Duration timeout) {
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(timeout));
}

// The call belongs to this trace and is an operation of its own in it. Without a trace its server begins one.
void SetTrace(grpc::ClientContext& context, const Trace& trace);

// A blocking unary call: Call(*stub, &TicketService::StubInterface::GetTicket, request, absl::Seconds(2)).
// Not from a gRPC callback.
template <typename Stub, typename Interface, typename Request, typename Response>
absl::StatusOr<Response> Call(Stub& stub,
                              grpc::Status (Interface::*method)(grpc::ClientContext*, const Request&, Response*),
                              const std::type_identity_t<Request>& request, absl::Duration timeout,
                              const Trace& trace = {}) {
  grpc::ClientContext context;
  SetTimeout(context, timeout);
  SetTrace(context, trace);
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return FromGrpc(status);
  return response;
}

// The same without waiting; `done` comes once, from a gRPC thread, and must not block nor destroy the channel:
// CallAsync(*stub->async(), &EngineService::StubInterface::async_interface::GetStatus, request, timeout, trace, done).
template <typename Async, typename Interface, typename Request, typename Response>
void CallAsync(Async& stub,
               void (Interface::*method)(grpc::ClientContext*, const Request*, Response*,
                                         std::function<void(grpc::Status)>),
               std::type_identity_t<Request> request, absl::Duration timeout, const Trace& trace,
               std::type_identity_t<std::function<void(absl::StatusOr<Response>)>> done) {
  struct State {
    grpc::ClientContext context;
    Request request;
    Response response;
  };
  auto state = std::make_shared<State>();
  state->request = std::move(request);
  SetTimeout(state->context, timeout);
  SetTrace(state->context, trace);
  (stub.*method)(&state->context, &state->request, &state->response,
                 [state, done = std::move(done)](grpc::Status status) {
                   status.ok() ? done(std::move(state->response)) : done(FromGrpc(status));
                 });
}

}  // namespace ev::rpc

#endif  // EV_RPC_CALL_H_
