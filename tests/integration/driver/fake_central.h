#ifndef EV_TESTS_INTEGRATION_DRIVER_FAKE_CENTRAL_H_
#define EV_TESTS_INTEGRATION_DRIVER_FAKE_CENTRAL_H_

#include <grpcpp/server.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "evcharging/central/v1/charging_point_service.grpc.pb.h"
#include "evcharging/central/v1/session_service.grpc.pb.h"
#include "evcharging/central/v1/ticket_service.grpc.pb.h"

namespace ev::driver {

// A Central that keeps sessions in memory and does what a test says. It survives StopServing() and Serve(), as a real
// one survives a restart. Thread-safe.
class FakeCentral {
 public:
  using Session = evcharging::central::v1::Session;
  using State = evcharging::common::v1::SessionState;

  FakeCentral();
  ~FakeCentral();

  // On the same port each time. `max_streams` on one connection.
  void Serve(int max_streams = 1000);
  void StopServing();
  std::string address() const;

  // Requests at this charging point are denied from now on.
  void Deny(const std::string& cp, const std::string& reason);
  // A session that is asked for begins in this state (default GRANTED).
  void BeginIn(State state);
  // The next `count` requests are carried out, but their answers get lost.
  void LoseAnswers(int count);
  // The next `count` requests are refused as by an overloaded Central, which says when to ask again.
  void Overload(int count, absl::Duration wait);
  // Each granted session runs to its end by itself.
  void CompleteAtOnce(evcharging::common::v1::EndReason reason);

  // Changes a session, or makes it, and tells it on the streams.
  void Move(const std::string& session_id, State state, std::int64_t energy_mwh = 0);
  void Complete(const std::string& session_id, evcharging::common::v1::EndReason reason);
  std::string Open(const std::string& driver, const std::string& cp, State state);

  std::vector<evcharging::central::v1::StartSessionRequest> starts() const;
  std::vector<evcharging::central::v1::StopSessionRequest> stops() const;
  std::vector<Session> sessions() const;
  // Streams that are open.
  int watchers() const;
  // Streams that were ever opened.
  int watches() const;

 private:
  class Sessions;
  class Points;
  class Tickets;

  Session& MakeLocked(const std::string& driver, const std::string& cp) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ChangedLocked(Session& session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CompleteLocked(Session& session, evcharging::common::v1::EndReason reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  CondVar changed_;
  std::map<std::string, Session> sessions_ ABSL_GUARDED_BY(mutex_);
  std::vector<Session> log_ ABSL_GUARDED_BY(mutex_);  // Every change, in order.
  std::map<std::string, std::string> requests_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> denials_ ABSL_GUARDED_BY(mutex_);
  std::vector<evcharging::central::v1::StartSessionRequest> starts_ ABSL_GUARDED_BY(mutex_);
  std::vector<evcharging::central::v1::StopSessionRequest> stops_ ABSL_GUARDED_BY(mutex_);
  State begin_in_ ABSL_GUARDED_BY(mutex_) = evcharging::common::v1::SESSION_STATE_GRANTED;
  evcharging::common::v1::EndReason complete_at_once_ ABSL_GUARDED_BY(mutex_) =
      evcharging::common::v1::END_REASON_UNSPECIFIED;
  int answers_to_lose_ ABSL_GUARDED_BY(mutex_) = 0;
  int requests_to_refuse_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration wait_ ABSL_GUARDED_BY(mutex_);
  int watchers_ ABSL_GUARDED_BY(mutex_) = 0;
  int watches_ ABSL_GUARDED_BY(mutex_) = 0;
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;
  const int port_;
  std::unique_ptr<Sessions> session_service_;
  std::unique_ptr<Points> point_service_;
  std::unique_ptr<Tickets> ticket_service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace ev::driver

#endif  // EV_TESTS_INTEGRATION_DRIVER_FAKE_CENTRAL_H_
