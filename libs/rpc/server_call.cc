#include "rpc/server_call.h"

#include <grpcpp/server_context.h>

#include <algorithm>

#include "absl/time/clock.h"

namespace ev::rpc {

absl::Duration TimeLeft(const grpc::ServerContextBase& context, absl::Duration cap) {
  const absl::Duration left = absl::FromChrono(context.deadline()) - absl::Now();
  return std::clamp(left, absl::ZeroDuration(), cap);
}

Trace TraceOf(const grpc::ServerContextBase& context) {
  const auto& metadata = context.client_metadata();
  // Of two nobody can say which is right.
  if (metadata.count(kTraceparent) != 1) return {};
  const auto it = metadata.find(kTraceparent);
  return ParseTraceparent({it->second.data(), it->second.size()});
}

}  // namespace ev::rpc
