#ifndef EV_BASE_ADDRESS_H_
#define EV_BASE_ADDRESS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ev {

// Whether `text` is host:port, with a port from 1 to 65535; an IPv6 address stands in brackets. Looks nothing up.
// InvalidArgument says what is wrong.
absl::Status CheckAddress(absl::string_view text);

}  // namespace ev

#endif  // EV_BASE_ADDRESS_H_
