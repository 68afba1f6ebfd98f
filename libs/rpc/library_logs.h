#ifndef EV_RPC_LIBRARY_LOGS_H_
#define EV_RPC_LIBRARY_LOGS_H_

namespace ev::rpc {

// From now on what gRPC and Protobuf log becomes debug records of ours: to them a refused connection or a message that
// cannot be decoded is an error, and we report those ourselves. GRPC_VERBOSITY and GRPC_TRACE choose what gRPC logs.
// The first call counts; it must be made before other threads use Protobuf.
void SendLibraryLogsToOurs();

}  // namespace ev::rpc

#endif  // EV_RPC_LIBRARY_LOGS_H_
