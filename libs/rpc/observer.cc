#include "rpc/observer.h"

#include <google/protobuf/descriptor.h>
#include <grpc/grpc.h>
#include <grpcpp/alarm.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_interceptor.h>

#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/time/clock.h"
#include "base/id_source.h"
#include "base/mutex.h"
#include "base/trace.h"
#include "log/log.h"
#include "rpc/server_call.h"

namespace ev::rpc {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::ServerRpcInfo;

// As Go prints them, because the dashboards that exist expect it.
constexpr std::array<const char*, 17> kCodes = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

std::size_t CodeIndex(grpc::StatusCode code) {
  const auto index = static_cast<std::size_t>(code);
  return index < kCodes.size() ? index : 2;  // Unknown.
}

const char* TypeOf(const google::protobuf::MethodDescriptor& method) {
  if (method.client_streaming()) return method.server_streaming() ? "bidi_stream" : "client_stream";
  return method.server_streaming() ? "server_stream" : "unary";
}

struct MethodMetrics {
  metrics::Counter started;
  metrics::Counter received;
  metrics::Counter sent;
  std::array<metrics::Counter, kCodes.size()> handled;
  metrics::Histogram seconds;
};

MethodMetrics MakeMetrics(metrics::Registry& registry, const metrics::Labels& labels) {
  MethodMetrics out;
  out.started = registry.AddCounter("grpc_server_started_total", "Calls that the server has begun.", labels);
  out.received =
      registry.AddCounter("grpc_server_msg_received_total", "Messages that the server has received.", labels);
  out.sent = registry.AddCounter("grpc_server_msg_sent_total", "Messages that the server has sent.", labels);
  out.seconds = registry.AddHistogram("grpc_server_handling_seconds", "How long the server took for a call.",
                                      metrics::LatencyBuckets(), labels);
  for (std::size_t i = 0; i < kCodes.size(); ++i) {
    metrics::Labels with_code = labels;
    with_code["grpc_code"] = kCodes[i];
    out.handled[i] = registry.AddCounter("grpc_server_handled_total", "Calls that the server has ended.", with_code);
  }
  return out;
}

// Ends a call at a time unless it is disarmed before. The alarm's callback may come after everybody has gone, so what
// it needs is shared.
class Deadline {
 public:
  Deadline(grpc_call* call, absl::Duration wait) : state_(std::make_shared<State>()) {
    {
      MutexLock lock(state_->mutex);
      state_->call = call;
    }
    alarm_.Set(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(wait), [state = state_](bool expired) {
      if (expired) state->End();
    });
  }
  ~Deadline() {
    MutexLock lock(state_->mutex);
    state_->call = nullptr;
  }

 private:
  struct State {
    Mutex mutex;
    grpc_call* call ABSL_GUARDED_BY(mutex) = nullptr;

    void End() {
      grpc_call* taken = nullptr;
      {
        MutexLock lock(mutex);
        taken = std::exchange(call, nullptr);
        if (taken == nullptr) return;
        grpc_call_ref(taken);
      }
      // Not by TryCancel(), which tells the caller CANCELLED.
      grpc_call_cancel_with_status(taken, GRPC_STATUS_DEADLINE_EXCEEDED,
                                   "the server's own limit for a call without a deadline", nullptr);
      grpc_call_unref(taken);
    }
  };

  std::shared_ptr<State> state_;
  grpc::Alarm alarm_;
};

bool HasDeadline(const grpc::ServerContextBase& context) {
  const gpr_timespec deadline = context.raw_deadline();
  return gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) != 0;
}

class CallInterceptor final : public grpc::experimental::Interceptor {
 public:
  CallInterceptor(ServerRpcInfo* info, const MethodMetrics& metrics, absl::Duration default_deadline)
      : info_(info), metrics_(metrics), default_deadline_(default_deadline) {
    metrics_.started.Increment();
  }

  ~CallInterceptor() override { Record(grpc::StatusCode::CANCELLED); }

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      Begin(*methods->GetRecvInitialMetadata());
    }
    // Without a message: the client has said its last.
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE) &&
        methods->GetRecvMessage() != nullptr) {
      metrics_.received.Increment();
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_MESSAGE)) metrics_.sent.Increment();
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      Record(methods->GetSendStatus().error_code());
    }
    methods->Proceed();
  }

 private:
  using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

  void Begin(Metadata& metadata) {
    grpc::ServerContextBase& context = *info_->server_context();
    if (log::IsEnabled(log::Level::kDebug)) peer_ = context.peer();
    trace_ = TraceOf(context);
    if (trace_.empty()) BeginTrace(metadata);
    if (info_->type() == ServerRpcInfo::Type::UNARY && !HasDeadline(context)) {
      deadline_.emplace(context.c_call(), default_deadline_);
    }
  }

  // The metadata is what the handler sees. It refers to the text, which lives as long as the call.
  void BeginTrace(Metadata& metadata) {
    thread_local RandomIdSource ids;
    trace_ = NewTrace(ids);
    traceparent_ = Traceparent(trace_, ids.NewRandomHex());
    metadata.erase(kTraceparent);
    metadata.emplace(kTraceparent, traceparent_);
  }

  void Record(grpc::StatusCode code) {
    if (std::exchange(recorded_, true)) return;
    const std::size_t index = CodeIndex(code);
    const auto took = std::chrono::steady_clock::now() - begun_;
    metrics_.handled[index].Increment();
    metrics_.seconds.Observe(std::chrono::duration<double>(took).count());
    const log::TraceScope scope(trace_);
    log::Debug(
        "call",
        {{"method", info_->method()}, {"code", kCodes[index]}, {"duration", absl::FromChrono(took)}, {"peer", peer_}});
  }

  ServerRpcInfo* const info_;
  const MethodMetrics& metrics_;
  const absl::Duration default_deadline_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::string peer_;
  Trace trace_;
  std::string traceparent_;  // Given to it here; empty: it came with one.
  bool recorded_ = false;
  std::optional<Deadline> deadline_;
};

}  // namespace

struct CallObserver::Impl {
  metrics::Registry& registry;
  const absl::Duration default_deadline;
  // "/package.Service/Method". Not changed once there are calls: read without a lock.
  absl::flat_hash_map<std::string, MethodMetrics> methods;
  MethodMetrics other;  // No such method is registered; drops what it is given.
};

namespace {

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  using Find = std::function<const MethodMetrics&(const char*)>;
  Factory(Find find, absl::Duration default_deadline) : find_(std::move(find)), default_deadline_(default_deadline) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    return new CallInterceptor(info, find_(info->method()), default_deadline_);
  }

 private:
  const Find find_;
  const absl::Duration default_deadline_;
};

}  // namespace

CallObserver::CallObserver(metrics::Registry& registry, absl::Duration default_deadline)
    : impl_(new Impl{.registry = registry, .default_deadline = default_deadline, .methods = {}, .other = {}}) {}

CallObserver::~CallObserver() = default;

void CallObserver::AddServices(const std::vector<std::string>& services) {
  for (const std::string& name : services) {
    const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    if (service == nullptr) continue;
    for (int i = 0; i < service->method_count(); ++i) {
      const auto& method = *service->method(i);
      impl_->methods["/" + name + "/" + method.name()] = MakeMetrics(
          impl_->registry, {{"grpc_type", TypeOf(method)}, {"grpc_service", name}, {"grpc_method", method.name()}});
    }
  }
}

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> CallObserver::MakeFactory() {
  return std::make_unique<Factory>(
      [impl = impl_.get()](const char* method) -> const MethodMetrics& {
        const auto it = impl->methods.find(method);
        return it == impl->methods.end() ? impl->other : it->second;
      },
      impl_->default_deadline);
}

}  // namespace ev::rpc
