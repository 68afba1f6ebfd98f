#ifndef EV_RPC_SERVER_CALL_H_
#define EV_RPC_SERVER_CALL_H_

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "base/trace.h"
#include "rpc/status.h"

namespace ev::rpc {

// How long the caller still waits, at most `cap`: what a handler may spend on the work behind an answer.
absl::Duration TimeLeft(const grpc::ServerContextBase& context, absl::Duration cap);

// The trace of a call. A server of ours (server.h) gives one to each call that comes without a valid `traceparent`.
Trace TraceOf(const grpc::ServerContextBase& context);

// The answer to a unary call that is given later, from any thread:
//
//   auto call = UnaryCall<Session>::Make(response);
//   shard.Start(..., [call](absl::StatusOr<Session> result) { call->Finish(std::move(result)); });
//   return call.get();
//
// A call that is cancelled, or past its deadline, finishes itself, so a forgotten one cannot hold up a shutdown; it
// cancels nothing of the work behind it. Lives until gRPC is done with it and the last handle is gone.
template <typename Response>
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  static std::shared_ptr<UnaryCall> Make(Response* response) {
    std::shared_ptr<UnaryCall> call(new UnaryCall(response));
    call->self_ = call;
    return call;
  }

  // False when the call has been finished before.
  bool Finish(absl::StatusOr<Response> result) {
    if (!TakeFinish()) return false;
    const grpc::Status status = ToGrpc(result.status());
    if (result.ok()) *response_ = *std::move(result);  // gRPC frees the response only after the finish below.
    grpc::ServerUnaryReactor::Finish(status);
    return true;
  }

  // For work that nobody waits for any more.
  bool finished() const {
    MutexLock lock(mutex_);
    return finished_;
  }

 private:
  explicit UnaryCall(Response* response) : response_(response) {}

  bool TakeFinish() {
    MutexLock lock(mutex_);
    return !std::exchange(finished_, true);
  }

  void OnCancel() override {
    if (TakeFinish())
      grpc::ServerUnaryReactor::Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the caller has gone"));
  }
  void OnDone() override { std::shared_ptr<UnaryCall>(std::move(self_)); }

  Response* const response_;
  mutable Mutex mutex_;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<UnaryCall> self_;
};

}  // namespace ev::rpc

#endif  // EV_RPC_SERVER_CALL_H_
