#include "base/trace.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace ev {
namespace {

// version "-" trace-id "-" parent-id "-" flags
constexpr std::size_t kTraceId = 3;
constexpr std::size_t kTraceIdSize = 32;
constexpr std::size_t kParentId = 36;
constexpr std::size_t kParentIdSize = 16;
constexpr std::size_t kFlags = 53;
constexpr std::size_t kSize = 55;

bool IsHex(absl::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == text.npos;
}

bool IsZero(absl::string_view text) {
  return text.find_first_not_of('0') == text.npos;
}

}  // namespace

Trace ParseTraceparent(absl::string_view text) {
  if (text.size() < kSize || text[2] != '-' || text[kParentId - 1] != '-' || text[kFlags - 1] != '-') return {};
  const absl::string_view version = text.substr(0, 2);
  const absl::string_view flags = text.substr(kFlags, 2);
  if (!IsHex(version) || version == "ff" || !IsHex(flags)) return {};
  // A later version may say more behind this.
  if (text.size() > kSize && (version == "00" || text[kSize] != '-')) return {};
  const absl::string_view parent = text.substr(kParentId, kParentIdSize);
  if (!IsHex(parent) || IsZero(parent)) return {};
  Trace trace = TraceOfId(text.substr(kTraceId, kTraceIdSize));
  // Of the flags only this one is defined; the others must not be passed on.
  trace.sampled = !trace.empty() && (absl::HexStringToBytes(flags)[0] & 1) != 0;
  return trace;
}

std::string Traceparent(const Trace& trace, absl::string_view id) {
  if (trace.empty()) return "";
  const absl::string_view parent = id.substr(id.size() - std::min(id.size(), kParentIdSize));
  return absl::StrCat("00-", TraceIdText(trace), "-", parent, trace.sampled ? "-01" : "-00");
}

std::string TraceIdText(const Trace& trace) {
  if (trace.empty()) return "";
  return absl::BytesToHexString({reinterpret_cast<const char*>(trace.id.data()), trace.id.size()});
}

Trace TraceOfId(absl::string_view text) {
  Trace trace;
  if (text.size() != kTraceIdSize || !IsHex(text)) return trace;
  const std::string bytes = absl::HexStringToBytes(text);
  std::copy(bytes.begin(), bytes.end(), trace.id.begin());
  return trace;
}

Trace NewTrace(IdSource& ids) {
  return TraceOfId(ids.NewRandomHex());
}

}  // namespace ev
