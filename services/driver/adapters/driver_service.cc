#include "services/driver/adapters/driver_service.h"

#include <functional>
#include <list>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "base/mutex.h"
#include "domain/ids.h"
#include "evcharging/driver/v1/driver_service.grpc.pb.h"
#include "rpc/server_call.h"
#include "rpc/server_streams.h"
#include "services/driver/adapters/codec.h"
#include "services/driver/adapters/limits.h"
#include "services/driver/core/request_file.h"
#include "wire/common_codec.h"

namespace ev::driver {
namespace {

namespace central_pb = evcharging::central::v1;
namespace common_pb = evcharging::common::v1;
namespace driver_pb = evcharging::driver::v1;

constexpr std::size_t kMaxListRequestId = 58;  // The requests of a list get a number behind it.
constexpr absl::Duration kMaxPause = absl::Hours(1);
// So that our answer is there before the caller has given up.
constexpr absl::Duration kAnswerMargin = absl::Milliseconds(100);

using SessionCall = rpc::UnaryCall<central_pb::Session>;

template <typename Id>
absl::Status ParseInto(absl::StatusOr<Id> parsed, absl::string_view field, Id* out) {
  if (!parsed.ok()) return FieldError(field, parsed.status().message());
  *out = *std::move(parsed);
  return absl::OkStatus();
}

absl::StatusOr<absl::Duration> ParseSpan(const google::protobuf::Duration& proto, absl::string_view field,
                                         absl::Duration least, absl::Duration most) {
  const absl::Duration span = wire::FromProto(proto);
  if (span < least || span > most) {
    return FieldError(field, absl::StrCat(absl::FormatDuration(span), " is outside ", absl::FormatDuration(least),
                                          " to ", absl::FormatDuration(most)));
  }
  return span;
}

// For people and programs alike: it was not Central who said no.
absl::Status FromCentral(absl::Status status) {
  const bool is_silence = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  if (!is_silence || !DetailOf(status).reason.empty()) return status;
  return WithReason(absl::UnavailableError(absl::StrCat("central cannot be reached: ", status.message())),
                    "CENTRAL_UNREACHABLE");
}

// Joins a reader, whose id is known only once it exists, with the end of its stream, which may come first.
class Reading {
 public:
  explicit Reading(std::function<void(Agent::ReaderId)> leave) : leave_(std::move(leave)) {}

  void Begin(Agent::ReaderId reader) {
    {
      MutexLock lock(mutex_);
      if (!ended_) {
        reader_ = reader;
        return;
      }
    }
    leave_(reader);
  }
  void End() {
    std::optional<Agent::ReaderId> reader;
    {
      MutexLock lock(mutex_);
      ended_ = true;
      reader = std::exchange(reader_, std::nullopt);
    }
    if (reader) leave_(*reader);
  }

 private:
  const std::function<void(Agent::ReaderId)> leave_;
  Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Agent::ReaderId> reader_ ABSL_GUARDED_BY(mutex_);
};

class DriverService final : public driver_pb::DriverService::CallbackService {
 public:
  DriverService(const DriverServiceOptions& options, Agent& agent, CentralClient& client, rpc::LiveStreams& streams)
      : options_(options),
        agent_(agent),
        client_(client),
        streams_(streams),
        heart_([this](const std::stop_token& stop) { Beat(stop); }) {}

  grpc::ServerUnaryReactor* StartCharge(grpc::CallbackServerContext* context,
                                        const driver_pb::StartChargeRequest* request,
                                        central_pb::Session* response) override {
    auto call = SessionCall::Make(response);
    StartCall start;
    if (auto status = Parse(*request, &start); !status.ok()) {
      call->Finish(status);
    } else {
      start.give_up = GiveUp(*context);
      start.trace = rpc::TraceOf(*context);
      agent_.Start(std::move(start), Answer(call));
    }
    return call.get();
  }

  grpc::ServerUnaryReactor* StopCharge(grpc::CallbackServerContext* context,
                                       const driver_pb::StopChargeRequest* request,
                                       central_pb::Session* response) override {
    auto call = SessionCall::Make(response);
    StopCall stop;
    absl::Status status = Parse(*request, &stop);
    if (status.ok()) {
      stop.give_up = GiveUp(*context);
      stop.trace = rpc::TraceOf(*context);
      status = agent_.WhenSettled(stop.driver, options_.settle_limit,
                                  [this, call, stop] { agent_.Stop(stop, Answer(call)); });
    }
    if (!status.ok()) call->Finish(status);
    return call.get();
  }

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext*, const driver_pb::GetStatusRequest* request,
                                      driver_pb::DriverStatus* response) override {
    auto call = rpc::UnaryCall<driver_pb::DriverStatus>::Make(response);
    DriverId driver;
    absl::Status status = ParseDriver(request->driver_id(), &driver);
    if (status.ok()) {
      status =
          agent_.WhenSettled(driver, options_.settle_limit, [this, call, driver] { call->Finish(StatusOf(driver)); });
    }
    if (!status.ok()) call->Finish(status);
    return call.get();
  }

  grpc::ServerUnaryReactor* ListHistory(grpc::CallbackServerContext* context,
                                        const driver_pb::ListHistoryRequest* request,
                                        driver_pb::ListHistoryResponse* response) override {
    auto call = rpc::UnaryCall<driver_pb::ListHistoryResponse>::Make(response);
    DriverId driver;
    if (auto status = ParseDriver(request->driver_id(), &driver); !status.ok()) {
      call->Finish(status);
      return call.get();
    }
    central_pb::ListSessionsRequest ask;
    ask.set_driver_id(driver.value());
    ask.set_page_size(request->page_size());
    ask.set_page_token(request->page_token());
    for (const auto state :
         {common_pb::SESSION_STATE_COMPLETED, common_pb::SESSION_STATE_DENIED, common_pb::SESSION_STATE_EXPIRED}) {
      ask.add_states(state);
    }
    client_.ListSessions(ask, rpc::TimeLeft(*context, options_.give_up) - kAnswerMargin,
                         [call](absl::StatusOr<central_pb::ListSessionsResponse> page) {
                           if (!page.ok()) {
                             call->Finish(FromCentral(page.status()));
                             return;
                           }
                           driver_pb::ListHistoryResponse history;
                           history.mutable_sessions()->Swap(page->mutable_sessions());
                           history.set_next_page_token(page->next_page_token());
                           call->Finish(std::move(history));
                         });
    return call.get();
  }

  grpc::ServerWriteReactor<driver_pb::RunRequestsResponse>* RunRequests(
      grpc::CallbackServerContext* context, const driver_pb::RunRequestsRequest* request) override {
    auto reading = std::make_shared<Reading>([this](Agent::ReaderId reader) { agent_.LeaveList(reader); });
    auto writer =
        rpc::BoundedWriter<driver_pb::RunRequestsResponse>::Make(streams_, kMaxWaiting, [reading] { reading->End(); });
    ListCall list;
    if (auto status = Parse(*request, &list); !status.ok()) {
      writer->Close(status);
      return writer.get();
    }
    list.trace = rpc::TraceOf(*context);
    auto reader = agent_.RunList(list, [writer](const ListStep& step) {
      if (auto response = ToProto(step)) writer->Write(*std::move(response));
      if (std::holds_alternative<ListFinished>(step.step)) writer->Close(absl::OkStatus());
    });
    reader.ok() ? reading->Begin(*reader) : writer->Close(reader.status());
    return writer.get();
  }

  grpc::ServerWriteReactor<driver_pb::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext*, const driver_pb::WatchEventsRequest* request) override {
    DriverId driver;
    absl::Status status = ParseDriver(request->driver_id(), &driver);
    auto reading =
        std::make_shared<Reading>([this, driver](Agent::ReaderId reader) { agent_.Unwatch(driver, reader); });
    auto writer = Writer::Make(streams_, kMaxWaiting, [reading] { reading->End(); });
    if (status.ok()) {
      status = agent_.WhenSettled(driver, options_.settle_limit,
                                  [this, driver, writer, reading] { BeginWatch(driver, writer, *reading); });
    }
    if (!status.ok()) writer->Close(status);
    return writer.get();
  }

 private:
  using Writer = rpc::BoundedWriter<driver_pb::WatchEventsResponse>;

  absl::Status ParseDriver(const std::string& text, DriverId* out) const {
    if (text.empty()) {
      *out = options_.default_driver;
      return absl::OkStatus();
    }
    return ParseInto(ParseDriverId(text), "driver_id", out);
  }

  absl::Status Parse(const driver_pb::StartChargeRequest& request, StartCall* start) const {
    if (auto status = CheckRequestId("request_id", request.request_id()); !status.ok()) return status;
    start->request_id = request.request_id();
    if (auto status = ParseDriver(request.driver_id(), &start->driver); !status.ok()) return status;
    if (auto status = ParseInto(ParseCpId(request.charging_point_id()), "charging_point_id", &start->cp);
        !status.ok()) {
      return status;
    }
    return ParseTarget(request.has_target(), request.target(), &start->target);
  }

  absl::Status Parse(const driver_pb::StopChargeRequest& request, StopCall* stop) const {
    if (auto status = CheckRequestId("request_id", request.request_id()); !status.ok()) return status;
    stop->request_id = request.request_id();
    if (auto status = ParseDriver(request.driver_id(), &stop->driver); !status.ok()) return status;
    if (!request.session_id().empty() && !request.charging_point_id().empty()) {
      return FieldError("charging_point_id", "give it or session_id, not both");
    }
    if (!request.session_id().empty()) {
      return ParseInto(ParseSessionId(request.session_id()), "session_id", &stop->session);
    }
    if (request.charging_point_id().empty()) return absl::OkStatus();
    return ParseInto(ParseCpId(request.charging_point_id()), "charging_point_id", &stop->cp);
  }

  absl::Status Parse(const driver_pb::RunRequestsRequest& request, ListCall* list) const {
    if (auto status = CheckRequestId("request_id", request.request_id(), kMaxListRequestId); !status.ok())
      return status;
    list->request_id = request.request_id();
    if (auto status = ParseDriver(request.driver_id(), &list->driver); !status.ok()) return status;
    if (request.charging_point_ids().empty() || request.charging_point_ids_size() > kMaxRequests) {
      return FieldError("charging_point_ids",
                        absl::StrCat(request.charging_point_ids_size(), " are outside 1 to ", kMaxRequests));
    }
    for (int i = 0; i < request.charging_point_ids_size(); ++i) {
      auto& cp = list->plan.cps.emplace_back();
      auto status =
          ParseInto(ParseCpId(request.charging_point_ids(i)), absl::StrCat("charging_point_ids[", i, "]"), &cp);
      if (!status.ok()) return status;
    }
    list->plan.pause = options_.pause;
    if (request.has_pause()) {
      auto pause = ParseSpan(request.pause(), "pause", absl::ZeroDuration(), kMaxPause);
      if (!pause.ok()) return pause.status();
      list->plan.pause = *pause;
    }
    if (request.has_charge_timeout()) {
      auto limit = ParseSpan(request.charge_timeout(), "charge_timeout", absl::Milliseconds(1), absl::Hours(24 * 7));
      if (!limit.ok()) return limit.status();
      list->plan.limit = *limit;
    }
    return ParseTarget(request.has_target(), request.target(), &list->target);
  }

  static absl::Status ParseTarget(bool is_set, const common_pb::Target& proto, Target* out) {
    if (!is_set) return absl::OkStatus();
    auto target = wire::FromProto(proto);
    if (!target.ok()) return target.status();
    *out = *std::move(target);
    return absl::OkStatus();
  }

  // By the agent's clock.
  absl::Duration GiveUp(const grpc::CallbackServerContext& context) const {
    return agent_.Now().monotonic + rpc::TimeLeft(context, options_.give_up) - kAnswerMargin;
  }

  static Agent::OnAnswer Answer(const std::shared_ptr<SessionCall>& call) {
    return [call](const absl::StatusOr<Charge>& result) {
      result.ok() ? call->Finish(ToProto(*result)) : call->Finish(result.status());
    };
  }

  driver_pb::DriverStatus StatusOf(const DriverId& driver) const {
    const DriverView view = agent_.View(driver);
    const CentralView central = agent_.central();
    driver_pb::DriverStatus status;
    status.set_driver_id(driver.value());
    status.set_central_reachable(central.is_reachable);
    status.set_central_error(central.error);
    for (const Charge& charge : view.open) *status.add_open_sessions() = ToProto(charge);
    if (view.last_ticket) *status.mutable_last_ticket() = wire::ToProto(*view.last_ticket);
    if (view.list) *status.mutable_run() = ToProto(*view.list);
    return status;
  }

  void BeginWatch(const DriverId& driver, const std::shared_ptr<Writer>& writer, Reading& reading) {
    auto reader = agent_.Watch(
        driver,
        [this, writer](const DriverView& view) {
          for (const Charge& charge : view.open) {
            driver_pb::WatchEventsResponse item;
            *item.mutable_session() = ToProto(charge);
            writer->Write(std::move(item));
          }
          driver_pb::WatchEventsResponse marker;
          marker.mutable_snapshot_complete()->set_item_count(static_cast<std::int32_t>(view.open.size()));
          writer->Write(std::move(marker));
          MutexLock lock(mutex_);
          writers_.push_back(writer);
        },
        [writer](const Told& told) {
          // A denial that made a session comes as that session.
          const auto* denial = std::get_if<DenialTold>(&told.event);
          if (denial != nullptr && !denial->session.empty()) return;
          driver_pb::WatchEventsResponse message;
          *message.mutable_driver_event() = ToProto(told);
          writer->Write(std::move(message));
        });
    reader.ok() ? reading.Begin(*reader) : writer->Close(reader.status());
  }

  void Beat(const std::stop_token& stop) {
    const std::stop_callback wake(stop, [this] {
      MutexLock lock(mutex_);
      stopping_.SignalAll();
    });
    const SystemClock clock;
    absl::Duration next = clock.Now().monotonic + options_.heartbeat;
    while (!stop.stop_requested()) {
      std::vector<std::shared_ptr<Writer>> writers;
      {
        MutexLock lock(mutex_);
        if (!stop.stop_requested()) stopping_.WaitFor(mutex_, next - clock.Now().monotonic);
        if (clock.Now().monotonic < next) continue;
        writers_.remove_if([](const auto& writer) { return writer.expired(); });
        for (const auto& weak : writers_) {
          if (auto writer = weak.lock()) writers.push_back(std::move(writer));
        }
      }
      next += options_.heartbeat;
      driver_pb::WatchEventsResponse beat;
      const absl::Time now = clock.Now().utc;
      beat.mutable_heartbeat()->mutable_time()->set_seconds(absl::ToUnixSeconds(now));
      for (const auto& writer : writers) writer->Write(beat);
    }
  }

  const DriverServiceOptions options_;
  Agent& agent_;
  CentralClient& client_;
  rpc::LiveStreams& streams_;
  Mutex mutex_;
  CondVar stopping_;
  std::list<std::weak_ptr<Writer>> writers_ ABSL_GUARDED_BY(mutex_);
  std::jthread heart_;  // Last: stops before anything it uses is destroyed.
};

}  // namespace

std::unique_ptr<grpc::Service> MakeDriverService(const DriverServiceOptions& options, Agent& agent,
                                                 CentralClient& client, rpc::LiveStreams& streams) {
  return std::make_unique<DriverService>(options, agent, client, streams);
}

}  // namespace ev::driver
