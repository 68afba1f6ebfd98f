#ifndef EV_RPC_STATUS_H_
#define EV_RPC_STATUS_H_

#include "absl/status/status.h"

namespace grpc {
class Status;
}

namespace ev::rpc {

// The one way from our statuses to the wire and back. The ErrorDetail (base/error_detail.h) that a status carries
// becomes google.rpc.ErrorInfo (domain `evcharging`), BadRequest and RetryInfo. An error without a reason gets its
// code's name (`NOT_FOUND`), so that every error has one. Text longer than a trailer can carry is cut;
// what is no UTF-8 in it, or a control character, becomes `?`: a client could not read the details otherwise.
grpc::Status ToGrpc(const absl::Status& status);

// Details of other kinds, and those that cannot be decoded, are left out.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace ev::rpc

#endif  // EV_RPC_STATUS_H_
