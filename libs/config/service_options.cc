#include "config/service_options.h"

#include "absl/strings/str_cat.h"
#include "log/log.h"
#include "process/data_dir.h"
#include "process/listen.h"

namespace ev::config {

void AddServiceOptions(Parser& parser, ServiceOptions& options) {
  if (auto root = process::DefaultDataRoot(); root.ok() && options.data_dir.empty()) options.data_dir = *root;
  parser.Group("Service");
  parser.Add("listen", &options.listen, "address to listen on").Required();
  parser.Add("insecure", &options.insecure, "allow an address that other machines can reach, without TLS");
  Option& grpc_port = parser.Add("grpc-port", &options.grpc_port, "gRPC port, 0 for any free one").Range(0, 65535);
  if (!options.grpc_port_alias.empty()) grpc_port.EnvAlias(options.grpc_port_alias);
  parser.Add("http-port", &options.http_port, "port of /metrics, /livez and /readyz, 0 for any free one")
      .Range(0, 65535);
  if (options.keeps_data) parser.Add("data-dir", &options.data_dir, "where data is kept").Required();
  parser.Add("shutdown-timeout", &options.shutdown_timeout, "how long calls under way may take at the end")
      .Range(absl::ZeroDuration(), absl::Minutes(5));
  parser.Add("log-level", &options.log_level, "least level of log records").OneOf({"debug", "info", "warn", "error"});
  parser.Add("log-format", &options.log_format, "form of log records on stderr").OneOf({"text", "json"});
  parser.AtEnd([&parser, &options] {
    options.grpc_port_is_default = parser.source("grpc-port") == Source::kDefault;
    options.http_port_is_default = parser.source("http-port") == Source::kDefault;
    if (options.insecure || process::IsLoopback(options.listen)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("--listen: ", options.listen,
                                                   " is no loopback address, so that other machines may reach it, and "
                                                   "there is no TLS yet: say --insecure to allow it"));
  });
}

void StartLog(const Parser& parser, const ServiceOptions& options) {
  // The words were checked by OneOf() above.
  log::Init({.service = parser.program().name,
             .format = *log::ParseFormat(options.log_format),
             .level = *log::ParseLevel(options.log_level)});
  for (const std::string& warning : parser.warnings()) log::Warn("configuration", {{"warning", warning}});
}

}  // namespace ev::config
