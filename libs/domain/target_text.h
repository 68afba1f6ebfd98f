#ifndef EV_DOMAIN_TARGET_TEXT_H_
#define EV_DOMAIN_TARGET_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "domain/session.h"

namespace ev {

// A target as a person types it. Decimals are taken exactly, never through floating point.
struct TypedTarget {
  Target target;
  std::string currency;  // Of an amount: `5.50EUR`; else empty. The charging point's price must have the same.
};

// `10kWh`, `500Wh`, `2.5kWh`; `5EUR`, `5.50EUR`; `30min`, `90s`, `1h30m`. Letters in any case. InvalidArgument shows
// what is allowed, or names the limit.
absl::StatusOr<TypedTarget> ParseTarget(absl::string_view text);

}  // namespace ev

#endif  // EV_DOMAIN_TARGET_TEXT_H_
