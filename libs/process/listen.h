#ifndef EV_PROCESS_LISTEN_H_
#define EV_PROCESS_LISTEN_H_

#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "log/log.h"

namespace ev::process {

// Whether `address` can only be reached from this machine: 127.0.0.0/8, ::1, localhost.
bool IsLoopback(absl::string_view address);

// `host:port`, with brackets around an IPv6 address.
std::string HostPort(absl::string_view host, int port);

// Calls `listen(port)`, which returns an absl::StatusOr. When it answers Unavailable (the port is taken) and `may_move`
// (the port was left at its default, and others need not know it), tries again with any free port, and says so: who
// asks at the default port reaches another program.
template <typename Listen>
std::invoke_result_t<Listen, int> ListenOrMove(int port, bool may_move, Listen listen) {
  auto result = listen(port);
  if (!may_move || port == 0 || !absl::IsUnavailable(result.status())) return result;
  log::Warn("default port is taken, any free one is used", {{"port", port}});
  return listen(0);
}

}  // namespace ev::process

#endif  // EV_PROCESS_LISTEN_H_
