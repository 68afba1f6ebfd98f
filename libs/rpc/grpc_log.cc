#include "rpc/grpc_log.h"

#include <grpc/support/log.h>

#include "log/log.h"

namespace ev::rpc {

void SendGrpcLogToOurs() {
  gpr_set_log_function([](gpr_log_func_args* args) {
    log::Debug("grpc", {{"text", args->message}, {"file", args->file}, {"line", args->line}});
  });
}

}  // namespace ev::rpc
