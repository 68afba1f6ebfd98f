#include "rpc/library_logs.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <string>

#include "log/log.h"

namespace ev::rpc {

void SendLibraryLogsToOurs() {
  [[maybe_unused]] static const bool is_done = [] {
    gpr_set_log_function([](gpr_log_func_args* args) {
      log::Debug("grpc", {{"text", args->message}, {"file", args->file}, {"line", args->line}});
    });
    google::protobuf::SetLogHandler(
        [](google::protobuf::LogLevel, const char* file, int line, const std::string& text) {
          log::Debug("protobuf", {{"text", text}, {"file", file}, {"line", line}});
        });
    return true;
  }();
}

}  // namespace ev::rpc
