#include "rpc/server_call.h"

#include <grpcpp/server_context.h>

#include <algorithm>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"

namespace ev::rpc {

absl::Duration TimeLeft(const grpc::ServerContextBase& context, absl::Duration cap) {
  const absl::Duration left = absl::FromChrono(context.deadline()) - absl::Now();
  return std::clamp(left, absl::ZeroDuration(), cap);
}

// version "-" trace-id (32) "-" parent-id (16) "-" flags; all zeros is not an id.
std::string TraceId(const grpc::ServerContextBase& context) {
  const auto& metadata = context.client_metadata();
  const auto it = metadata.find("traceparent");
  if (it == metadata.end()) return "";
  const absl::string_view header(it->second.data(), it->second.size());
  if (header.size() < 55 || header[2] != '-' || header[35] != '-') return "";
  const absl::string_view id = header.substr(3, 32);
  const bool is_hex = id.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
  const bool is_zero = id.find_first_not_of('0') == absl::string_view::npos;
  return is_hex && !is_zero ? std::string(id) : "";
}

}  // namespace ev::rpc
