#include "rpc/status.h"

#include <grpcpp/support/status.h>

#include <string>

#include "base/error_detail.h"
#include "base/text.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace ev::rpc {
namespace {

constexpr char kDomain[] = "evcharging";
// All trailers of a call share 8 KB by default; a larger one would replace the real error by RESOURCE_EXHAUSTED.
constexpr std::size_t kMessageBytes = 1024;
constexpr std::size_t kDetailBytes = 4096;

google::rpc::Status Encode(const absl::Status& status, const ErrorDetail& detail) {
  google::rpc::Status out;
  out.set_code(static_cast<int>(status.code()));
  out.set_message(Excerpt(status.message(), kMessageBytes));

  google::rpc::ErrorInfo info;
  info.set_domain(kDomain);
  info.set_reason(detail.reason.empty() ? absl::StatusCodeToString(status.code()) : detail.reason);
  for (const auto& [key, value] : detail.metadata) (*info.mutable_metadata())[key] = Printable(value);
  out.add_details()->PackFrom(info);

  if (!detail.fields.empty()) {
    google::rpc::BadRequest request;
    for (const FieldViolation& field : detail.fields) {
      auto* violation = request.add_field_violations();
      violation->set_field(field.field);
      violation->set_description(Printable(field.description));
    }
    out.add_details()->PackFrom(request);
  }
  if (detail.retry_after) {
    google::rpc::RetryInfo retry;
    const timespec wait = absl::ToTimespec(*detail.retry_after);
    retry.mutable_retry_delay()->set_seconds(wait.tv_sec);
    retry.mutable_retry_delay()->set_nanos(static_cast<int>(wait.tv_nsec));
    out.add_details()->PackFrom(retry);
  }
  return out;
}

ErrorDetail Decode(const google::rpc::Status& status) {
  ErrorDetail detail;
  for (const auto& any : status.details()) {
    if (google::rpc::ErrorInfo info; any.UnpackTo(&info)) {
      detail.reason = info.reason();
      detail.metadata = {info.metadata().begin(), info.metadata().end()};
    } else if (google::rpc::BadRequest request; any.UnpackTo(&request)) {
      for (const auto& violation : request.field_violations()) {
        detail.fields.push_back({.field = violation.field(), .description = violation.description()});
      }
    } else if (google::rpc::RetryInfo retry; any.UnpackTo(&retry)) {
      detail.retry_after =
          absl::Seconds(retry.retry_delay().seconds()) + absl::Nanoseconds(retry.retry_delay().nanos());
    }
  }
  return detail;
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  ErrorDetail detail = DetailOf(status);
  std::string details = Encode(status, detail).SerializeAsString();
  if (details.size() > kDetailBytes) {  // The reason is what programs branch on: it stays.
    details = Encode(status, {.reason = Excerpt(detail.reason, 128)}).SerializeAsString();
  }
  return {static_cast<grpc::StatusCode>(status.code()), Excerpt(status.message(), kMessageBytes), details};
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  // A server that does not know the called method says nothing more.
  const bool is_other_server = status.error_code() == grpc::UNIMPLEMENTED && status.error_message().empty();
  absl::Status out(static_cast<absl::StatusCode>(status.error_code()),
                   is_other_server ? "another program answers at this address" : status.error_message());
  google::rpc::Status details;
  if (status.error_details().empty() || !details.ParseFromString(status.error_details())) return out;
  return WithDetail(std::move(out), Decode(details));
}

}  // namespace ev::rpc
