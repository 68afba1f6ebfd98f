#include "rpc/call.h"

#include <grpcpp/client_context.h>

#include "base/id_source.h"

namespace ev::rpc {

void SetTrace(grpc::ClientContext& context, const Trace& trace) {
  if (trace.empty()) return;
  thread_local RandomIdSource ids;
  context.AddMetadata(kTraceparent, Traceparent(trace, ids.NewRandomHex()));
}

}  // namespace ev::rpc
