#ifndef EV_RPC_LOGGING_SERVICE_H_
#define EV_RPC_LOGGING_SERVICE_H_

#include <memory>

namespace grpc {
class Service;
}

namespace ev::rpc {

// evcharging.common.v1.LoggingService: the log level of this process.
std::unique_ptr<grpc::Service> MakeLoggingService();

}  // namespace ev::rpc

#endif  // EV_RPC_LOGGING_SERVICE_H_
