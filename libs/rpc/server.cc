#include "rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/impl/server_initializer.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "process/listen.h"
#include "rpc/callback_queue.h"
#include "rpc/health_service.h"
#include "rpc/library_logs.h"
#include "rpc/logging_service.h"
#include "rpc/observer.h"

namespace ev::rpc {
namespace {

int Millis(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

// Learns the names of all services, those of plugins too, after they are registered and before the first call.
class ServiceNames final : public grpc::ServerBuilderPlugin {
 public:
  explicit ServiceNames(CallObserver& observer) : observer_(observer) {}

  std::string name() override { return "ev_service_names"; }
  void InitServer(grpc::ServerInitializer*) override {}
  void Finish(grpc::ServerInitializer* initializer) override { observer_.AddServices(*initializer->GetServiceList()); }
  void ChangeArguments(const std::string&, void*) override {}

 private:
  CallObserver& observer_;
};

class Plugins final : public grpc::ServerBuilderOption {
 public:
  explicit Plugins(CallObserver& observer) : observer_(observer) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->push_back(std::make_unique<ServiceNames>(observer_));
  }

 private:
  CallObserver& observer_;
};

void Configure(grpc::ServerBuilder& builder, const ServerOptions& options) {
  builder.SetMaxReceiveMessageSize(options.max_message_bytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_streams_per_connection);
  // With it, a second process binds the same port without an error and takes half of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // The age has no grace: long streams (a Monitor's link) stay on the old connection until they end.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, Millis(options.max_connection_age));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(options.keepalive_time));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Clients ping every 10 s (channel.cc); the default would punish them with GOAWAY "too_many_pings".
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000);
}

}  // namespace

struct Server::Impl {
  Impl(const ServerOptions& o, metrics::Registry& registry, LiveStreams& s)
      : options(o), streams(s), observer(registry, o.default_deadline) {}

  const ServerOptions options;
  LiveStreams& streams;
  CallObserver observer;
  std::unique_ptr<grpc::Service> health;
  const std::unique_ptr<grpc::Service> logging = MakeLoggingService();
  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      const std::vector<grpc::Service*>& services,
                                                      metrics::Registry& registry, metrics::Readiness& readiness,
                                                      LiveStreams& streams) {
  if (!options.insecure && !process::IsLoopback(options.listen)) {
    return absl::InvalidArgumentError(
        absl::StrCat("refusing to serve on ", options.listen, " without TLS: other machines can reach it"));
  }
  SendLibraryLogsToOurs();
  KeepCallbackQueue();
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  auto impl = std::make_unique<Impl>(options, registry, streams);
  impl->health = MakeHealthService(readiness, streams);
  grpc::ServerBuilder builder;
  Configure(builder, options);
  builder.SetOption(std::make_unique<Plugins>(impl->observer));
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(impl->observer.MakeFactory());
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  for (grpc::Service* service : services) builder.RegisterService(service);
  builder.RegisterService(impl->health.get());
  builder.RegisterService(impl->logging.get());
  const std::string address = process::HostPort(options.listen, options.port);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &impl->port);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || impl->port == 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address,
                     " (gRPC): the port is taken (--grpc-port names another) or the address is not of this machine"));
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  Drain(absl::ZeroDuration());
}

int Server::port() const {
  return impl_->port;
}

std::string Server::address() const {
  return process::HostPort(impl_->options.listen, impl_->port);
}

void Server::Drain(absl::Duration limit) {
  if (impl_->server == nullptr) return;
  impl_->streams.CloseAll(absl::UnavailableError("the server is stopping"));
  impl_->server->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(limit));
  impl_->server->Wait();
  impl_->server.reset();
}

}  // namespace ev::rpc
