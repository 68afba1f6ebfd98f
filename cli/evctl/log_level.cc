#include "cli/evctl/log_level.h"

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <ostream>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/text.h"
#include "cli/evctl/words.h"
#include "evcharging/common/v1/logging_service.grpc.pb.h"
#include "rpc/call.h"
#include "rpc/channel.h"
#include "wire/common_codec.h"

namespace ev::evctl {
namespace {

namespace pb = evcharging::common::v1;
using Stub = pb::LoggingService::Stub;

std::string Word(pb::LogLevel level) {
  return absl::AsciiStrToLower(absl::StripPrefix(pb::LogLevel_Name(level), "LOG_LEVEL_"));
}

absl::StatusOr<pb::SetLogLevelRequest> ReadOrder(const LogLevelOptions& options) {
  pb::SetLogLevelRequest request;
  pb::LogLevel level = pb::LOG_LEVEL_UNSPECIFIED;
  if (!pb::LogLevel_Parse(absl::StrCat("LOG_LEVEL_", absl::AsciiStrToUpper(options.level)), &level) ||
      level == pb::LOG_LEVEL_UNSPECIFIED) {
    return NotOneOf("log-level", options.level, {"debug", "info", "warn", "error"});
  }
  request.set_level(level);
  if (options.duration.empty()) return request;
  absl::Duration duration;
  if (!absl::ParseDuration(options.duration, &duration) || duration < absl::Seconds(1) || duration > absl::Hours(24)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--for: \"", Printable(options.duration), "\" is not 1s to 24h; write 30s, 10m or 2h"));
  }
  *request.mutable_duration() = wire::ToProto(duration);
  return request;
}

absl::Status Explain(const absl::Status& status, const LogLevelOptions& options) {
  if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
  return absl::Status(status.code(), absl::StrCat(Printable(options.address), " does not answer: ", status.message(),
                                                  "; --address names another gRPC address"));
}

}  // namespace

absl::Status LogLevel(const LogLevelOptions& options, std::ostream& out) {
  if (auto status = rpc::CheckTarget(options.address); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--address: ", status.message()));
  }
  if (options.level.empty() && !options.duration.empty()) {
    return absl::InvalidArgumentError("--for: which level? evctl log-level debug --for 10m");
  }
  const auto stub =
      pb::LoggingService::NewStub(grpc::CreateChannel(options.address, grpc::InsecureChannelCredentials()));
  absl::StatusOr<pb::LogLevelState> state;
  if (options.level.empty()) {
    state = rpc::Call(*stub, &Stub::GetLogLevel, pb::GetLogLevelRequest(), options.limit);
  } else {
    const auto request = ReadOrder(options);
    if (!request.ok()) return request.status();
    state = rpc::Call(*stub, &Stub::SetLogLevel, *request, options.limit);
  }
  if (!state.ok()) return Explain(state.status(), options);
  out << Word(state->level());
  if (state->has_fallback_time()) {
    const auto until = wire::FromProto(state->fallback_time());
    if (!until.ok()) return until.status();
    out << " until " << absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", *until, absl::UTCTimeZone()) << ", then "
        << Word(state->fallback_level());
  }
  out << '\n';
  return absl::OkStatus();
}

}  // namespace ev::evctl
