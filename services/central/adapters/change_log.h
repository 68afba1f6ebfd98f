#ifndef EV_SERVICES_CENTRAL_ADAPTERS_CHANGE_LOG_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_CHANGE_LOG_H_

#include "services/central/adapters/shard_host.h"

namespace ev::central {

// Writes each change of state to the log, one line each; figures of a running charge are not written.
class ChangeLog final : public Observer {
 public:
  void OnSession(const SessionChanged& change) override;
  void OnPoint(const PointChanged& change) override;
  void OnDenied(const RequestDenied& denied) override;
  void OnDeadLetter(const DeadLettered& letter) override;
  void OnAlert(const AlertRaised& alert) override;
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_CHANGE_LOG_H_
