#ifndef EV_SERVICES_CENTRAL_ADAPTERS_SERVER_SERVICE_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_SERVER_SERVICE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "rpc/live_streams.h"
#include "services/central/adapters/backup_sender.h"
#include "services/central/adapters/shard_host.h"

namespace grpc {
class Service;
}

namespace ev::central {

// The numbers are the wire's.
enum class PartHealth { kOk = 1, kDegraded = 2, kFailed = 3, kOff = 4 };

struct PartStatus {
  PartHealth health = PartHealth::kOk;
  std::string reason;  // Empty when OK.
};

// How Central's surroundings are now.
struct Surroundings {
  PartStatus overall;  // Of Central as a whole, as its readiness says; not better than a part of it.
  PartStatus broker;
  PartStatus store;
  std::string cluster_id;             // That the offsets belong to; empty: none yet.
  std::string unaccepted_cluster_id;  // Waits for AcceptCluster; empty: none.
  // By shard: now minus the time of its last applied fact; zero when caught up. Empty: nothing is read.
  std::vector<absl::Duration> lags;
};

// Implemented by whoever holds the parts. Thread-safe; must not block.
class ServerStatus {
 public:
  virtual ~ServerStatus() = default;
  virtual Surroundings Now() = 0;
};

struct ServerInfoOptions {
  std::string version;
  std::string owner;  // As in HostOptions.
  absl::Time started;
  // Consents to a cluster: FailedPrecondition when none with that id waits. Empty: Kafka is off. Thread-safe.
  std::function<absl::Status(absl::string_view cluster_id)> accept_cluster;
  CopyStore copy_store;  // Empty: this store cannot be copied.
  BackupLimits backup;
};

// central.v1.ServerService. All must outlive the server that it is registered with.
std::unique_ptr<grpc::Service> MakeServerService(ServerInfoOptions options, ShardHost& host, ServerStatus& status,
                                                 const Clock& clock, rpc::LiveStreams& streams);

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_SERVER_SERVICE_H_
