#ifndef EV_CONFIG_SERVICE_OPTIONS_H_
#define EV_CONFIG_SERVICE_OPTIONS_H_

#include <string>

#include "absl/time/time.h"
#include "config/parser.h"

namespace ev::config {

// The options that every service has.
struct ServiceOptions {
  std::string listen = "127.0.0.1";
  bool insecure = false;
  int grpc_port = 0;
  int http_port = 0;
  std::string grpc_port_alias;  // A second variable for the gRPC port (ENGINE_LISTEN_PORT); empty: none.
  bool keeps_data = true;       // False: there is no --data-dir.
  std::string data_dir;         // Default: process::DefaultDataRoot().
  absl::Duration shutdown_timeout = absl::Seconds(8);
  std::string log_level = "info";
  std::string log_format = "text";

  // Set by Run(): whether the port was left at its default.
  bool grpc_port_is_default = true;
  bool http_port_is_default = true;
};

// Declares them. The ports in `options` are their defaults. An address that others can reach without --insecure is a
// misconfiguration. `options` and `parser` must outlive Parser::Run().
void AddServiceOptions(Parser& parser, ServiceOptions& options);

// After Run(): sets up the log as configured and logs the parser's warnings.
void StartLog(const Parser& parser, const ServiceOptions& options);

}  // namespace ev::config

#endif  // EV_CONFIG_SERVICE_OPTIONS_H_
