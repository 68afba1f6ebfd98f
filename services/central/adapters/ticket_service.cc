#include "services/central/adapters/ticket_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "evcharging/central/v1/ticket_service.grpc.pb.h"
#include "rpc/server_call.h"
#include "services/central/adapters/request_fields.h"
#include "wire/common_codec.h"

namespace ev::central {
namespace {

namespace pb = evcharging::central::v1;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

// A session id, with `-a` behind it for an adjustment.
constexpr std::size_t kMaxTicketIdBytes = 64;

absl::StatusOr<store::TicketFilter> Read(const pb::ListTicketsRequest& request) {
  auto driver = ReadDriverFilter("driver_id", request.driver_id());
  if (!driver.ok()) return driver.status();
  auto cp = ReadCpFilter("charging_point_id", request.charging_point_id());
  if (!cp.ok()) return cp.status();
  auto session = ReadSessionFilter("session_id", request.session_id());
  if (!session.ok()) return session.status();
  auto page_size = ReadPageSize(request.page_size());
  if (!page_size.ok()) return page_size.status();
  store::TicketFilter filter{.driver = *std::move(driver),
                             .cp = *std::move(cp),
                             .session = *std::move(session),
                             .page_size = *page_size,
                             .page_token = request.page_token()};
  if (request.has_from_time()) {
    auto from = ReadTime("from_time", request.from_time());
    if (!from.ok()) return from.status();
    filter.from = *from;
  }
  if (request.has_until_time()) {
    auto until = ReadTime("until_time", request.until_time());
    if (!until.ok()) return until.status();
    filter.to = *until;
  }
  return filter;
}

class TicketServiceImpl final : public pb::TicketService::CallbackService {
 public:
  explicit TicketServiceImpl(store::Store& store) : store_(store) {}

  ServerUnaryReactor* GetTicket(CallbackServerContext*, const pb::GetTicketRequest* request,
                                evcharging::common::v1::Ticket* response) override {
    const auto call = rpc::UnaryCall<evcharging::common::v1::Ticket>::Make(response);
    call->Finish(Get(*request));
    return call.get();
  }

  ServerUnaryReactor* ListTickets(CallbackServerContext*, const pb::ListTicketsRequest* request,
                                  pb::ListTicketsResponse* response) override {
    const auto call = rpc::UnaryCall<pb::ListTicketsResponse>::Make(response);
    call->Finish(List(*request));
    return call.get();
  }

 private:
  absl::StatusOr<evcharging::common::v1::Ticket> Get(const pb::GetTicketRequest& request) {
    if (request.ticket_id().empty()) return FieldError("ticket_id", "is empty");
    if (auto status = CheckText("ticket_id", request.ticket_id(), kMaxTicketIdBytes); !status.ok()) return status;
    auto ticket = store_.FindTicket(request.ticket_id());
    if (absl::IsNotFound(ticket.status())) {
      return WithReason(absl::NotFoundError(absl::StrCat("no ticket ", request.ticket_id())), "TICKET_UNKNOWN");
    }
    if (!ticket.ok()) return ticket.status();
    return wire::ToProto(*ticket);
  }

  absl::StatusOr<pb::ListTicketsResponse> List(const pb::ListTicketsRequest& request) {
    auto filter = Read(request);
    if (!filter.ok()) return filter.status();
    auto page = store_.ListTickets(*filter);
    if (absl::IsInvalidArgument(page.status())) return FieldError("page_token", page.status().message());
    if (!page.ok()) return page.status();
    pb::ListTicketsResponse response;
    response.set_next_page_token(page->next_page_token);
    for (const Ticket& ticket : page->items) *response.add_tickets() = wire::ToProto(ticket);
    return response;
  }

  store::Store& store_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeTicketService(store::Store& store) {
  return std::make_unique<TicketServiceImpl>(store);
}

}  // namespace ev::central
