// SessionService, TicketService and ServerService, every method with its errors.

#include <gmock/gmock.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "evcharging/central/v1/session_service.grpc.pb.h"
#include "tests/integration/central/central_world.h"

namespace ev::central {
namespace {

using ::testing::ElementsAre;

constexpr char kNobody[] = "00000000000000000000000000000000";

class SessionsTest : public CentralTest {
 protected:
  // A charge that is over.
  common::Grant Charged(FakeMonitor& monitor, const std::string& driver = "driver_001") {
    const common::Grant grant = Granted(world_, monitor, "cp_001", driver);
    world_.Deliver(world_.MakeFact(FactKind::kStart, grant, 0, 0));
    world_.Deliver(world_.MakeFact(FactKind::kFinal, grant, 1, 1'000'000));
    monitor.report().clear_occupancy();
    monitor.Beat();
    EXPECT_TRUE(Eventually(
        kPatience, [&] { return world_.GetSession(grant.session_id())->state() == common::SESSION_STATE_COMPLETED; }));
    EXPECT_TRUE(world_.Becomes("cp_001", common::CHARGING_POINT_STATE_AVAILABLE));
    return grant;
  }
  absl::StatusOr<pb::Session> WriteOff(const std::string& session, const std::string& request_id = "") {
    pb::WriteOffSessionRequest request;
    request.set_session_id(session);
    request.set_reason("point scrapped");
    request.set_requested_by("ana");
    request.set_request_id(request_id);
    return world_.Call(request);
  }

  // The charging point consents, and the request that its caller gave up is the session.
  void ExpectGrantedStill(FakeMonitor& monitor, const pb::Command& command) {
    const common::Grant& grant = command.prepare_session().grant();
    pb::LinkUp up;
    up.mutable_command_answer()->set_command_id(command.command_id());
    up.mutable_command_answer()->mutable_prepared()->set_grant_mark(grant.grant_number());
    monitor.Say(up);
    const auto repeat = world_.StartCharge(world_.StartRequest("driver_001", "cp_001", "r1"));
    ASSERT_THAT(repeat, IsOk());
    EXPECT_EQ(repeat->session_id(), grant.session_id());
    EXPECT_EQ(repeat->state(), common::SESSION_STATE_GRANTED);
  }

  CentralWorld world_;
};

TEST_F(SessionsTest, ADenialSaysWhy) {
  EXPECT_THAT(world_.StartCharge(world_.StartRequest("driver_001", "cp_404")),
              Fails(absl::StatusCode::kNotFound, "POINT_UNKNOWN"));
  ASSERT_THAT(world_.Create("cp_009"), IsOk());
  const auto denied = world_.StartCharge(world_.StartRequest("driver_001", "cp_009"));
  EXPECT_THAT(denied, Fails(absl::StatusCode::kFailedPrecondition, "POINT_DISCONNECTED"));
  EXPECT_EQ(DetailOf(denied.status()).metadata.at("charging_point_id"), "cp_009");

  const auto monitor = Connected(world_);
  monitor->report().set_journal_full(true);
  monitor->Beat();
  EXPECT_TRUE(Eventually(kPatience, [&] { return world_.Get("cp_001")->connection().journal_full(); }));
  EXPECT_THAT(world_.StartCharge(world_.StartRequest("driver_001", "cp_001")),
              Fails(absl::StatusCode::kResourceExhausted, "JOURNAL_FULL"));
  monitor->report().set_journal_full(false);
  monitor->report().set_health(common::ENGINE_HEALTH_FAULTED);
  monitor->report().set_fault("relay stuck");
  monitor->Beat(common::ENGINE_HEALTH_FAULTED);
  ASSERT_TRUE(world_.Becomes("cp_001", common::CHARGING_POINT_STATE_FAULTED));
  EXPECT_EQ(world_.Get("cp_001")->connection().fault(), "relay stuck");
  EXPECT_THAT(world_.StartCharge(world_.StartRequest("driver_001", "cp_001")),
              Fails(absl::StatusCode::kFailedPrecondition, "POINT_FAULTED"));

  auto old = world_.StartRequest("driver_001", "cp_001");
  old.mutable_waited()->set_seconds(11);
  EXPECT_THAT(world_.StartCharge(old), Fails(absl::StatusCode::kFailedPrecondition, "REQUEST_EXPIRED"));
}

TEST_F(SessionsTest, BadFieldsOfAStartAreNamed) {
  const auto start = [&](auto change) {
    auto request = world_.StartRequest("driver_001", "cp_001");
    change(request);
    return world_.StartCharge(request);
  };
  using Request = pb::StartSessionRequest;
  EXPECT_THAT(start([](Request& r) { r.set_driver_id(""); }), FailsAtField("driver_id"));
  EXPECT_THAT(start([](Request& r) { r.set_driver_id("dr\u0085iver"); }), FailsAtField("driver_id"));
  EXPECT_THAT(start([](Request& r) { r.set_charging_point_id(std::string(65, 'c')); }),
              FailsAtField("charging_point_id"));
  EXPECT_THAT(start([](Request& r) { r.set_request_id("a\nb"); }), FailsAtField("request_id"));
  EXPECT_THAT(start([](Request& r) { r.set_request_id("a b"); }), FailsAtField("request_id"));
  EXPECT_THAT(start([](Request& r) { r.mutable_target()->set_energy_mwh(0); }), FailsAtField("target.energy_mwh"));
  EXPECT_THAT(start([](Request& r) { r.mutable_target()->set_amount_micros(-5); }),
              FailsAtField("target.amount_micros"));
  EXPECT_THAT(start([](Request& r) { r.mutable_target()->mutable_duration()->set_seconds(-1); }),
              FailsAtField("target.duration"));
  EXPECT_THAT(start([](Request& r) { r.mutable_target()->mutable_duration()->set_seconds(8 * 24 * 3600); }),
              FailsAtField("target.duration"));
  EXPECT_THAT(start([](Request& r) { r.mutable_waited()->set_nanos(-1); }), FailsAtField("waited"));
}

TEST_F(SessionsTest, ARepeatedRequestIsTheSameSessionAlsoAfterARestart) {
  auto monitor = Connected(world_);
  auto first = world_.StartAsync(world_.StartRequest("driver_001", "cp_001", "r1"));
  const auto command = monitor->TakeCommand();  // The first is pending: the repeat waits with it.
  ASSERT_TRUE(command.has_value());
  auto repeat = world_.StartAsync(world_.StartRequest("driver_001", "cp_001", "r1"));
  pb::LinkUp up;
  up.mutable_command_answer()->set_command_id(command->command_id());
  up.mutable_command_answer()->mutable_prepared()->set_grant_mark(1);
  monitor->Say(up);
  const auto session = first.get();
  ASSERT_THAT(session, IsOk());
  EXPECT_EQ(repeat.get()->session_id(), session->session_id());

  auto other = world_.StartRequest("driver_001", "cp_001", "r1");
  other.mutable_target()->set_energy_mwh(1'000);
  EXPECT_THAT(world_.StartCharge(other), Fails(absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED"));
  EXPECT_THAT(world_.StartCharge(world_.StartRequest("driver_002", "cp_001", "r1")),
              Fails(absl::StatusCode::kFailedPrecondition, "POINT_BUSY"))
      << "another driver's request ids are their own";
  monitor.reset();
  world_.Restart();
  EXPECT_EQ(world_.StartCharge(world_.StartRequest("driver_001", "cp_001", "r1"))->session_id(), session->session_id());
  EXPECT_THAT(world_.StartCharge(world_.StartRequest("driver_002", "cp_001", "r1")),
              Fails(absl::StatusCode::kFailedPrecondition, "POINT_BUSY"))
      << "the same denial, though the point is disconnected now";
}

// B81
TEST_F(SessionsTest, ACallThatIsCancelledCancelsNothing) {
  const auto monitor = Connected(world_);
  const auto stub = pb::SessionService::NewStub(world_.channel());
  grpc::ClientContext context;
  auto asked = std::async(std::launch::async, [&] {
    pb::Session session;
    return stub->StartSession(&context, world_.StartRequest("driver_001", "cp_001", "r1"), &session).error_code();
  });
  const auto command = monitor->TakeCommand();  // The charging point has been asked, and has not answered.
  ASSERT_TRUE(command.has_value());
  context.TryCancel();
  EXPECT_EQ(asked.get(), grpc::StatusCode::CANCELLED);
  ExpectGrantedStill(*monitor, *command);
}

// B81
TEST_F(SessionsTest, ACallWhoseDeadlinePassesCancelsNothing) {
  const auto monitor = Connected(world_);
  std::optional<pb::Command> command;
  // A deadline that passes before the request has arrived asks nobody: once more, with a longer one.
  for (auto deadline = absl::Milliseconds(300); !command.has_value() && deadline < kPatience; deadline *= 3) {
    auto asked = world_.StartAsync(world_.StartRequest("driver_001", "cp_001", "r1"), deadline);
    EXPECT_THAT(asked.get(), StatusIs(absl::StatusCode::kDeadlineExceeded));
    command = monitor->TakeCommand(absl::ZeroDuration());
  }
  ASSERT_TRUE(command.has_value());
  ExpectGrantedStill(*monitor, *command);
}

TEST_F(SessionsTest, UnknownAndMalformedSessionsAreRefused) {
  EXPECT_THAT(world_.GetSession(kNobody), Fails(absl::StatusCode::kNotFound, "SESSION_UNKNOWN"));
  EXPECT_THAT(world_.GetSession("0F"), FailsAtField("session_id"));
  EXPECT_THAT(world_.StopAsync(kNobody).get(), Fails(absl::StatusCode::kNotFound, "SESSION_UNKNOWN"));
  EXPECT_THAT(world_.StopAsync("x").get(), FailsAtField("session_id"));
  EXPECT_THAT(world_.StopAsync(kNobody, "dr iver").get(), FailsAtField("driver_id"));
  EXPECT_THAT(WriteOff(kNobody), Fails(absl::StatusCode::kNotFound, "SESSION_UNKNOWN"));
  EXPECT_THAT(WriteOff(""), FailsAtField("session_id"));
  pb::WriteOffSessionRequest request;
  request.set_session_id(kNobody);
  request.set_reason(std::string(201, 'x'));
  EXPECT_THAT(world_.Call(request), FailsAtField("reason"));
}

// B154 B163
TEST_F(SessionsTest, TheListIsFilteredAndPagedNewestFirst) {
  const auto monitor = Connected(world_);
  const common::Grant first = Charged(*monitor, "driver_001");
  const common::Grant second = Charged(*monitor, "driver_002");
  const common::Grant third = Granted(world_, *monitor, "cp_001", "driver_001");
  const auto list = [&](auto change) {
    pb::ListSessionsRequest request;
    change(request);
    return world_.Call(request);
  };
  const auto ids = [](const absl::StatusOr<pb::ListSessionsResponse>& response) {
    std::vector<std::string> found;
    for (const auto& session : response->sessions()) found.push_back(session.session_id());
    return found;
  };
  using Request = pb::ListSessionsRequest;
  EXPECT_THAT(ids(list([](Request&) {})), ElementsAre(third.session_id(), second.session_id(), first.session_id()));
  EXPECT_THAT(ids(list([](Request& r) { r.set_driver_id("driver_002"); })), ElementsAre(second.session_id()));
  const auto completed = list([](Request& r) {
    r.set_driver_id("driver_001");
    r.set_charging_point_id("cp_001");
    r.add_states(common::SESSION_STATE_COMPLETED);
  });
  ASSERT_THAT(ids(completed), ElementsAre(first.session_id()));
  EXPECT_EQ(completed->sessions(0).ticket().energy_mwh(), 1'000'000) << "a completed session brings its ticket";
  const auto page = list([](Request& r) { r.set_page_size(2); });
  EXPECT_THAT(ids(page), ElementsAre(third.session_id(), second.session_id()));
  EXPECT_THAT(ids(list([&](Request& r) {
                r.set_page_size(2);
                r.set_page_token(page->next_page_token());
              })),
              ElementsAre(first.session_id()));
  EXPECT_THAT(list([](Request& r) { r.set_page_token("zz"); }), FailsAtField("page_token"));
  EXPECT_THAT(list([](Request& r) { r.set_page_size(1001); }), FailsAtField("page_size"));
  EXPECT_THAT(list([](Request& r) { r.set_driver_id("a b"); }), FailsAtField("driver_id"));
  EXPECT_THAT(list([](Request& r) { r.add_states(common::SESSION_STATE_UNSPECIFIED); }), FailsAtField("states"));
}

TEST_F(SessionsTest, AWriteOffClosesAtTheLastSampleOnceThePointNoLongerReportsTheSession) {
  const auto monitor = Connected(world_);
  const common::Grant grant = Granted(world_, *monitor);
  EXPECT_THAT(WriteOff(grant.session_id()), Fails(absl::StatusCode::kFailedPrecondition, "SESSION_NOT_STARTED"));
  world_.Deliver(world_.MakeFact(FactKind::kStart, grant, 0, 0));
  world_.Deliver(world_.MakeFact(FactKind::kSample, grant, 1, 2'000'000));
  monitor->Occupy(grant, common::OCCUPANCY_PHASE_CHARGING);
  monitor->Beat();
  ASSERT_TRUE(world_.Becomes("cp_001", common::CHARGING_POINT_STATE_CHARGING));
  EXPECT_THAT(WriteOff(grant.session_id(), "r1"), Fails(absl::StatusCode::kFailedPrecondition, "SESSION_LIVE"));
  // It has ended, and the point has facts of it that Central has not booked.
  monitor->report().clear_occupancy();
  auto* unsettled = monitor->report().add_unsettled();
  unsettled->set_session_id(grant.session_id());
  unsettled->set_grant_number(grant.grant_number());
  unsettled->set_final_unsettled(true);
  monitor->report().set_unsettled_total(1);
  monitor->Beat();
  ASSERT_TRUE(Eventually(kPatience, [&] {
    return world_.GetSession(grant.session_id())->state() == common::SESSION_STATE_AWAITING_FINAL;
  }));
  EXPECT_THAT(WriteOff(grant.session_id(), "r1"), Fails(absl::StatusCode::kFailedPrecondition, "SESSION_LIVE"));
  // A new disk: it knows nothing of it.
  monitor->report().clear_unsettled();
  monitor->report().set_unsettled_total(0);
  monitor->Beat();
  ASSERT_TRUE(Eventually(kPatience, [&] { return WriteOff(grant.session_id(), "r1").ok(); }));

  const auto written = WriteOff(grant.session_id(), "r1");
  ASSERT_THAT(written, IsOk());
  EXPECT_EQ(written->state(), common::SESSION_STATE_COMPLETED);
  EXPECT_EQ(written->end_reason(), common::END_REASON_WRITTEN_OFF);
  EXPECT_EQ(written->ticket().energy_mwh(), 2'000'000);
  EXPECT_EQ(written->ticket().amount_micros(), 700'000);
  EXPECT_TRUE(written->ticket().estimated());
  EXPECT_EQ(written->write_off().requested_by(), "ana");
  EXPECT_EQ(written->write_off().reason(), "point scrapped");

  const common::Grant other = Charged(*monitor);
  EXPECT_THAT(WriteOff(other.session_id()), Fails(absl::StatusCode::kFailedPrecondition, "SESSION_CLOSED"));
}

// B154 B163
TEST_F(SessionsTest, TicketsAreFoundAndFiltered) {
  const auto monitor = Connected(world_);
  const common::Grant first = Charged(*monitor, "driver_001");
  const common::Grant second = Charged(*monitor, "driver_002");
  pb::GetTicketRequest get;
  get.set_ticket_id(first.session_id());
  const auto ticket = world_.Call(get);
  ASSERT_THAT(ticket, IsOk());
  EXPECT_EQ(ticket->driver_id(), "driver_001");
  EXPECT_EQ(ticket->charging_point_id(), "cp_001");
  get.set_ticket_id(kNobody);
  EXPECT_THAT(world_.Call(get), Fails(absl::StatusCode::kNotFound, "TICKET_UNKNOWN"));
  get.set_ticket_id("");
  EXPECT_THAT(world_.Call(get), FailsAtField("ticket_id"));
  get.set_ticket_id("a\nb");
  EXPECT_THAT(world_.Call(get), FailsAtField("ticket_id"));

  const auto list = [&](auto change) {
    pb::ListTicketsRequest request;
    change(request);
    return world_.Call(request);
  };
  using Request = pb::ListTicketsRequest;
  EXPECT_EQ(list([](Request&) {})->tickets_size(), 2);
  EXPECT_EQ(list([](Request& r) { r.set_driver_id("driver_002"); })->tickets(0).session_id(), second.session_id());
  EXPECT_EQ(list([](Request& r) { r.set_charging_point_id("cp_404"); })->tickets_size(), 0);
  EXPECT_EQ(list([&](Request& r) { *r.mutable_until_time() = ticket->create_time(); })->tickets_size(), 0);
  EXPECT_EQ(list([&](Request& r) { *r.mutable_from_time() = ticket->create_time(); })->tickets_size(), 2);
  const auto page = list([](Request& r) { r.set_page_size(1); });
  EXPECT_EQ(page->tickets(0).session_id(), second.session_id());
  EXPECT_EQ(list([&](Request& r) {
              r.set_page_size(1);
              r.set_page_token(page->next_page_token());
            })
                ->tickets(0)
                .session_id(),
            first.session_id());
  EXPECT_THAT(list([](Request& r) { r.mutable_from_time()->set_nanos(-1); }), FailsAtField("from_time"));
  EXPECT_THAT(list([](Request& r) { r.mutable_until_time()->set_seconds(1LL << 60); }), FailsAtField("until_time"));
  EXPECT_THAT(list([](Request& r) { r.set_session_id("x"); }), FailsAtField("session_id"));
  EXPECT_THAT(list([](Request& r) { r.set_page_token("x"); }), FailsAtField("page_token"));
  EXPECT_THAT(list([](Request& r) { r.set_page_size(-1); }), FailsAtField("page_size"));
}

// B155
TEST_F(SessionsTest, ServerInfoTellsTheFiguresAndTheWorstPart) {
  const auto monitor = Connected(world_);
  Granted(world_, *monitor);
  ASSERT_THAT(world_.Create("cp_009"), IsOk());
  Surroundings surroundings;
  surroundings.broker = {PartHealth::kDegraded, "no broker at localhost:9092"};
  surroundings.unaccepted_cluster_id = "other";
  surroundings.lags = {absl::ZeroDuration(), absl::Milliseconds(1500), absl::Seconds(1)};
  world_.Set(surroundings);
  const auto info = world_.Call(pb::GetServerInfoRequest());
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->version(), "1.2.3");
  EXPECT_EQ(info->store_id(), "5700000000000000000000000000001d");
  EXPECT_EQ(info->incarnation(), world_.store().incarnation());
  EXPECT_EQ(info->overall().health(), pb::HEALTH_DEGRADED);
  EXPECT_EQ(info->overall().reason(), "no broker at localhost:9092");
  EXPECT_EQ(info->store().health(), pb::HEALTH_OK);
  EXPECT_EQ(info->unaccepted_cluster_id(), "other");
  EXPECT_EQ(info->lag().seconds(), 1);
  EXPECT_EQ(info->lag().nanos(), 500'000'000);
  ASSERT_EQ(info->shards_size(), 3);
  EXPECT_EQ(info->shards(0).lag().seconds(), 0);
  EXPECT_EQ(info->shards(1).lag().nanos(), 500'000'000);
  EXPECT_EQ(info->shards(2).lag().seconds(), 1);
  EXPECT_EQ(info->charging_point_count(), 2);
  EXPECT_EQ(info->linked_charging_point_count(), 1);
  EXPECT_EQ(info->open_session_count(), 1);
  EXPECT_EQ(info->shards(0).owner(), "test");
  EXPECT_GT(info->shards(0).epoch(), 0);
}

// B155
TEST_F(SessionsTest, OverallIsNotBetterThanReadinessNorThanAPart) {
  const auto overall = [&](PartStatus whole, PartStatus broker) {
    Surroundings surroundings;
    surroundings.overall = std::move(whole);
    surroundings.broker = std::move(broker);
    world_.Set(surroundings);
    return world_.Call(pb::GetServerInfoRequest())->overall();
  };
  EXPECT_EQ(overall({}, {}).health(), pb::HEALTH_OK);
  EXPECT_EQ(overall({}, {PartHealth::kOff, "asked for"}).health(), pb::HEALTH_OK);
  EXPECT_EQ(overall({PartHealth::kFailed, "topics: wrong"}, {PartHealth::kDegraded, "slow"}).reason(), "topics: wrong");
  EXPECT_EQ(overall({}, {PartHealth::kDegraded, "slow"}).reason(), "slow");
}

// B155
TEST_F(SessionsTest, GapsAreListedNewestFirstInPages) {
  for (int i = 1; i <= 3; ++i) {
    world_.store().AddGap({.topic = "charging_session_data",
                           .partition = i,
                           .stored_next = i == 3 ? 500 : 5,
                           .log_start = 10,
                           .log_end = i == 1 ? store::kAnotherLog : 100,
                           .found = absl::FromUnixSeconds(i)});
  }
  pb::ListGapsRequest request;
  request.set_page_size(2);
  const auto first = world_.Call(request);
  ASSERT_THAT(first, IsOk());
  ASSERT_EQ(first->gaps_size(), 2);
  EXPECT_EQ(first->gaps(0).partition(), 3);
  EXPECT_EQ(first->gaps(0).cause(), pb::GAP_CAUSE_ABOVE_LOG_END);
  EXPECT_EQ(first->gaps(1).cause(), pb::GAP_CAUSE_BELOW_LOG_START);
  EXPECT_EQ(first->gaps(1).expected_offset(), 5);
  EXPECT_EQ(first->gaps(1).resumed_offset(), 10);
  request.set_page_token(first->next_page_token());
  const auto second = world_.Call(request);
  ASSERT_EQ(second->gaps_size(), 1);
  EXPECT_EQ(second->gaps(0).partition(), 1);
  EXPECT_EQ(second->gaps(0).cause(), pb::GAP_CAUSE_CLUSTER_CHANGED);
  EXPECT_EQ(second->next_page_token(), "");
  request.set_page_token("7");
  EXPECT_THAT(world_.Call(request), FailsAtField("page_token"));
  request.set_page_size(5000);
  EXPECT_THAT(world_.Call(request), FailsAtField("page_size"));
}

// B155
TEST_F(SessionsTest, AClusterIsAcceptedOnlyWhenItWaits) {
  pb::AcceptClusterRequest request;
  EXPECT_THAT(world_.Call(request), FailsAtField("cluster_id"));
  request.set_cluster_id("other\n");
  EXPECT_THAT(world_.Call(request), FailsAtField("cluster_id"));
  request.set_cluster_id("other");
  EXPECT_THAT(world_.Call(request), Fails(absl::StatusCode::kFailedPrecondition, "CLUSTER_NOT_SEEN"));
  Surroundings surroundings;
  surroundings.unaccepted_cluster_id = "other";
  world_.Set(surroundings);
  ASSERT_THAT(world_.store().SetKafkaClusterId("before"), IsOk());
  const auto accepted = world_.Call(request);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_EQ(accepted->cluster_id(), "other");
  EXPECT_EQ(accepted->previous_cluster_id(), "before");
  world_.Set({});
  EXPECT_THAT(world_.Call(request), IsOk()) << "a repeat";
}

}  // namespace
}  // namespace ev::central
