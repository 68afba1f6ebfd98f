#include "rpc/server.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/error_detail.h"
#include "base/mutex.h"
#include "evcharging/central/v1/link_service.grpc.pb.h"
#include "evcharging/central/v1/ticket_service.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "rpc/call.h"
#include "rpc/channel.h"
#include "rpc/client_streams.h"
#include "rpc/server_call.h"
#include "rpc/server_streams.h"
#include "tests/support/eventually.h"
#include "tests/support/logged_lines.h"
#include "tests/support/status_matchers.h"

namespace ev::rpc {
namespace {

using evcharging::central::v1::GetTicketRequest;
using evcharging::central::v1::LinkDown;
using evcharging::central::v1::LinkService;
using evcharging::central::v1::LinkUp;
using evcharging::central::v1::TicketService;
using evcharging::common::v1::Ticket;
using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::Duration kLimit = absl::Seconds(10);

// What a test needs of the messages, whatever else they hold.
LinkUp Up(int number) {
  LinkUp up;
  up.mutable_hello()->set_charging_point_id(absl::StrCat(number));
  return up;
}

class Tickets final : public TicketService::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetTicket(grpc::CallbackServerContext* context, const GetTicketRequest* request,
                                      Ticket* response) override {
    auto call = UnaryCall<Ticket>::Make(response);
    {
      MutexLock lock(mutex_);
      trace_ = TraceOf(*context);
      const auto parent = context->client_metadata().find("traceparent");
      traceparent_ = std::string(parent->second.data(), parent->second.size());
      time_left_ = TimeLeft(*context, absl::Hours(1));
      call_ = call;
    }
    if (request->ticket_id() == "now") call->Finish(Ticket());
    if (request->ticket_id() == "third time") {
      ++tries == 3 ? call->Finish(Ticket()) : call->Finish(absl::UnavailableError("not yet"));
    }
    if (request->ticket_id().empty()) call->Finish(FieldError("ticket_id", "is empty"));
    return call.get();
  }

  std::atomic<int> tries = 0;

  // The call that waits for its answer, once there is one.
  std::shared_ptr<UnaryCall<Ticket>> Waiting() {
    std::shared_ptr<UnaryCall<Ticket>> call;
    EXPECT_TRUE(Eventually(kLimit, [&] {
      MutexLock lock(mutex_);
      call = call_;
      return call != nullptr;
    }));
    return call;
  }
  Trace trace() {
    MutexLock lock(mutex_);
    return trace_;
  }
  std::string traceparent() {
    MutexLock lock(mutex_);
    return traceparent_;
  }
  absl::Duration time_left() {
    MutexLock lock(mutex_);
    return time_left_;
  }

 private:
  Mutex mutex_;
  std::shared_ptr<UnaryCall<Ticket>> call_ ABSL_GUARDED_BY(mutex_);
  Trace trace_ ABSL_GUARDED_BY(mutex_);
  std::string traceparent_ ABSL_GUARDED_BY(mutex_);
  absl::Duration time_left_ ABSL_GUARDED_BY(mutex_);
};

// Answers each Hello by the events that a test gives.
class Links final : public LinkService::CallbackService {
 public:
  using Bidi = BidiStream<LinkUp, LinkDown>;
  explicit Links(LiveStreams& streams) : streams_(streams) {}

  grpc::ServerBidiReactor<LinkUp, LinkDown>* Link(grpc::CallbackServerContext*) override {
    return Bidi::Make(streams_, bound, {.on_message = on_message, .on_closed = [this] { closed.Notify(); }}).get();
  }

  std::size_t bound = 64;
  std::function<void(Bidi&, const LinkUp&)> on_message;
  absl::Notification closed;

 private:
  LiveStreams& streams_;
};

class ServerTest : public testing::Test {
 protected:
  ~ServerTest() override {
    client_streams_.CloseAll(absl::CancelledError("test ends"));
    EXPECT_TRUE(client_streams_.WaitUntilEmpty(kLimit));
    server_.reset();
    EXPECT_TRUE(streams_.WaitUntilEmpty(kLimit));
  }

  void Start(ServerOptions options = {}) {
    auto server = Server::Start(options, {&tickets_, &links_}, registry_, readiness_, streams_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    channel_ = MakeChannel({.target = server_->address()});
    tickets_stub_ = TicketService::NewStub(channel_);
    links_stub_ = LinkService::NewStub(channel_);
    health_stub_ = Health::NewStub(channel_);
  }

  absl::StatusOr<Ticket> GetTicket(const std::string& id, absl::Duration timeout = kLimit) {
    GetTicketRequest request;
    request.set_ticket_id(id);
    return Call(*tickets_stub_, &TicketService::StubInterface::GetTicket, request, timeout);
  }
  absl::StatusOr<HealthCheckResponse> Check(const std::string& service) {
    HealthCheckRequest request;
    request.set_service(service);
    return Call(*health_stub_, &Health::StubInterface::Check, request, kLimit);
  }
  std::shared_ptr<ClientBidi<LinkUp, LinkDown>> OpenLink(ClientEvents<LinkDown> events, std::size_t bound = 64) {
    return ClientBidi<LinkUp, LinkDown>::Start(
        client_streams_, bound, std::move(events),
        [this](grpc::ClientContext* context, auto* reactor) { links_stub_->async()->Link(context, reactor); });
  }

  metrics::Registry registry_{"ev-test", "1"};
  metrics::Readiness readiness_{registry_, {"store", "kafka"}};
  LiveStreams streams_;
  LiveStreams client_streams_;
  Tickets tickets_;
  Links links_{streams_};
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<TicketService::Stub> tickets_stub_;
  std::unique_ptr<LinkService::Stub> links_stub_;
  std::unique_ptr<Health::Stub> health_stub_;
};

TEST_F(ServerTest, AnAnswerMayComeLaterFromAnyThread) {
  Start();
  absl::Notification done;
  GetTicketRequest request;
  request.set_ticket_id("later");
  CallAsync(*tickets_stub_->async(), &TicketService::StubInterface::async_interface::GetTicket, request, kLimit, {},
            [&](absl::StatusOr<Ticket> ticket) {
              EXPECT_THAT(ticket, IsOk());
              done.Notify();
            });
  auto call = tickets_.Waiting();
  EXPECT_TRUE(call->Finish(Ticket()));
  EXPECT_FALSE(call->Finish(absl::InternalError("a second answer")));
  EXPECT_TRUE(done.WaitForNotificationWithTimeout(kLimit));
}

TEST_F(ServerTest, AnErrorsDetailReachesTheCaller) {
  Start();
  const auto ticket = GetTicket("");
  EXPECT_THAT(ticket, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ticket_id: is empty")));
  const ErrorDetail detail = DetailOf(ticket.status());
  EXPECT_EQ(detail.reason, "INVALID_FIELD");
  ASSERT_EQ(detail.fields.size(), 1u);
  EXPECT_EQ(detail.fields[0], (FieldViolation{.field = "ticket_id", .description = "is empty"}));
}

TEST_F(ServerTest, ACallEndsAtItsDeadlineAndTheLateAnswerHarmsNobody) {
  Start();
  EXPECT_THAT(GetTicket("never", absl::Milliseconds(50)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  auto call = tickets_.Waiting();
  EXPECT_TRUE(Eventually(kLimit, [&] { return call->finished(); }));
  EXPECT_FALSE(call->Finish(Ticket()));
}

// B162
TEST_F(ServerTest, AUnaryCallWithoutADeadlineGetsTheServersOwn) {
  Start({.default_deadline = absl::Milliseconds(50)});
  grpc::ClientContext context;
  Ticket response;
  GetTicketRequest request;
  request.set_ticket_id("never");
  const grpc::Status status = tickets_stub_->GetTicket(&context, request, &response);
  EXPECT_THAT(FromGrpc(status), StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("without a deadline")));
  EXPECT_EQ(tickets_.time_left(), absl::Hours(1));
}

// B221
TEST_F(ServerTest, ACallKnowsItsTraceAndTheTimeThatIsLeft) {
  Start();
  const auto call_with = [&](const std::vector<std::string>& traceparents) {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(20));
    for (const std::string& traceparent : traceparents) context.AddMetadata("traceparent", traceparent);
    Ticket response;
    GetTicketRequest request;
    request.set_ticket_id("now");
    EXPECT_TRUE(tickets_stub_->GetTicket(&context, request, &response).ok());
    return TraceIdText(tickets_.trace());
  };
  const std::string id = "4bf92f3577b34da6a3ce929d0e0e4736";
  const std::string valid = "00-" + id + "-00f067aa0ba902b7-01";
  EXPECT_EQ(call_with({valid}), id);
  EXPECT_TRUE(tickets_.trace().sampled);
  EXPECT_GT(tickets_.time_left(), absl::Seconds(10));
  // The header grpc-timeout has few digits, and gRPC rounds up.
  EXPECT_LE(tickets_.time_left(), absl::Seconds(21));
  // Without one that is valid the server begins a trace, each time another.
  std::set<std::string> begun;
  for (const std::vector<std::string>& traceparents : {std::vector<std::string>{},
                                                       {},
                                                       {"00-" + std::string(32, '0') + "-00f067aa0ba902b7-01"},
                                                       {"00-xyz"},
                                                       {valid, valid}}) {
    begun.insert(call_with(traceparents));
    EXPECT_FALSE(tickets_.trace().sampled);
  }
  EXPECT_EQ(begun.size(), 5u);
  EXPECT_FALSE(begun.contains(""));
  EXPECT_FALSE(begun.contains(id));
}

// B221
TEST_F(ServerTest, ACallThatIsMadeInATraceIsAnOperationOfItsOwnInIt) {
  Start();
  const Trace trace = ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  GetTicketRequest request;
  request.set_ticket_id("now");
  std::set<std::string> parents = {"00f067aa0ba902b7"};
  for (int i = 0; i < 2; ++i) {
    EV_EXPECT_OK(rpc::Call(*tickets_stub_, &TicketService::StubInterface::GetTicket, request, kLimit, trace));
    EXPECT_EQ(tickets_.trace(), trace);
    EXPECT_TRUE(parents.insert(tickets_.traceparent().substr(36, 16)).second);
  }
}

// B221
TEST_F(ServerTest, TheRecordOfACallHasTheTraceThatItsHandlerSaw) {
  const LoggedLines logged;
  log::ChangeLevel(log::Level::kDebug, std::nullopt, "test");
  Start();
  GetTicketRequest request;
  request.set_ticket_id("now");
  EV_EXPECT_OK(rpc::Call(*tickets_stub_, &TicketService::StubInterface::GetTicket, request, kLimit));
  const std::string id = TraceIdText(tickets_.trace());
  EXPECT_TRUE(Eventually(kLimit, [&] {
    const auto lines = logged.Get();
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
      return absl::StrContains(line, "debug call method=") && absl::StrContains(line, "trace_id=" + id);
    });
  }));
  log::ChangeLevel(log::Level::kInfo, std::nullopt, "test");
}

TEST_F(ServerTest, HealthFollowsReadinessAndLivenessDoesNot) {
  Start();
  EXPECT_EQ(Check("liveness")->status(), HealthCheckResponse::SERVING);
  EXPECT_EQ(Check("readiness")->status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check("")->status(), HealthCheckResponse::NOT_SERVING);
  readiness_.SetReady("store");
  readiness_.SetDegraded("kafka", "no broker");
  EXPECT_EQ(Check("readiness")->status(), HealthCheckResponse::SERVING);
  EXPECT_EQ(Check("")->status(), HealthCheckResponse::SERVING);
  EXPECT_THAT(Check("nonsense"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("nonsense")));
}

TEST_F(ServerTest, ACheckOfReadinessSaysTheReason) {
  Start();
  readiness_.SetReady("store");
  readiness_.SetNotReady("kafka", "topic has 3 partitions\xe2\x80\xa6");
  grpc::ClientContext context;
  SetTimeout(context, kLimit);
  HealthCheckResponse response;
  ASSERT_TRUE(health_stub_->Check(&context, HealthCheckRequest(), &response).ok());
  const auto& metadata = context.GetServerInitialMetadata();
  ASSERT_TRUE(metadata.count("ev-reason"));
  EXPECT_EQ(std::string(metadata.find("ev-reason")->second.data(), metadata.find("ev-reason")->second.size()),
            "kafka: topic has 3 partitions???");
}

TEST_F(ServerTest, AWatchOfHealthHearsEachChange) {
  Start();
  Mutex mutex;
  std::vector<int> heard;
  const auto has = [&](std::vector<int> expected) {
    return Eventually(kLimit, [&] {
      MutexLock lock(mutex);
      return heard == expected;
    });
  };
  HealthCheckRequest request;
  request.set_service("readiness");
  ClientWatch<HealthCheckResponse>::Start(
      client_streams_,
      {.on_message =
           [&](const HealthCheckResponse& response) {
             MutexLock lock(mutex);
             heard.push_back(response.status());
           },
       .on_closed = nullptr},
      [&](grpc::ClientContext* context, auto* reactor) { health_stub_->async()->Watch(context, &request, reactor); });
  EXPECT_TRUE(has({HealthCheckResponse::NOT_SERVING}));
  readiness_.SetReady("store");
  readiness_.SetReady("kafka");
  EXPECT_TRUE(has({HealthCheckResponse::NOT_SERVING, HealthCheckResponse::SERVING}));
  readiness_.SetDegraded("kafka", "slow");
  readiness_.Stop();
  EXPECT_TRUE(has({HealthCheckResponse::NOT_SERVING, HealthCheckResponse::SERVING, HealthCheckResponse::NOT_SERVING}));
}

// B181
TEST_F(ServerTest, EverySeriesIsThereAtZeroAndCallsAreCountedByTheirCode) {
  Start();
  const auto count = [&](const std::string& series) { return HasSubstr(series); };
  const std::string ticket =
      "{grpc_method=\"GetTicket\",grpc_service=\"evcharging.central.v1.TicketService\",grpc_type=\"unary\"}";
  const std::string handled =
      "grpc_server_handled_total{grpc_code=\"InvalidArgument\",grpc_method=\"GetTicket\",grpc_service=\"evcharging."
      "central.v1.TicketService\",grpc_type=\"unary\"}";
  EXPECT_THAT(registry_.RenderText(),
              AllOf(count("grpc_server_started_total" + ticket + " 0\n"), count(handled + " 0\n"),
                    count("grpc_server_msg_received_total" + ticket + " 0\n"),
                    count("grpc_server_msg_sent_total" + ticket + " 0\n"),
                    count("grpc_server_handling_seconds_count" + ticket + " 0\n"), count("grpc_type=\"bidi_stream\""),
                    count("grpc_service=\"grpc.health.v1.Health\""),
                    count("grpc_service=\"grpc.reflection.v1alpha.ServerReflection\"")));
  EXPECT_FALSE(GetTicket("").ok());
  EXPECT_TRUE(Eventually(kLimit, [&] {  // Counted when the answer is sent: the caller may be faster.
    return absl::StrContains(registry_.RenderText(), handled + " 1\n");
  }));
  EXPECT_THAT(registry_.RenderText(), AllOf(count("grpc_server_started_total" + ticket + " 1\n"),
                                            count("grpc_server_msg_received_total" + ticket + " 1\n"),
                                            count("grpc_server_msg_sent_total" + ticket + " 0\n")));
}

TEST_F(ServerTest, ABidirectionalStreamCarriesBothWaysAndEndsWhenTheClientHasSaidAll) {
  links_.on_message = [](Links::Bidi& stream, const LinkUp& up) {
    LinkDown down;
    down.mutable_welcome()->set_central_version(up.hello().charging_point_id());
    EXPECT_TRUE(stream.Write(down));
  };
  Start();
  std::vector<std::string> answers;
  absl::Notification closed;
  absl::Status why = absl::UnknownError("");
  auto link =
      OpenLink({.on_message = [&](const LinkDown& down) { answers.push_back(down.welcome().central_version()); },
                .on_closed =
                    [&](const absl::Status& status) {
                      why = status;
                      closed.Notify();
                    }});
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(link->Write(Up(i)));
  link->WritesDone();
  EXPECT_FALSE(link->Write(Up(99)));
  ASSERT_TRUE(closed.WaitForNotificationWithTimeout(kLimit));
  EXPECT_THAT(why, IsOk());
  ASSERT_EQ(answers.size(), 20u);
  EXPECT_EQ(answers[19], "19");
  EXPECT_TRUE(links_.closed.WaitForNotificationWithTimeout(kLimit));
  const std::string connect =
      "{grpc_method=\"Link\",grpc_service=\"evcharging.central.v1.LinkService\",grpc_type=\"bidi_stream\"} ";
  EXPECT_THAT(registry_.RenderText(), AllOf(HasSubstr("grpc_server_msg_received_total" + connect + "20\n"),
                                            HasSubstr("grpc_server_msg_sent_total" + connect + "20\n")));
}

TEST_F(ServerTest, TheServerEndsAStreamWithItsReason) {
  links_.on_message = [](Links::Bidi& stream, const LinkUp&) {
    stream.Close(WithReason(absl::AbortedError("a newer link has come"), "SUPERSEDED"));
  };
  Start();
  absl::Notification closed;
  absl::Status why;
  auto link = OpenLink({.on_message = [](const LinkDown&) {},
                        .on_closed =
                            [&](const absl::Status& status) {
                              why = status;
                              closed.Notify();
                            }});
  link->Write(Up(1));
  ASSERT_TRUE(closed.WaitForNotificationWithTimeout(kLimit));
  EXPECT_THAT(why, StatusIs(absl::StatusCode::kAborted, HasSubstr("newer link")));
  EXPECT_EQ(DetailOf(why).reason, "SUPERSEDED");
  EXPECT_TRUE(Eventually(kLimit, [&] { return !link->Write(Up(2)); }));
}

TEST_F(ServerTest, AClientThatDoesNotReadLosesItsStreamAndNothingElse) {
  LinkDown big;
  big.mutable_welcome()->set_central_version(std::string(100'000, 'x'));
  absl::Notification refused;
  links_.bound = 8;
  links_.on_message = [&](Links::Bidi& stream, const LinkUp&) {
    for (int i = 0; i < 10'000; ++i) {
      if (!stream.Write(big)) {
        refused.Notify();
        return;
      }
    }
  };
  Start();
  absl::Notification go_on;
  absl::Notification closed;
  absl::Status why;
  auto link = OpenLink({.on_message = [&](const LinkDown&) { go_on.WaitForNotification(); },
                        .on_closed =
                            [&](const absl::Status& status) {
                              why = status;
                              closed.Notify();
                            }});
  link->Write(Up(1));
  EXPECT_TRUE(refused.WaitForNotificationWithTimeout(kLimit));
  EXPECT_THAT(GetTicket("now"), IsOk());
  go_on.Notify();
  ASSERT_TRUE(closed.WaitForNotificationWithTimeout(kLimit));
  EXPECT_THAT(why, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(DetailOf(why).reason, "SLOW_CONSUMER");
}

TEST_F(ServerTest, ACancelledStreamIsClosedAtTheServer) {
  links_.on_message = [](Links::Bidi&, const LinkUp&) {};
  Start();
  absl::Notification closed;
  auto link = OpenLink({.on_message = [](const LinkDown&) {},
                        .on_closed =
                            [&](const absl::Status& status) {
                              EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
                              closed.Notify();
                            }});
  link->Write(Up(1));
  EXPECT_TRUE(Eventually(kLimit, [&] { return streams_.size() == 1; }));
  link->Cancel();
  EXPECT_TRUE(closed.WaitForNotificationWithTimeout(kLimit));
  EXPECT_TRUE(links_.closed.WaitForNotificationWithTimeout(kLimit));
}

TEST_F(ServerTest, AStreamToNobodyIsClosedAsUnavailable) {
  Start();
  const std::string address = server_->address();
  server_.reset();
  auto channel = MakeChannel({.target = address});
  auto stub = LinkService::NewStub(channel);
  absl::Notification closed;
  ClientBidi<LinkUp, LinkDown>::Start(
      client_streams_, 4,
      {.on_message = [](const LinkDown&) {},
       .on_closed =
           [&](const absl::Status& status) {
             EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
             closed.Notify();
           }},
      [&](grpc::ClientContext* context, auto* reactor) { stub->async()->Link(context, reactor); })
      ->Write(Up(1));
  EXPECT_TRUE(closed.WaitForNotificationWithTimeout(kLimit));
  EXPECT_TRUE(client_streams_.WaitUntilEmpty(kLimit));
}

TEST_F(ServerTest, DrainFinishesTheAnswersAndEndsTheStreams) {
  links_.on_message = [](Links::Bidi&, const LinkUp&) {};
  Start();
  absl::Notification stream_closed;
  auto link = OpenLink({.on_message = [](const LinkDown&) {},
                        .on_closed =
                            [&](const absl::Status& status) {
                              EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("stopping")));
                              stream_closed.Notify();
                            }});
  link->Write(Up(1));
  EXPECT_TRUE(Eventually(kLimit, [&] { return streams_.size() == 1; }));
  absl::Notification answered;
  GetTicketRequest request;
  request.set_ticket_id("later");
  CallAsync(*tickets_stub_->async(), &TicketService::StubInterface::async_interface::GetTicket, request, kLimit, {},
            [&](absl::StatusOr<Ticket> ticket) {
              EXPECT_THAT(ticket, IsOk());
              answered.Notify();
            });
  auto call = tickets_.Waiting();
  std::jthread drain([&] { server_->Drain(kLimit); });
  EXPECT_TRUE(stream_closed.WaitForNotificationWithTimeout(kLimit));  // So the drain has begun.
  call->Finish(Ticket());
  EXPECT_TRUE(answered.WaitForNotificationWithTimeout(kLimit));
  drain.join();
  EXPECT_EQ(streams_.size(), 0u);
  EXPECT_THAT(GetTicket("now", absl::Seconds(1)), testing::Not(IsOk()));
}

TEST_F(ServerTest, AnAnswerThatNeverComesCannotHoldUpTheEnd) {
  Start();
  absl::Notification done;
  GetTicketRequest request;
  request.set_ticket_id("never");
  CallAsync(*tickets_stub_->async(), &TicketService::StubInterface::async_interface::GetTicket, request, kLimit, {},
            [&](absl::StatusOr<Ticket> ticket) {
              EXPECT_FALSE(ticket.ok());
              done.Notify();
            });
  auto call = tickets_.Waiting();
  server_->Drain(absl::Milliseconds(20));
  EXPECT_TRUE(call->finished());
  EXPECT_TRUE(done.WaitForNotificationWithTimeout(kLimit));
}

// What grpcurl does: asks by reflection for the files that hold a symbol. Field numbers as in
// grpc/reflection/v1alpha/reflection.proto, which Debian packages no header for.
// B161
TEST_F(ServerTest, ReflectionDescribesTheServicesHealthIncluded) {
  Start();
  const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
      "grpc.reflection.v1alpha.ServerReflectionRequest");
  ASSERT_NE(type, nullptr);
  google::protobuf::DynamicMessageFactory factory;
  grpc::GenericStub stub(channel_);
  for (const char* symbol : {"grpc.health.v1.Health", "evcharging.central.v1.TicketService"}) {
    std::unique_ptr<google::protobuf::Message> request(factory.GetPrototype(type)->New());
    request->GetReflection()->SetString(request.get(), type->FindFieldByName("file_containing_symbol"), symbol);
    grpc::Slice bytes(request->SerializeAsString());
    std::string answer;
    absl::Notification closed;
    auto stream = ClientBidi<grpc::ByteBuffer, grpc::ByteBuffer>::Start(
        client_streams_, 4,
        {.on_message =
             [&](const grpc::ByteBuffer& buffer) {
               std::vector<grpc::Slice> slices;
               ASSERT_TRUE(buffer.Dump(&slices).ok());
               for (const auto& slice : slices) answer.append(slice.begin(), slice.end());
             },
         .on_closed =
             [&](const absl::Status& status) {
               EXPECT_THAT(status, IsOk());
               closed.Notify();
             }},
        [&](grpc::ClientContext* context, auto* reactor) {
          stub.PrepareBidiStreamingCall(context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", {},
                                        reactor);
        });
    stream->Write(grpc::ByteBuffer(&bytes, 1));
    stream->WritesDone();
    ASSERT_TRUE(closed.WaitForNotificationWithTimeout(kLimit));
    EXPECT_THAT(answer, HasSubstr(".proto")) << symbol;
    EXPECT_THAT(answer, testing::Not(HasSubstr("not found"))) << symbol;
  }
}

// B176
TEST_F(ServerTest, ATakenPortIsUnavailableAndNamed) {
  Start();
  const auto second = Server::Start({.port = server_->port()}, {}, registry_, readiness_, streams_);
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kUnavailable, HasSubstr(server_->address())));
  EXPECT_THAT(GetTicket("now"), IsOk());
}

// B177
TEST_F(ServerTest, AnAddressThatOthersReachWantsToBeCalledInsecure) {
  EXPECT_THAT(Server::Start({.listen = "0.0.0.0"}, {}, registry_, readiness_, streams_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0.0.0.0")));
  EXPECT_THAT(Server::Start({.listen = "0.0.0.0", .insecure = true}, {}, registry_, readiness_, streams_), IsOk());
}

// B160
TEST_F(ServerTest, AMessageOverTheLimitIsRefused) {
  Start({.max_message_bytes = 1000});
  EXPECT_THAT(GetTicket(std::string(2000, 'x')), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(GetTicket("now"), IsOk());
}

TEST_F(ServerTest, OnlyACallThatWasDeclaredIdempotentIsTriedAgain) {
  Start();
  EXPECT_THAT(GetTicket("third time"), StatusIs(absl::StatusCode::kUnavailable));
  tickets_.tries = 0;
  channel_ = MakeChannel({.target = server_->address(), .retried = {"evcharging.central.v1.TicketService/GetTicket"}});
  tickets_stub_ = TicketService::NewStub(channel_);
  EXPECT_THAT(GetTicket("third time"), IsOk());
  EXPECT_EQ(tickets_.tries, 3);
}

TEST_F(ServerTest, AChannelFindsAServerThatComesBack) {
  Start();
  const int port = server_->port();
  server_.reset();
  channel_ =
      MakeChannel({.target = absl::StrCat("localhost:", port), .max_reconnect_backoff = absl::Milliseconds(200)});
  tickets_stub_ = TicketService::NewStub(channel_);
  EXPECT_THAT(GetTicket("now"), StatusIs(absl::StatusCode::kUnavailable));
  LiveStreams streams;
  auto again = Server::Start({.port = port}, {&tickets_, &links_}, registry_, readiness_, streams);
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(Eventually(kLimit, [&] { return GetTicket("now").ok(); }));
}

}  // namespace
}  // namespace ev::rpc
