#ifndef EV_RPC_GRPC_LOG_H_
#define EV_RPC_GRPC_LOG_H_

namespace ev::rpc {

// From now on what the gRPC library logs becomes debug records of ours: it calls a refused connection an error, and we
// report those ourselves. GRPC_VERBOSITY and GRPC_TRACE choose what it logs.
void SendGrpcLogToOurs();

}  // namespace ev::rpc

#endif  // EV_RPC_GRPC_LOG_H_
