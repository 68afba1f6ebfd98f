#ifndef EV_SERVICES_CENTRAL_ADAPTERS_WATCH_HUB_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_WATCH_HUB_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "domain/ids.h"
#include "rpc/live_streams.h"
#include "services/central/adapters/shard_host.h"

namespace grpc {
template <class Message>
class ServerWriteReactor;
}
namespace evcharging::central::v1 {
class WatchChargingPointsResponse;
class WatchSessionsResponse;
}  // namespace evcharging::central::v1

namespace ev::central {

// Empty fields do not filter; those that are set must all match.
struct PointFilter {
  CpId cp;
  std::string site;
};
struct SessionFilter {
  DriverId driver;
  CpId cp;
  SessionId session;
};

struct WatchOptions {
  absl::Duration heartbeat = absl::Seconds(10);
  // Changed items that may wait for one reader, beside the snapshot.
  std::size_t bound = 10'000;
};

// Streams what changes to whoever watches: snapshot, marker, changes, heartbeats.
//
// A reader that falls behind gets the newest of each item only; one for which more than `bound` different items wait is
// ended with RESOURCE_EXHAUSTED (SLOW_CONSUMER). A change is dropped when the snapshot, or what was sent before,
// already showed it: revisions decide.
//
// Thread-safe. Register it with ShardHost::AddObserver() before the host starts. Must outlive its streams: drain the
// server, or wait until `streams` is empty, before it goes.
class WatchHub final : public Observer {
 public:
  WatchHub(const WatchOptions& options, ShardHost& host, const Clock& clock, rpc::LiveStreams& streams);
  ~WatchHub() override;

  // For gRPC, which owns what is returned. An error in place of a filter ends the stream with it.
  grpc::ServerWriteReactor<evcharging::central::v1::WatchChargingPointsResponse>* WatchPoints(
      absl::StatusOr<PointFilter> filter);
  grpc::ServerWriteReactor<evcharging::central::v1::WatchSessionsResponse>* WatchSessions(
      absl::StatusOr<SessionFilter> filter);

  void OnSession(const SessionChanged& change) override;
  void OnPoint(const PointChanged& change) override;
  void OnDeadLetter(const DeadLettered&) override {}

 private:
  struct Impl;

  void HeartbeatLoop(const std::stop_token& stop);

  const WatchOptions options_;
  ShardHost& host_;
  const Clock& clock_;
  const std::unique_ptr<Impl> impl_;
  std::jthread heartbeat_;  // Last: stops before anything it uses is destroyed.
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_WATCH_HUB_H_
