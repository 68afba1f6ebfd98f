#ifndef EV_SERVICES_CENTRAL_ADAPTERS_TICKET_SERVICE_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_TICKET_SERVICE_H_

#include <memory>

#include "store/store.h"

namespace grpc {
class Service;
}

namespace ev::central {

// central.v1.TicketService. The store must outlive the server that it is registered with.
std::unique_ptr<grpc::Service> MakeTicketService(store::Store& store);

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_TICKET_SERVICE_H_
