#include "rpc/health_service.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "rpc/server_call.h"
#include "rpc/server_streams.h"

namespace ev::rpc {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

constexpr std::size_t kWaitingAnswers = 16;

enum class Subject { kUnknown, kLiveness, kReadiness };

Subject ParseSubject(const std::string& service) {
  if (service == "liveness") return Subject::kLiveness;
  return service.empty() || service == "readiness" ? Subject::kReadiness : Subject::kUnknown;
}

HealthCheckResponse Answer(Subject subject, const metrics::Report& report) {
  const bool serves = subject == Subject::kLiveness || report.health != metrics::Health::kNotReady;
  HealthCheckResponse response;
  response.set_status(subject == Subject::kUnknown ? HealthCheckResponse::SERVICE_UNKNOWN
                      : serves                     ? HealthCheckResponse::SERVING
                                                   : HealthCheckResponse::NOT_SERVING);
  return response;
}

// Metadata values are printable ASCII.
std::string HeaderText(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return text;
}

// One Watch: sends the answer whenever it differs from the last one sent.
class Watcher {
 public:
  Watcher(Subject subject, std::shared_ptr<BoundedWriter<HealthCheckResponse>> writer)
      : subject_(subject), writer_(std::move(writer)) {}

  // False when the stream has ended.
  bool Update(const metrics::Readiness& readiness) {
    const HealthCheckResponse answer = Answer(subject_, readiness.Get());
    if (answer.status() == last_) return !writer_->closed();
    last_ = answer.status();
    return writer_->Write(answer);
  }

 private:
  Subject subject_;
  std::shared_ptr<BoundedWriter<HealthCheckResponse>> writer_;
  int last_ = -1;
};

class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  HealthService(metrics::Readiness& readiness, LiveStreams& streams)
      : readiness_(readiness), streams_(streams), subscription_(readiness.OnChange([this] { UpdateAll(); })) {}

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context, const HealthCheckRequest* request,
                                  HealthCheckResponse* response) override {
    auto* reactor = context->DefaultReactor();
    const Subject subject = ParseSubject(request->service());
    if (subject == Subject::kUnknown) {
      reactor->Finish(ToGrpc(absl::NotFoundError(
          absl::StrCat("there is no health of \"", request->service(), "\": ask for liveness or readiness"))));
      return reactor;
    }
    const metrics::Report report = readiness_.Get();
    if (const std::string reasons = report.Reasons(); subject == Subject::kReadiness && !reasons.empty()) {
      context->AddInitialMetadata("ev-reason", HeaderText(reasons));
    }
    *response = Answer(subject, report);
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerWriteReactor<HealthCheckResponse>* Watch(grpc::CallbackServerContext* /*context*/,
                                                       const HealthCheckRequest* request) override {
    auto writer = BoundedWriter<HealthCheckResponse>::Make(streams_, kWaitingAnswers);
    {
      MutexLock lock(mutex_);
      watchers_.push_back(Watcher(ParseSubject(request->service()), writer));
    }
    UpdateAll();  // Also drops those that have ended, so that their number follows the streams that live.
    return writer.get();
  }

 private:
  // Reads and writes under one lock, so that an older answer never follows a newer one; nothing that gRPC calls back
  // takes it.
  void UpdateAll() {
    MutexLock lock(mutex_);
    std::erase_if(watchers_, [this](Watcher& watcher) { return !watcher.Update(readiness_); });
  }

  metrics::Readiness& readiness_;
  LiveStreams& streams_;
  Mutex mutex_;
  std::vector<Watcher> watchers_ ABSL_GUARDED_BY(mutex_);
  metrics::Readiness::Token subscription_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeHealthService(metrics::Readiness& readiness, LiveStreams& streams) {
  return std::make_unique<HealthService>(readiness, streams);
}

}  // namespace ev::rpc
