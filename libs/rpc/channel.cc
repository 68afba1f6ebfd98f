#include "rpc/channel.h"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/address.h"
#include "rpc/callback_queue.h"
#include "rpc/library_logs.h"

namespace ev::rpc {
namespace {

std::string MethodName(absl::string_view retried) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(retried, absl::MaxSplits('/', 1));
  return parts.second.empty() ? absl::StrCat(R"({"service":")", parts.first, R"("})")
                              : absl::StrCat(R"({"service":")", parts.first, R"(","method":")", parts.second, R"("})");
}

// Without `timeout`: it fires early (grpc#34547), deadlines are the callers'.
std::string ServiceConfig(const std::vector<std::string>& retried) {
  std::string config = R"({"loadBalancingConfig":[{"round_robin":{}}])";
  if (!retried.empty()) {
    const std::string names = absl::StrJoin(
        retried, ",", [](std::string* out, const std::string& name) { absl::StrAppend(out, MethodName(name)); });
    absl::StrAppend(&config, R"(,"methodConfig":[{"name":[)", names,
                    R"(],"retryPolicy":{"maxAttempts":4,"initialBackoff":"0.1s","maxBackoff":"1s",)",
                    R"("backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}])");
  }
  return config + "}";
}

// Of gRPC, beside dns.
constexpr absl::string_view kOtherSchemes[] = {"ipv4", "ipv6", "unix", "unix-abstract", "xds"};

}  // namespace

absl::Status CheckTarget(absl::string_view target) {
  absl::string_view address = target;
  if (const std::size_t end = target.find("://"); end != target.npos) {
    const absl::string_view scheme = target.substr(0, end);
    const bool is_other =
        std::find(std::begin(kOtherSchemes), std::end(kOtherSchemes), scheme) != std::end(kOtherSchemes);
    if (is_other) return absl::OkStatus();
    // dns://server/name; dns:///name asks the system's server.
    if (scheme == "dns") address = target.substr(std::min(target.find('/', end + 3), target.size() - 1) + 1);
  } else {
    absl::ConsumePrefix(&address, "dns:");
  }
  const absl::Status status = CheckAddress(address);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      absl::StrCat(status.message(), "; write for example localhost:50051 or dns:///central:50051"));
}

std::shared_ptr<grpc::Channel> MakeChannel(const ChannelOptions& options) {
  SendLibraryLogsToOurs();
  KeepCallbackQueue();
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(ServiceConfig(options.retried));
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);       // Ours stands; no TXT look-ups.
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 2000);  // 30 s by default: a replica moves faster.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);  // Also the limit of one attempt to connect.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   static_cast<int>(absl::ToInt64Milliseconds(options.max_reconnect_backoff)));
  arguments.SetMaxReceiveMessageSize(options.max_message_bytes);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, options.own_connection ? 1 : 0);
  const std::string target = absl::StrContains(options.target, "://") || absl::StartsWith(options.target, "dns:")
                                 ? options.target
                                 : "dns:///" + options.target;
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace ev::rpc
