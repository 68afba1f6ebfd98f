// What people and programs call at the Engine and at the Monitor, with its errors.

#include <atomic>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/engine/engine_monitor_world.h"

namespace ev {
namespace {

using EngineRpcTest = EngineMonitorTest;

// B140
TEST_F(EngineRpcTest, BadFieldsAreNamed) {
  const auto field = [](const absl::Status& status) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    const ErrorDetail detail = DetailOf(status);
    return detail.fields.empty() ? std::string() : detail.fields[0].field;
  };
  using Stub = engine_pb::EngineService::StubInterface;
  EXPECT_EQ(field(Call(&Stub::PrepareSession, {}).status()), "grant.session_id");
  EXPECT_EQ(field(Call(&Stub::CancelGrant, {}).status()), "grant_number");
  engine_pb::CancelGrantRequest cancel;
  cancel.set_grant_number(kMaxCounter + 1);
  EXPECT_EQ(field(Call(&Stub::CancelGrant, cancel).status()), "grant_number");
  cancel.set_grant_number(1);
  cancel.set_link_epoch(kMaxCounter + 1);
  EXPECT_EQ(field(Call(&Stub::CancelGrant, cancel).status()), "link_epoch");
  EXPECT_EQ(field(Call(&Stub::StopSession, {}).status()), "session_id");
  EXPECT_EQ(field(Call(&Stub::RequestSession, {}).status()), "driver_id");
  engine_pb::InjectFaultRequest fault;
  fault.set_fault(std::string(201, 'x'));
  EXPECT_EQ(field(Call(&Stub::InjectFault, fault).status()), "fault");
  fault.set_fault("cable \xc2\x9b");
  EXPECT_EQ(field(Call(&Stub::InjectFault, fault).status()), "fault");
  engine_pb::StopSessionRequest stop;
  stop.set_session_id(FakeCentral::SessionOf(1));
  EXPECT_EQ(field(Call(&Stub::StopSession, stop).status()), "reason");
}

TEST_F(EngineRpcTest, ACommandOfAnOlderLinkIsRefused) {
  Connect();
  central.CloseLink(absl::UnavailableError("again"));
  ASSERT_TRUE(WaitConfigured(2));
  engine_pb::CancelGrantRequest cancel;
  cancel.set_link_epoch(1);
  cancel.set_grant_number(5);
  const auto refused = Call(&engine_pb::EngineService::StubInterface::CancelGrant, cancel);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(DetailOf(refused.status()).reason, "LINK_OUTDATED");
  EXPECT_EQ(engine->host().GetStatus().report.mark, GrantNumber());
  cancel.set_link_epoch(2);
  const auto cancelled = Call(&engine_pb::EngineService::StubInterface::CancelGrant, cancel);
  ASSERT_THAT(cancelled, IsOk());
  EXPECT_EQ(cancelled->fate(), common::GRANT_FATE_NEVER_SEEN);
  EXPECT_EQ(cancelled->grant_mark(), 5);
  EXPECT_EQ(Call(&engine_pb::EngineService::StubInterface::CancelGrant, cancel)->fate(), common::GRANT_FATE_FORGOTTEN);
}

// B156
TEST_F(EngineRpcTest, WhatIsDoneByHandIsDoneOnceForEachRequestId) {
  using Stub = engine_pb::EngineService::StubInterface;
  engine_pb::PlugInRequest plug_in;
  plug_in.set_request_id("p1");
  engine_pb::UnplugRequest unplug;
  unplug.set_request_id("u1");
  ASSERT_THAT(Call(&Stub::PlugIn, plug_in), IsOk());
  ASSERT_THAT(Call(&Stub::Unplug, unplug), IsOk());
  plug_in.set_request_id("p2");
  ASSERT_THAT(Call(&Stub::PlugIn, plug_in), IsOk());
  const auto repeated = Call(&Stub::Unplug, unplug);
  ASSERT_THAT(repeated, IsOk());
  EXPECT_EQ(repeated->plug_state(), engine_pb::PLUG_STATE_PLUGGED_IN) << "the status as it is now";
  engine_pb::InjectFaultRequest fault;
  fault.set_request_id("u1");
  const auto reused = Call(&Stub::InjectFault, fault);
  EXPECT_THAT(reused, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(DetailOf(reused.status()).reason, "REQUEST_ID_REUSED");
  EXPECT_EQ(Call(&Stub::GetStatus, {})->report().health(), common::ENGINE_HEALTH_HEALTHY);
  fault.set_request_id("with blanks");
  EXPECT_THAT(Call(&Stub::InjectFault, fault), StatusIs(absl::StatusCode::kInvalidArgument));
}

// B78
TEST_F(EngineRpcTest, AStopThatMeetsAChargeWhichHasJustEndedSaysWhyItEnded) {
  StartCharge();
  engine_pb::StopSessionRequest stop;
  stop.set_link_epoch(1);
  stop.set_session_id(FakeCentral::SessionOf(1));
  stop.set_reason(common::END_REASON_DRIVER_STOP);
  const auto answer = [&] {
    const auto stopped = Call(&engine_pb::EngineService::StubInterface::StopSession, stop);
    EXPECT_THAT(stopped, IsOk());
    return stopped.value_or(common::StopSessionResult());
  };
  EXPECT_THAT(Call(&engine_pb::EngineService::StubInterface::Unplug, {}), IsOk());
  EXPECT_EQ(answer().fate(), common::STOP_FATE_NOT_RUNNING);
  EXPECT_EQ(answer().end_reason(), common::END_REASON_UNPLUGGED);
  stop.set_session_id(FakeCentral::SessionOf(2));
  EXPECT_EQ(answer().fate(), common::STOP_FATE_NOT_RUNNING);
  EXPECT_EQ(answer().end_reason(), common::END_REASON_UNSPECIFIED) << "no such session was here";
}

// A Monitor's stream by hand.
class AttachClient {
 public:
  AttachClient(engine_pb::EngineService::Stub& stub) {
    stream_ =
        Stream::Start(streams_, 16,
                      {.on_message = [this](const engine_pb::AttachDown&) { ++heard_; },
                       .on_closed =
                           [this](const absl::Status& status) {
                             MutexLock lock(mutex_);
                             closed_ = status;
                           }},
                      [&](grpc::ClientContext* context, auto* reactor) { stub.async()->Attach(context, reactor); });
  }
  ~AttachClient() {
    stream_->Cancel();
    streams_.WaitUntilEmpty(kPatience);
  }
  void Say(const std::string& cp, std::int64_t epoch) {
    engine_pb::AttachUp up;
    up.set_charging_point_id(cp);
    up.set_link_epoch(epoch);
    Say(up);
  }
  void Say(const engine_pb::AttachUp& up) { stream_->Write(up); }
  int heard() const { return heard_; }  // Messages.
  absl::Status WaitClosed() {
    EXPECT_TRUE(Eventually(kPatience, [&] {
      MutexLock lock(mutex_);
      return closed_.has_value();
    }));
    MutexLock lock(mutex_);
    return closed_.value_or(absl::OkStatus());
  }

 private:
  using Stream = rpc::ClientBidi<engine_pb::AttachUp, engine_pb::AttachDown>;
  rpc::LiveStreams streams_;
  std::atomic<int> heard_ = 0;
  std::shared_ptr<Stream> stream_;
  Mutex mutex_;
  std::optional<absl::Status> closed_ ABSL_GUARDED_BY(mutex_);
};

// B30
TEST_F(EngineRpcTest, AnotherChargingPointsMonitorIsRefusedAndToldNothing) {
  Connect();
  AttachClient stranger(*stub);
  // A change, which its own Monitor is told.
  ASSERT_THAT(Call(&engine_pb::EngineService::StubInterface::PlugIn, {}), IsOk());
  stranger.Say("cp_002", 9);
  const absl::Status closed = stranger.WaitClosed();
  EXPECT_EQ(stranger.heard(), 0);
  EXPECT_THAT(closed, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(DetailOf(closed).reason, "WRONG_POINT");
  EXPECT_EQ(engine->host().GetStatus().cp, CpId("cp_001"));
}

// B160
TEST_F(EngineRpcTest, AMessageWithTooMuchInItIsRefusedAndTheFieldNamed) {
  AttachClient client(*stub);
  engine_pb::AttachUp up;
  up.set_charging_point_id("cp_001");
  up.set_link_epoch(3);
  for (int i = 0; i <= 1000; ++i) up.add_settlements()->set_session_id("0123456789abcdef0123456789abcdef");
  client.Say(up);
  const absl::Status closed = client.WaitClosed();
  EXPECT_THAT(closed, StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_EQ(DetailOf(closed).fields.size(), 1u);
  EXPECT_EQ(DetailOf(closed).fields[0].field, "settlements");
}

TEST_F(EngineRpcTest, AnOlderMonitorsStreamEndsAsSuperseded) {
  AttachClient older(*stub);
  older.Say("cp_001", 3);
  ASSERT_TRUE(Eventually(kPatience, [&] { return engine->host().GetStatus().link_epoch == LinkEpoch(3); }));
  AttachClient newer(*stub);
  newer.Say("cp_001", 4);
  const absl::Status closed = older.WaitClosed();
  EXPECT_THAT(closed, StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(DetailOf(closed).reason, "SUPERSEDED");
}

TEST_F(EngineRpcTest, AWatcherGetsTheSnapshotAMarkerAndThenChanges) {
  Mutex mutex;
  std::vector<engine_pb::WatchStatusResponse> seen;
  rpc::LiveStreams streams;
  auto watch = rpc::ClientWatch<engine_pb::WatchStatusResponse>::Start(
      streams,
      {.on_message =
           [&](const engine_pb::WatchStatusResponse& event) {
             MutexLock lock(mutex);
             if (!event.has_heartbeat()) seen.push_back(event);
           },
       .on_closed = nullptr},
      [&, request = engine_pb::WatchStatusRequest()](grpc::ClientContext* context, auto* reactor) {
        stub->async()->WatchStatus(context, &request, reactor);
      });
  EXPECT_TRUE(Eventually(kPatience, [&] {
    MutexLock lock(mutex);
    return seen.size() >= 2;
  }));
  EXPECT_THAT(Call(&engine_pb::EngineService::StubInterface::PlugIn, {}), IsOk());
  EXPECT_TRUE(Eventually(kPatience, [&] {
    MutexLock lock(mutex);
    return seen.size() >= 3;
  }));
  watch->Cancel();
  EXPECT_TRUE(streams.WaitUntilEmpty(kPatience));
  MutexLock lock(mutex);
  EXPECT_TRUE(seen[0].has_status());
  EXPECT_TRUE(seen[1].has_snapshot_complete());
  ASSERT_TRUE(seen[2].has_changed());
  EXPECT_EQ(seen[2].changed().plug_state(), engine_pb::PLUG_STATE_PLUGGED_IN);
}

// B157
TEST_F(EngineRpcTest, TheMonitorTellsHowItsLinkAndItsEngineAre) {
  Connect();
  auto monitor_channel = rpc::MakeChannel({.target = monitor->address(), .retried = {}});
  auto monitor_stub = monitor_pb::MonitorService::NewStub(monitor_channel);
  const auto status = rpc::Call(*monitor_stub, &monitor_pb::MonitorService::StubInterface::GetStatus, {}, kPatience);
  ASSERT_THAT(status, IsOk());
  EXPECT_EQ(status->charging_point_id(), "cp_001");
  EXPECT_EQ(status->link().state(), monitor_pb::LINK_STATE_CONNECTED);
  EXPECT_EQ(status->link().link_epoch(), 1);
  EXPECT_EQ(status->engine_health(), common::ENGINE_HEALTH_HEALTHY);
  EXPECT_EQ(status->engine_status().charging_point_id(), "cp_001");
  EXPECT_EQ(status->forwarded().configurations(), 1);

  Mutex mutex;
  std::vector<monitor_pb::WatchStatusResponse> seen;
  rpc::LiveStreams streams;
  auto watch = rpc::ClientWatch<monitor_pb::WatchStatusResponse>::Start(
      streams,
      {.on_message =
           [&](const monitor_pb::WatchStatusResponse& event) {
             MutexLock lock(mutex);
             if (!event.has_heartbeat()) seen.push_back(event);
           },
       .on_closed = nullptr},
      [&, request = monitor_pb::WatchStatusRequest()](grpc::ClientContext* context, auto* reactor) {
        monitor_stub->async()->WatchStatus(context, &request, reactor);
      });
  EXPECT_TRUE(Eventually(kPatience, [&] {
    MutexLock lock(mutex);
    return seen.size() >= 2;
  }));
  engine_pb::InjectFaultRequest fault;
  EXPECT_THAT(Call(&engine_pb::EngineService::StubInterface::InjectFault, fault), IsOk());
  EXPECT_TRUE(Eventually(kPatience, [&] {
    MutexLock lock(mutex);
    return seen.size() >= 3 && seen.back().changed().engine_health() == common::ENGINE_HEALTH_FAULTED;
  }));
  watch->Cancel();
  EXPECT_TRUE(streams.WaitUntilEmpty(kPatience));
  MutexLock lock(mutex);
  EXPECT_TRUE(seen[0].has_status());
  EXPECT_TRUE(seen[1].has_snapshot_complete());
}

}  // namespace
}  // namespace ev
