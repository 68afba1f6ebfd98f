#ifndef EV_CLI_EVCTL_CENTRAL_H_
#define EV_CLI_EVCTL_CENTRAL_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "evcharging/central/v1/charging_point_service.grpc.pb.h"
#include "evcharging/central/v1/server_service.grpc.pb.h"
#include "evcharging/central/v1/session_service.grpc.pb.h"
#include "evcharging/central/v1/ticket_service.grpc.pb.h"
#include "rpc/call.h"

namespace ev::evctl {

struct CentralOptions {
  std::string address = "localhost:50051";
  absl::Duration limit = absl::Seconds(10);  // Of each call.
};

// The calls of evctl to Central. Not connected until the first.
class Central {
 public:
  // InvalidArgument names --central.
  static absl::StatusOr<Central> Make(const CentralOptions& options);

  // What `method` of a stub answers. An error says what to do when Central did not answer, and begins with its reason
  // (POINT_BUSY, NOT_FOUND) when it did.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(const std::unique_ptr<Stub>& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) const {
    auto response = rpc::Call(*stub, method, request, options_.limit);
    if (!response.ok()) return Explain(response.status());
    return response;
  }

  absl::Status Explain(const absl::Status& status) const;

  const std::string& address() const { return options_.address; }
  absl::Duration limit() const { return options_.limit; }

  using Points = evcharging::central::v1::ChargingPointService::Stub;
  using Sessions = evcharging::central::v1::SessionService::Stub;
  using Tickets = evcharging::central::v1::TicketService::Stub;
  using Server = evcharging::central::v1::ServerService::Stub;
  std::unique_ptr<Points> points;
  std::unique_ptr<Sessions> sessions;
  std::unique_ptr<Tickets> tickets;
  std::unique_ptr<Server> server;

 private:
  explicit Central(const CentralOptions& options);

  CentralOptions options_;
};

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_CENTRAL_H_
