#include "rpc/logging_service.h"

#include <grpcpp/server_context.h>

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error_detail.h"
#include "evcharging/common/v1/logging_service.grpc.pb.h"
#include "log/log.h"
#include "rpc/server_call.h"

namespace ev::rpc {
namespace {

namespace pb = evcharging::common::v1;

constexpr absl::Duration kShortest = absl::Seconds(1);
constexpr absl::Duration kLongest = absl::Hours(24);

static_assert(static_cast<int>(log::Level::kDebug) + 1 == pb::LOG_LEVEL_DEBUG);
static_assert(static_cast<int>(log::Level::kError) + 1 == pb::LOG_LEVEL_ERROR);

pb::LogLevel ToProto(log::Level level) {
  return static_cast<pb::LogLevel>(static_cast<int>(level) + 1);
}

pb::LogLevelState State() {
  const log::LevelState now = log::CurrentLevel();
  pb::LogLevelState state;
  state.set_level(ToProto(now.level));
  if (!now.left.has_value()) return state;
  state.set_fallback_level(ToProto(now.after));
  const std::int64_t millis = absl::ToUnixMillis(absl::Now() + *now.left);
  state.mutable_fallback_time()->set_seconds(millis / 1000);
  state.mutable_fallback_time()->set_nanos(static_cast<std::int32_t>(millis % 1000) * 1'000'000);
  return state;
}

absl::StatusOr<pb::LogLevelState> Set(const pb::SetLogLevelRequest& request, absl::string_view by) {
  const int level = request.level();
  if (level < pb::LOG_LEVEL_DEBUG || level > pb::LOG_LEVEL_ERROR) {
    return FieldError("level", "must be LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN or LOG_LEVEL_ERROR");
  }
  std::optional<absl::Duration> duration;
  if (request.has_duration()) {
    duration = absl::Seconds(request.duration().seconds()) + absl::Nanoseconds(request.duration().nanos());
    if (*duration < kShortest || *duration > kLongest) return FieldError("duration", "must be 1 s to 24 h");
  }
  log::ChangeLevel(static_cast<log::Level>(level - 1), duration, by);
  return State();
}

class LoggingService final : public pb::LoggingService::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetLogLevel(grpc::CallbackServerContext*, const pb::GetLogLevelRequest*,
                                        pb::LogLevelState* response) override {
    const auto call = UnaryCall<pb::LogLevelState>::Make(response);
    call->Finish(State());
    return call.get();
  }

  grpc::ServerUnaryReactor* SetLogLevel(grpc::CallbackServerContext* context, const pb::SetLogLevelRequest* request,
                                        pb::LogLevelState* response) override {
    const auto call = UnaryCall<pb::LogLevelState>::Make(response);
    call->Finish(Set(*request, context->peer()));
    return call.get();
  }
};

}  // namespace

std::unique_ptr<grpc::Service> MakeLoggingService() {
  return std::make_unique<LoggingService>();
}

}  // namespace ev::rpc
