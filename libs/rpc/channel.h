#ifndef EV_RPC_CHANNEL_H_
#define EV_RPC_CHANNEL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace grpc {
class Channel;
}

namespace ev::rpc {

struct ChannelOptions {
  std::string target;  // host:port, or a gRPC name such as dns:///central:50051.
  // Idempotent: a call that was refused as UNAVAILABLE is tried up to 4 times within its deadline, with backoff and
  // jitter. "package.Service" for all methods of one, or "package.Service/Method".
  std::vector<std::string> retried;
  absl::Duration max_reconnect_backoff = absl::Seconds(5);
  int max_message_bytes = 4 << 20;  // Received.
  // Else channels of one target share theirs, and the streams that a server takes on it.
  bool own_connection = false;
};

// Whether MakeChannel() can dial `target`: host:port or dns:///host:port, or a name of gRPC's other schemes, of which
// only the scheme is checked. InvalidArgument says what would be right.
absl::Status CheckTarget(absl::string_view target);

// A channel that spreads calls over all addresses of its target, notices a dead peer within 15 s (keepalive), and
// reconnects with backoff and jitter from 100 ms on. Connects when it is first used. Every call on it wants a deadline:
// rpc::Call and CallAsync (call.h) set one.
std::shared_ptr<grpc::Channel> MakeChannel(const ChannelOptions& options);

}  // namespace ev::rpc

#endif  // EV_RPC_CHANNEL_H_
