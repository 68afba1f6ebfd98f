#ifndef EV_SERVICES_DRIVER_ADAPTERS_CENTRAL_CLIENT_H_
#define EV_SERVICES_DRIVER_ADAPTERS_CENTRAL_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "evcharging/central/v1/charging_point.pb.h"
#include "evcharging/central/v1/session_service.pb.h"
#include "services/driver/core/charge.h"
#include "services/driver/core/effects.h"

namespace ev::driver {

struct CentralClientOptions {
  std::string target = "localhost:50051";
  // Of one attempt to start or stop. Longer than Central waits for the point's answer (3 s), and short enough that a
  // second attempt comes before the request is too old for Central (10 s).
  absl::Duration call_timeout = absl::Seconds(4);
  absl::Duration read_timeout = absl::Seconds(3);
};

// Talks to Central: one attempt for each call, and nothing is decided here.
//
// Answers and stream events come from gRPC threads and must not block; after Stop() none comes. Thread-safe.
class CentralClient {
 public:
  using OnCharge = std::function<void(absl::StatusOr<Charge>)>;
  // What a stream of one driver's sessions tells, one call at a time, `closed` last and once.
  struct WatchEvents {
    std::function<void(Charge)> charge;
    std::function<void()> snapshot;
    std::function<void()> heartbeat;
    std::function<void(const absl::Status&)> closed;
  };

  explicit CentralClient(const CentralClientOptions& options);
  ~CentralClient();

  void StartSession(const SendStart& start, OnCharge done);
  void StopSession(const SendStop& stop, OnCharge done);
  void GetSession(const SessionId& session, OnCharge done);
  void OpenWatch(const DriverId& driver, WatchId watch, WatchEvents events);
  // No effect when it is over.
  void CloseWatch(WatchId watch);

  // What OpenWatch() tells first, without the stream.
  struct OpenSessions {
    std::vector<Charge> charges;
    bool is_complete = false;  // There are not more than one answer holds.
  };
  using OnOpenSessions = std::function<void(absl::StatusOr<OpenSessions>)>;
  void ListOpenSessions(const DriverId& driver, OnOpenSessions done);

  // One page of sessions, passed on as it is.
  using OnSessions = std::function<void(absl::StatusOr<evcharging::central::v1::ListSessionsResponse>)>;
  void ListSessions(const evcharging::central::v1::ListSessionsRequest& request, absl::Duration timeout,
                    OnSessions done);

  // These wait. Not from a callback.
  absl::StatusOr<std::vector<evcharging::central::v1::ChargingPoint>> ListChargingPoints();
  absl::StatusOr<evcharging::central::v1::ChargingPoint> GetChargingPoint(const CpId& cp);
  // At their end, newest first, at most `count`.
  absl::StatusOr<std::vector<Charge>> ListHistory(const DriverId& driver, int count);
  // Newest first, at most `count`.
  absl::StatusOr<std::vector<Ticket>> ListTickets(const DriverId& driver, int count);

  // Cancels what is under way and waits until nothing calls back any more.
  void Stop();

  // Messages of Central that could not be understood and were dropped.
  std::int64_t undecodable() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_ADAPTERS_CENTRAL_CLIENT_H_
