#include "tests/integration/driver/driver_world.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "tests/support/status_matchers.h"

namespace ev::driver {

DriverWorld::DriverWorld(const AgentOptions& options) : agent_(options, client_, clock_, ids_, registry_, readiness_) {
  service_ = MakeDriverService({.default_driver = DriverId(kDriver)}, agent_, client_, streams_);
  auto server = rpc::Server::Start({}, {service_.get()}, registry_, readiness_, streams_);
  EV_EXPECT_OK(server);
  server_ = *std::move(server);
  stub_ = evcharging::driver::v1::DriverService::NewStub(
      grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials()));
}

DriverWorld::~DriverWorld() {
  server_->Drain(absl::Seconds(2));
  agent_.Shutdown();
}

void DriverWorld::Connect() {
  EV_ASSERT_OK(agent_.Watch(
      DriverId(kDriver), [](const DriverView&) {}, [](const Told&) {}));
  ASSERT_TRUE(PassUntil(absl::Seconds(10), [&] { return agent_.central().is_reachable; }));
}

}  // namespace ev::driver
