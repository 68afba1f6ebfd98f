#ifndef EV_SERVICES_CENTRAL_CONSOLE_HOST_OPERATOR_H_
#define EV_SERVICES_CENTRAL_CONSOLE_HOST_OPERATOR_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/central/adapters/shard_host.h"
#include "services/central/console/commands.h"

namespace ev::central {

// The operator at Central's own prompt: asks the shards what the rpcs ask them, by the same inputs, and the store.
//
// Thread-safe. Must not be used after the host has gone.
class HostOperator final : public OperatorPort {
 public:
  // `limit` is how long an answer is waited for: longer than a charging point may take.
  HostOperator(ShardHost& host, absl::Duration limit);
  ~HostOperator() override;

  // What waits, and whatever is asked from now on, ends with Unavailable.
  void Cancel();

  // `take` gets the charging points of each shard, in the committer's thread, in order with what observers are told.
  // It may come as late as the end of the host.
  static void ReadPoints(ShardHost& host, const std::function<void(const std::vector<PointView>&)>& take);

  absl::StatusOr<std::vector<PointView>> ListPoints() override;
  absl::StatusOr<PointView> GetPoint(const CpId& cp) override;
  absl::StatusOr<std::vector<Session>> OpenSessions(int limit) override;
  absl::StatusOr<std::vector<Ticket>> Tickets(const DriverId& driver, int limit) override;
  absl::StatusOr<std::vector<PointView>> Stop(const CpId& cp, const std::string& reason) override;
  absl::StatusOr<std::vector<PointView>> Resume(const CpId& cp) override;
  absl::StatusOr<PointView> SetPrice(const CpId& cp, const Price& price) override;
  absl::StatusOr<Session> Charge(const DriverId& driver, const CpId& cp) override;
  absl::StatusOr<Session> End(const SessionId& session) override;

 private:
  struct Waiting;
  template <typename T>
  class Waiter;
  using CauseMethod = void (Shard::*)(const Moment&, const CauseCall&, Effects&);

  absl::StatusOr<std::vector<PointView>> ChangeCause(CauseMethod method, CauseCall call);

  ShardHost& host_;
  const absl::Duration limit_;
  const std::shared_ptr<Waiting> waiting_;
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_CONSOLE_HOST_OPERATOR_H_
