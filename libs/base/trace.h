#ifndef EV_BASE_TRACE_H_
#define EV_BASE_TRACE_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/id_source.h"

namespace ev {

// The trace that something belongs to (W3C Trace Context, level 1): its trace-id, and the one flag that there is. All
// zeros: none.
struct Trace {
  std::array<std::uint8_t, 16> id{};
  bool sampled = false;  // Whoever began it may have recorded it.

  bool empty() const { return id == decltype(id){}; }

  friend bool operator==(const Trace&, const Trace&) = default;
};

// The name of the header, in calls and on Kafka.
inline constexpr char kTraceparent[] = "traceparent";

// What a `traceparent` of any version names; none when the specification says that it must be ignored.
Trace ParseTraceparent(absl::string_view text);

// A `traceparent` of version 00, 55 characters; empty without a trace. Its parent-id is the end of `id`, which names
// what is done here and now: 32 lower-case hexadecimal digits, the last 16 of them not all zeros.
std::string Traceparent(const Trace& trace, absl::string_view id);

// 32 lower-case hexadecimal digits; empty without a trace.
std::string TraceIdText(const Trace& trace);
// The trace of such text, not sampled; none for any other text.
Trace TraceOfId(absl::string_view text);

// A new one, not sampled: nothing here records traces.
Trace NewTrace(IdSource& ids);

}  // namespace ev

#endif  // EV_BASE_TRACE_H_
