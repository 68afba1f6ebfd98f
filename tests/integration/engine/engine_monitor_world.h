#ifndef EV_TESTS_INTEGRATION_ENGINE_ENGINE_MONITOR_WORLD_H_
#define EV_TESTS_INTEGRATION_ENGINE_ENGINE_MONITOR_WORLD_H_

// The Engine and its Monitor over real gRPC, against Central's end of the link played by the test.

#include <grpcpp/channel.h>

#include "base/error_detail.h"
#include "evcharging/engine/v1/engine_service.grpc.pb.h"
#include "evcharging/events/v1/facts.pb.h"
#include "evcharging/monitor/v1/monitor_service.grpc.pb.h"
#include "events/inmemory/inmemory_publisher.h"
#include "events/murmur2.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "journal/inmemory/memory_fact_log.h"
#include "rpc/call.h"
#include "rpc/channel.h"
#include "rpc/client_streams.h"
#include "services/engine/adapters/engine_host.h"
#include "services/engine/adapters/engine_rpc.h"
#include "services/engine/adapters/fact_pump.h"
#include "services/engine/adapters/simulated_meter.h"
#include "services/monitor/adapters/monitor_host.h"
#include "tests/integration/engine/fake_central.h"
#include "tests/support/free_port.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ev {

namespace common = evcharging::common::v1;
namespace engine_pb = evcharging::engine::v1;
namespace monitor_pb = evcharging::monitor::v1;

inline constexpr absl::Duration kPatience = absl::Seconds(30);

// ev-engine without main(): its parts on free ports. The log and the broker outlive it.
class EngineUnderTest {
 public:
  EngineUnderTest(const std::string& meter_file, journal::FactLog& log, Publisher& publisher, int port,
                  engine::EngineOptions options) {
    meter_ = *engine::SimulatedMeter::Open(meter_file, {.power_w = 11'000, .full_after = absl::Hours(1)});
    pump_ = std::make_unique<engine::FactPump>(
        engine::PumpOptions{.data_topic = "charging_session_data", .complete_topic = "charging_session_complete"}, log,
        publisher, registry_);
    rpc_ = std::make_unique<engine::EngineRpc>(streams_, clock_, [] { return std::string(); });
    host_ = *engine::EngineHost::Start(
        options,
        {.on_status = [this](const engine::Status& s, bool changed) { rpc_->OnStatus(s, changed); },
         .on_request = [this](const PointRequest& request) { rpc_->OnRequest(request); },
         .on_note = nullptr,
         .on_kept = [this](const journal::LogWrite&) { pump_->Wake(); },
         .on_produce_again = [this] { pump_->ProduceAgain(); }},
        *meter_, log, clock_, std::make_unique<RandomIdSource>());
    rpc_->Serve(*host_);
    server_ = *rpc::Server::Start({.port = port}, {rpc_->service()}, registry_, readiness_, streams_);
  }
  ~EngineUnderTest() { server_->Drain(absl::Seconds(2)); }

  int port() const { return server_->port(); }
  std::string address() const { return server_->address(); }
  engine::EngineHost& host() { return *host_; }

 private:
  SystemClock clock_;
  metrics::Registry registry_{"ev-engine", "0"};
  metrics::Readiness readiness_{registry_, {}};
  rpc::LiveStreams streams_;
  std::unique_ptr<engine::SimulatedMeter> meter_;
  std::unique_ptr<engine::FactPump> pump_;
  std::unique_ptr<engine::EngineRpc> rpc_;
  std::unique_ptr<engine::EngineHost> host_;
  std::unique_ptr<rpc::Server> server_;
};

class MonitorUnderTest {
 public:
  MonitorUnderTest(const std::string& engine, const std::string& central) {
    host_ = std::make_unique<monitor::MonitorHost>(monitor::HostOptions{.core = {.cp = CpId("cp_001")},
                                                                        .engine_address = engine,
                                                                        .central_address = central,
                                                                        .location = "Harbour 4",
                                                                        .site = "harbour"},
                                                   clock_, 7, streams_, nullptr);
    server_ = *rpc::Server::Start({}, {host_->service()}, registry_, readiness_, streams_);
  }
  ~MonitorUnderTest() { server_->Drain(absl::Seconds(2)); }

  std::string address() const { return server_->address(); }
  monitor::MonitorHost& host() { return *host_; }

 private:
  SystemClock clock_;
  metrics::Registry registry_{"ev-monitor", "0"};
  metrics::Readiness readiness_{registry_, {}};
  rpc::LiveStreams streams_;
  std::unique_ptr<monitor::MonitorHost> host_;
  std::unique_ptr<rpc::Server> server_;
};

class EngineMonitorTest : public ::testing::Test {
 protected:
  EngineMonitorTest() {
    options.plug_in_delay = absl::Milliseconds(50);
    for (const TopicConfig& topic : Topics().All()) EXPECT_THAT(broker.CreateTopic(topic), IsOk());
    StartEngine(FreePort());  // One that it can come back to.
  }

  void StartEngine(int port) {
    engine = std::make_unique<EngineUnderTest>(dir.File("meter"), log, publisher, port, options);
    channel = rpc::MakeChannel({.target = engine->address(), .retried = {}});
    stub = engine_pb::EngineService::NewStub(channel);
  }
  void StartMonitor() { monitor = std::make_unique<MonitorUnderTest>(engine->address(), central.address()); }

  bool WaitForBeat(std::function<bool(const central_pb::Beat&)> matches) {
    return central.WaitFor(kPatience, [&](const central_pb::LinkUp& m) { return m.has_beat() && matches(m.beat()); });
  }
  bool WaitConfigured(std::int64_t epoch) {
    return WaitForBeat([&](const central_pb::Beat& b) { return b.report().configured_link_epoch() == epoch; });
  }
  central_pb::CommandAnswer WaitForAnswer() {
    central_pb::CommandAnswer answer;
    EXPECT_TRUE(central.WaitFor(kPatience, [&](const central_pb::LinkUp& m) {
      if (m.has_command_answer()) answer = m.command_answer();
      return m.has_command_answer();
    }));
    return answer;
  }
  // Linked, configured, idle.
  void Connect() {
    StartMonitor();
    ASSERT_TRUE(WaitConfigured(1));
  }
  // A running charge under grant 1.
  void StartCharge() {
    Connect();
    central.Send(central.Prepare(1));
    ASSERT_TRUE(WaitForBeat([](const central_pb::Beat& b) {
      return b.report().occupancy().phase() == common::OCCUPANCY_PHASE_CHARGING &&
             b.report().occupancy().energy_mwh() > 0;
    }));
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (engine_pb::EngineService::StubInterface::*method)(grpc::ClientContext*,
                                                                                                const Request&,
                                                                                                Response*),
                                const std::type_identity_t<Request>& request) {
    return rpc::Call(*stub, method, request, kPatience);
  }

  // All facts that the broker has of one topic.
  std::vector<evcharging::events::v1::Fact> Stored(const std::string& topic) {
    std::vector<evcharging::events::v1::Fact> facts;
    const auto slice = broker.Read({topic, PartitionFor("cp_001", 12)}, 0, 10'000);
    if (!slice.ok()) return facts;
    for (const StoredMessage& message : slice->messages) {
      EXPECT_EQ(message.key, "cp_001");
      EXPECT_TRUE(facts.emplace_back().ParseFromString(message.value));
    }
    return facts;
  }

  TempDir dir;
  journal::MemoryFactLog log{"0123456789abcdef0123456789abcdef", 10'000};
  InMemoryLog broker;
  InMemoryPublisher publisher{broker};
  FakeCentral central;
  engine::EngineOptions options;
  std::unique_ptr<EngineUnderTest> engine;
  std::unique_ptr<MonitorUnderTest> monitor;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<engine_pb::EngineService::Stub> stub;
};

}  // namespace ev

#endif  // EV_TESTS_INTEGRATION_ENGINE_ENGINE_MONITOR_WORLD_H_
