#ifndef EV_SERVICES_CENTRAL_ADAPTERS_SHARD_CALL_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_SHARD_CALL_H_

// How an rpc, or the console, asks the shards: register the caller, run the input, answer when the shard's reply is
// durable.
//
// The caller may go, or its deadline pass, at any time: its call then ends by itself and the input goes on. Rows that
// an input names and its shard does not hold are read from the store by the thread that asks, which is gRPC's: a keyed
// read of the embedded store takes less than handing it to another thread would.

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/error_detail.h"
#include "base/mutex.h"
#include "rpc/server_call.h"
#include "services/central/adapters/codec.h"
#include "services/central/adapters/shard_host.h"

namespace ev::central {

using ShardInput = absl::FunctionRef<void(Shard& shard, const Moment& now, const CallId& call, Effects& out)>;

// Central cannot answer now: ask the same again.
absl::Status AskAgain(const absl::Status& status);

// Nothing was done, and nothing new is taken in while the host is behind: ask again, slower.
absl::Status Overloaded();

// By what a repeat of a mutating request is recognised.
struct RequestTag {
  std::string key;  // See RequestKey(); empty: not at all.
  std::string fingerprint;

  RowKeys rows() const;
};

// Runs `first` when the request is new, and remembers it unless it was refused; `again`, which changes nothing, when it
// is a repeat. Answers InvalidArgument when its id was used with other parameters.
void Once(Shard& shard, const Moment& now, const CallId& call, const RequestTag& tag, Effects& out,
          absl::FunctionRef<void()> first, absl::FunctionRef<void()> again);

// The value that a shard must have answered with.
template <typename T>
absl::StatusOr<T> ResultAs(const CallResult& result) {
  if (const auto* failure = std::get_if<Failure>(&result)) {
    const absl::Status status = ToStatus(*failure);
    return failure->reason == "STOPPING" ? AskAgain(status) : status;
  }
  if (const auto* value = std::get_if<T>(&result)) return *value;
  return absl::InternalError("the shard answered with something else");
}

// `Call` is a rpc::UnaryCall, or whatever has its finished() and Finish(). `fill` makes the response from the result;
// it runs once, in the committer's thread, and must not block. Answers Overloaded() at once when the host is behind.
template <typename Call, typename Fill>
void Ask(ShardHost& host, const std::shared_ptr<Call>& call, int shard, const RowKeys& rows, ShardInput input,
         Fill fill) {
  if (host.RefusesCalls()) {
    call->Finish(Overloaded());
    return;
  }
  const CallId id = host.Await([call, fill](const CallResult& result) {
    if (!call->finished()) call->Finish(fill(result));
  });
  const absl::Status applied =
      host.Apply(shard, rows, [&](Shard& at, const Moment& now, Effects& out) { input(at, now, id, out); });
  if (applied.ok()) return;
  host.Forget(id);
  call->Finish(AskAgain(applied));
}

// Asks every shard for its charging points. `fill` gets all of them, or the first failure, when the last has answered.
template <typename Call, typename Fill>
void AskAll(ShardHost& host, const std::shared_ptr<Call>& call, absl::FunctionRef<RowKeys(int shard)> rows,
            ShardInput input, Fill fill) {
  // Once, before the first shard: all of them take it in or none does.
  if (host.RefusesCalls()) {
    call->Finish(Overloaded());
    return;
  }
  struct Answers {
    Mutex mutex;
    int missing ABSL_GUARDED_BY(mutex) = 0;
    std::vector<PointView> points ABSL_GUARDED_BY(mutex);
  };
  auto answers = std::make_shared<Answers>();
  {
    MutexLock lock(answers->mutex);
    answers->missing = host.shards();
  }
  for (int shard = 0; shard < host.shards(); ++shard) {
    const CallId id = host.Await([call, fill, answers](const CallResult& result) {
      if (call->finished()) return;
      auto views = ResultAs<std::vector<PointView>>(result);
      if (!views.ok()) {
        call->Finish(views.status());
        return;
      }
      std::vector<PointView> all;
      {
        MutexLock lock(answers->mutex);
        answers->points.insert(answers->points.end(), std::make_move_iterator(views->begin()),
                               std::make_move_iterator(views->end()));
        if (--answers->missing > 0) return;
        all.swap(answers->points);
      }
      call->Finish(fill(std::move(all)));
    });
    const absl::Status applied =
        host.Apply(shard, rows(shard), [&](Shard& at, const Moment& now, Effects& out) { input(at, now, id, out); });
    if (applied.ok()) continue;
    // What was applied stays: the same request again is harmless.
    host.Forget(id);
    call->Finish(AskAgain(applied));
    return;
  }
}

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_SHARD_CALL_H_
