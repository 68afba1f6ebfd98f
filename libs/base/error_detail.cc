#include "base/error_detail.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ev {
namespace {

// The payload is text, one line for each part: kind, tab, escaped value, tab, escaped value. Escaping leaves neither
// tabs nor line ends. It never leaves the process.
constexpr char kPayload[] = "evcharging/error_detail";

void AppendLine(std::string& out, absl::string_view kind, absl::string_view a, absl::string_view b) {
  absl::StrAppend(&out, kind, "\t", absl::CEscape(a), "\t", absl::CEscape(b), "\n");
}

void ParseLine(absl::string_view line, ErrorDetail& detail) {
  const std::vector<absl::string_view> parts = absl::StrSplit(line, '\t');
  std::string a;
  std::string b;
  if (parts.size() != 3 || !absl::CUnescape(parts[1], &a) || !absl::CUnescape(parts[2], &b)) return;
  if (parts[0] == "reason") {
    detail.reason = std::move(a);
  } else if (parts[0] == "metadata") {
    detail.metadata.emplace(std::move(a), std::move(b));
  } else if (parts[0] == "field") {
    detail.fields.push_back({.field = std::move(a), .description = std::move(b)});
  } else if (std::int64_t nanos = 0; parts[0] == "retry" && absl::SimpleAtoi(a, &nanos)) {
    detail.retry_after = absl::Nanoseconds(nanos);
  }
}

}  // namespace

absl::Status WithDetail(absl::Status status, const ErrorDetail& detail) {
  std::string text;
  if (!detail.reason.empty()) AppendLine(text, "reason", detail.reason, "");
  for (const auto& [key, value] : detail.metadata) AppendLine(text, "metadata", key, value);
  for (const FieldViolation& violation : detail.fields) {
    AppendLine(text, "field", violation.field, violation.description);
  }
  if (detail.retry_after) AppendLine(text, "retry", absl::StrCat(absl::ToInt64Nanoseconds(*detail.retry_after)), "");
  status.SetPayload(kPayload, absl::Cord(text));
  return status;
}

ErrorDetail DetailOf(const absl::Status& status) {
  ErrorDetail detail;
  if (const auto payload = status.GetPayload(kPayload)) {
    const std::string text(*payload);
    for (absl::string_view line : absl::StrSplit(text, '\n')) ParseLine(line, detail);
  }
  return detail;
}

absl::Status WithReason(absl::Status status, absl::string_view reason) {
  ErrorDetail detail = DetailOf(status);
  detail.reason = std::string(reason);
  return WithDetail(std::move(status), detail);
}

absl::Status WithRetryAfter(absl::Status status, absl::Duration wait) {
  ErrorDetail detail = DetailOf(status);
  detail.retry_after = wait;
  return WithDetail(std::move(status), detail);
}

absl::Status FieldError(absl::string_view field, absl::string_view description) {
  ErrorDetail detail;
  detail.reason = "INVALID_FIELD";
  detail.fields.push_back({.field = std::string(field), .description = std::string(description)});
  return WithDetail(absl::InvalidArgumentError(absl::StrCat(field, ": ", description)), detail);
}

}  // namespace ev
