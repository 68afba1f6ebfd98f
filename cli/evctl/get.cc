#include "cli/evctl/get.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "base/nearest.h"
#include "base/text.h"
#include "evcharging/central/v1/charging_point_service.grpc.pb.h"
#include "evcharging/central/v1/session_service.grpc.pb.h"
#include "evcharging/central/v1/ticket_service.grpc.pb.h"
#include "google/protobuf/util/json_util.h"
#include "rpc/channel.h"
#include "rpc/status.h"

namespace ev::evctl {
namespace {

namespace central = evcharging::central::v1;

absl::Status Print(const google::protobuf::Message& message, std::ostream& out) {
  google::protobuf::util::JsonPrintOptions print;
  print.preserve_proto_field_names = true;
  print.always_print_primitive_fields = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, print).ok()) {
    return absl::InternalError("an answer could not be printed as JSON");
  }
  out << json << '\n';
  return absl::OkStatus();
}

// Calls `list` for page after page and prints the items that `items` finds in each answer.
template <typename Request, typename Response, typename List, typename Items>
absl::Status PrintAll(absl::Duration limit, List list, Items items, std::ostream& out) {
  Request request;
  request.set_page_size(1000);
  do {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(limit));
    Response response;
    const grpc::Status status = list(&context, request, &response);
    if (!status.ok()) return rpc::FromGrpc(status);
    for (const auto& item : items(response)) {
      if (auto printed = Print(item, out); !printed.ok()) return printed;
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

absl::Status GetFrom(const GetOptions& options, std::ostream& out) {
  const auto channel = grpc::CreateChannel(options.central, grpc::InsecureChannelCredentials());
  if (options.what == "points") {
    auto stub = central::ChargingPointService::NewStub(channel);
    return PrintAll<central::ListChargingPointsRequest, central::ListChargingPointsResponse>(
        options.limit, [&](auto... args) { return stub->ListChargingPoints(args...); },
        [](const auto& response) { return response.charging_points(); }, out);
  }
  if (options.what == "sessions") {
    auto stub = central::SessionService::NewStub(channel);
    return PrintAll<central::ListSessionsRequest, central::ListSessionsResponse>(
        options.limit, [&](auto... args) { return stub->ListSessions(args...); },
        [](const auto& response) { return response.sessions(); }, out);
  }
  if (options.what == "tickets") {
    auto stub = central::TicketService::NewStub(channel);
    return PrintAll<central::ListTicketsRequest, central::ListTicketsResponse>(
        options.limit, [&](auto... args) { return stub->ListTickets(args...); },
        [](const auto& response) { return response.tickets(); }, out);
  }
  return absl::InvalidArgumentError(absl::StrCat("get points, sessions or tickets, not \"", Printable(options.what),
                                                 "\"", DidYouMean(options.what, {"points", "sessions", "tickets"})));
}

}  // namespace

absl::Status Get(const GetOptions& options, std::ostream& out) {
  if (auto status = rpc::CheckTarget(options.central); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--central: ", status.message()));
  }
  const absl::Status status = GetFrom(options, out);
  if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
  return absl::Status(status.code(),
                      absl::StrCat("Central at ", options.central, " does not answer: ", status.message(),
                                   "; is ev-central running? --central or EV_CENTRAL names another address"));
}

}  // namespace ev::evctl
