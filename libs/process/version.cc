#include "process/version.h"

#include "ev_version.h"

namespace ev::process {

absl::string_view Version() {
  return EV_VERSION;
}

}  // namespace ev::process
