#include "services/central/adapters/charging_point_service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "evcharging/central/v1/charging_point_service.grpc.pb.h"
#include "services/central/adapters/codec.h"
#include "services/central/adapters/request_fields.h"
#include "services/central/adapters/shard_call.h"
#include "store/page_token.h"

namespace ev::central {
namespace {

namespace pb = evcharging::central::v1;
using google::protobuf::Empty;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr char kAllPoints[] = "-";
constexpr std::size_t kMaxPointsInAnswer = 1000;

// Of the texts that a charging point is described by.
absl::Status CheckTexts(const pb::ChargingPoint& point, const std::string& request_id) {
  for (const absl::Status& status :
       {CheckText("charging_point.location", point.location(), kMaxLocationBytes),
        CheckText("charging_point.site", point.site(), kMaxSiteBytes), CheckRequestId("request_id", request_id)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<CreatePointCall> Read(const pb::CreateChargingPointRequest& request) {
  const pb::ChargingPoint& point = request.charging_point();
  auto cp = ReadCpId("charging_point.charging_point_id", point.charging_point_id());
  if (!cp.ok()) return cp.status();
  if (auto status = CheckTexts(point, request.request_id()); !status.ok()) return status;
  CreatePointCall read{.cp = *cp, .location = point.location(), .site = point.site(), .price = std::nullopt};
  std::string price;
  if (point.has_price()) {
    auto given = ReadPrice("charging_point.price", point.price());
    if (!given.ok()) return given.status();
    price = absl::StrCat(given->micros_per_kwh, given->currency);
    read.price = *std::move(given);
  }
  read.request_key = RequestKey("", "CreateChargingPoint", cp->value(), request.request_id());
  read.fingerprint = Fingerprint({point.location(), point.site(), price});
  return read;
}

// A request that passed its checks.
struct UpdateRequest {
  UpdatePointCall call;
  RequestTag tag;
};

absl::StatusOr<UpdateRequest> Read(const pb::UpdateChargingPointRequest& request) {
  const pb::ChargingPoint& point = request.charging_point();
  auto cp = ReadCpId("charging_point.charging_point_id", point.charging_point_id());
  if (!cp.ok()) return cp.status();
  if (auto status = CheckTexts(point, request.request_id()); !status.ok()) return status;
  UpdateRequest read{.call = {.cp = *cp, .location = std::nullopt, .site = std::nullopt, .price = std::nullopt},
                     .tag = {}};
  bool wants_price = false;
  if (request.has_update_mask()) {
    for (const std::string& path : request.update_mask().paths()) {
      if (path == "location") {
        read.call.location = point.location();
      } else if (path == "site") {
        read.call.site = point.site();
      } else if (path == "price") {
        wants_price = true;
      } else {
        return FieldError("update_mask", absl::StrCat("cannot change `", CleanText(path, kMaxSiteBytes),
                                                      "`: only location, site and price"));
      }
    }
  } else {
    if (!point.location().empty()) read.call.location = point.location();
    if (!point.site().empty()) read.call.site = point.site();
    wants_price = point.has_price();
  }
  std::string price;
  if (wants_price) {
    auto given = ReadPrice("charging_point.price", point.price());
    if (!given.ok()) return given.status();
    price = absl::StrCat(given->micros_per_kwh, given->currency);
    read.call.price = *std::move(given);
  }
  if (!read.call.location.has_value() && !read.call.site.has_value() && !wants_price) {
    return FieldError("update_mask", "names nothing to change: give location, site or price");
  }
  const auto part = [](const std::optional<std::string>& text) { return text.has_value() ? "=" + *text : ""; };
  read.tag = {.key = RequestKey("", "UpdateChargingPoint", cp->value(), request.request_id()),
              .fingerprint = Fingerprint({part(read.call.location), part(read.call.site), price})};
  return read;
}

// StopChargingPoint and ResumeChargingPoint ask for the same.
struct CauseRequest {
  CauseCall call;  // Its charging point is empty for all.
  std::string method;
  std::string request_id;
  std::string fingerprint;

  // A shard that has not yet done what another did must not take the other's answer for its own.
  RequestTag TagFor(int shard) const {
    const std::string scope = call.cp.empty() ? absl::StrCat(kAllPoints, "/", shard) : call.cp.value();
    return {.key = RequestKey("", method, scope, request_id), .fingerprint = fingerprint};
  }
};

template <typename Request>
absl::StatusOr<CauseRequest> Read(const char* method, const Request& request) {
  CauseRequest read{.call = {}, .method = method, .request_id = request.request_id(), .fingerprint = {}};
  if (request.charging_point_id() != kAllPoints) {
    auto cp = ReadCpId("charging_point_id", request.charging_point_id());
    if (!cp.ok()) return cp.status();
    read.call.cp = *std::move(cp);
  }
  auto cause = ReadCause("cause", request.cause());
  if (!cause.ok()) return cause.status();
  read.call.cause = *cause;
  for (const absl::Status& status : {CheckText("reason", request.reason(), kMaxReasonBytes),
                                     CheckText("requested_by", request.requested_by(), kMaxRequestedByBytes),
                                     CheckRequestId("request_id", request.request_id())}) {
    if (!status.ok()) return status;
  }
  read.call.who = request.requested_by();
  read.call.reason = request.reason();
  read.fingerprint = Fingerprint({Name(read.call.cause), read.call.who, read.call.reason});
  return read;
}

struct ListRequest {
  std::vector<PointState> states;
  std::string site;
  int page_size = kDefaultPageSize;
  std::string after;  // An id; empty: from the first.
  std::string scope;  // What the page tokens are good for.
};

absl::StatusOr<ListRequest> Read(const pb::ListChargingPointsRequest& request, absl::string_view store_id) {
  ListRequest read;
  for (int state : request.states()) {
    auto known = ReadPointState("states", state);
    if (!known.ok()) return known.status();
    read.states.push_back(*known);
  }
  if (auto status = CheckText("site", request.site(), kMaxSiteBytes); !status.ok()) return status;
  read.site = request.site();
  auto page_size = ReadPageSize(request.page_size());
  if (!page_size.ok()) return page_size.status();
  read.page_size = *page_size;
  read.scope = absl::StrCat("charging points\n", store_id, "\n", read.site, "\n");
  for (PointState state : read.states) absl::StrAppend(&read.scope, static_cast<int>(state), ",");
  if (!request.page_token().empty()) {
    auto after = store::ParsePageToken(request.page_token(), read.scope);
    if (!after.ok()) return FieldError("page_token", after.status().message());
    read.after = after->id;
  }
  return read;
}

absl::StatusOr<PointFilter> Read(const pb::WatchChargingPointsRequest& request) {
  auto cp = ReadCpFilter("charging_point_id", request.charging_point_id());
  if (!cp.ok()) return cp.status();
  if (auto status = CheckText("site", request.site(), kMaxSiteBytes); !status.ok()) return status;
  return PointFilter{.cp = *std::move(cp), .site = request.site()};
}

void SortById(std::vector<PointView>& points) {
  std::sort(points.begin(), points.end(),
            [](const PointView& a, const PointView& b) { return a.record.id < b.record.id; });
}

pb::ListChargingPointsResponse PageOf(const ListRequest& request, std::vector<PointView> points) {
  std::erase_if(points, [&](const PointView& point) {
    if (point.record.id.value() <= request.after) return true;
    if (!request.site.empty() && point.record.site != request.site) return true;
    return !request.states.empty() &&
           std::find(request.states.begin(), request.states.end(), point.state) == request.states.end();
  });
  SortById(points);
  pb::ListChargingPointsResponse response;
  const std::size_t size = std::min<std::size_t>(points.size(), request.page_size);
  for (std::size_t i = 0; i < size; ++i) *response.add_charging_points() = ToProto(points[i]);
  if (size < points.size()) {
    response.set_next_page_token(store::MakePageToken({.id = points[size - 1].record.id.value()}, request.scope));
  }
  return response;
}

template <typename Response>
Response Affected(std::vector<PointView> points) {
  SortById(points);
  Response response;
  response.set_affected_count(static_cast<std::int32_t>(points.size()));
  points.resize(std::min(points.size(), kMaxPointsInAnswer));
  for (const PointView& point : points) *response.add_charging_points() = ToProto(point);
  return response;
}

absl::StatusOr<pb::ChargingPoint> PointOf(const CallResult& result) {
  auto view = ResultAs<PointView>(result);
  if (!view.ok()) return view.status();
  return ToProto(*view);
}

class ChargingPointServiceImpl final : public pb::ChargingPointService::CallbackService {
 public:
  ChargingPointServiceImpl(ShardHost& host, WatchHub& watches) : host_(host), watches_(watches) {}

  ServerUnaryReactor* CreateChargingPoint(CallbackServerContext*, const pb::CreateChargingPointRequest* request,
                                          pb::ChargingPoint* response) override {
    const auto call = rpc::UnaryCall<pb::ChargingPoint>::Make(response);
    auto read = Read(*request);
    if (!read.ok()) {
      call->Finish(read.status());
      return call.get();
    }
    RowKeys rows;
    if (!read->request_key.empty()) rows.requests.push_back(read->request_key);
    Ask(
        host_, call, host_.ShardOf(read->cp), rows,
        [&](Shard& shard, const Moment& now, const CallId& id, Effects& out) {
          read->call = id;
          shard.CreatePoint(now, *read, out);
        },
        PointOf);
    return call.get();
  }

  ServerUnaryReactor* GetChargingPoint(CallbackServerContext*, const pb::GetChargingPointRequest* request,
                                       pb::ChargingPoint* response) override {
    const auto call = rpc::UnaryCall<pb::ChargingPoint>::Make(response);
    auto cp = ReadCpId("charging_point_id", request->charging_point_id());
    if (!cp.ok()) {
      call->Finish(cp.status());
      return call.get();
    }
    Ask(
        host_, call, host_.ShardOf(*cp), RowKeys{},
        [&](Shard& shard, const Moment& now, const CallId& id, Effects& out) {
          shard.GetPoint(now, {.call = id, .cp = *cp}, out);
        },
        PointOf);
    return call.get();
  }

  ServerUnaryReactor* ListChargingPoints(CallbackServerContext*, const pb::ListChargingPointsRequest* request,
                                         pb::ListChargingPointsResponse* response) override {
    const auto call = rpc::UnaryCall<pb::ListChargingPointsResponse>::Make(response);
    auto read = Read(*request, host_.store().id());
    if (!read.ok()) {
      call->Finish(read.status());
      return call.get();
    }
    AskAll(
        host_, call, [](int) { return RowKeys{}; },
        [](Shard& shard, const Moment& now, const CallId& id, Effects& out) { shard.ListPoints(now, id, out); },
        [read = *std::move(read)](std::vector<PointView> points) { return PageOf(read, std::move(points)); });
    return call.get();
  }

  ServerUnaryReactor* UpdateChargingPoint(CallbackServerContext*, const pb::UpdateChargingPointRequest* request,
                                          pb::ChargingPoint* response) override {
    const auto call = rpc::UnaryCall<pb::ChargingPoint>::Make(response);
    auto read = Read(*request);
    if (!read.ok()) {
      call->Finish(read.status());
      return call.get();
    }
    Ask(
        host_, call, host_.ShardOf(read->call.cp), read->tag.rows(),
        [&](Shard& shard, const Moment& now, const CallId& id, Effects& out) {
          read->call.call = id;
          Once(
              shard, now, id, read->tag, out, [&] { shard.UpdatePoint(now, read->call, out); },
              [&] { shard.GetPoint(now, {.call = id, .cp = read->call.cp}, out); });
        },
        PointOf);
    return call.get();
  }

  ServerUnaryReactor* DeleteChargingPoint(CallbackServerContext*, const pb::DeleteChargingPointRequest* request,
                                          Empty* response) override {
    const auto call = rpc::UnaryCall<Empty>::Make(response);
    auto cp = ReadCpId("charging_point_id", request->charging_point_id());
    const absl::Status id_ok = CheckRequestId("request_id", request->request_id());
    if (!cp.ok() || !id_ok.ok()) {
      call->Finish(cp.ok() ? id_ok : cp.status());
      return call.get();
    }
    const RequestTag tag{.key = RequestKey("", "DeleteChargingPoint", cp->value(), request->request_id()),
                         .fingerprint = {}};
    Ask(
        host_, call, host_.ShardOf(*cp), tag.rows(),
        [&](Shard& shard, const Moment& now, const CallId& id, Effects& out) {
          Once(
              shard, now, id, tag, out, [&] { shard.DeletePoint(now, {.call = id, .cp = *cp}, out); },
              [&] {
                out.push_back(Reply{id, Done{}});
              });
        },
        [](const CallResult& result) -> absl::StatusOr<Empty> {
          auto done = ResultAs<Done>(result);
          if (!done.ok()) return done.status();
          return Empty();
        });
    return call.get();
  }

  ServerUnaryReactor* StopChargingPoint(CallbackServerContext*, const pb::StopChargingPointRequest* request,
                                        pb::StopChargingPointResponse* response) override {
    return ChangeCause("StopChargingPoint", &Shard::SetCause, *request, response);
  }

  ServerUnaryReactor* ResumeChargingPoint(CallbackServerContext*, const pb::ResumeChargingPointRequest* request,
                                          pb::ResumeChargingPointResponse* response) override {
    return ChangeCause("ResumeChargingPoint", &Shard::ClearCause, *request, response);
  }

  grpc::ServerWriteReactor<pb::WatchChargingPointsResponse>* WatchChargingPoints(
      CallbackServerContext*, const pb::WatchChargingPointsRequest* request) override {
    return watches_.WatchPoints(Read(*request));
  }

 private:
  using CauseMethod = void (Shard::*)(const Moment&, const CauseCall&, Effects&);

  template <typename Request, typename Response>
  ServerUnaryReactor* ChangeCause(const char* name, CauseMethod method, const Request& request, Response* response) {
    const auto call = rpc::UnaryCall<Response>::Make(response);
    auto read = Read(name, request);
    if (!read.ok()) {
      call->Finish(read.status());
      return call.get();
    }
    const auto input = [&](Shard& shard, const Moment& now, const CallId& id, Effects& out) {
      read->call.call = id;
      Once(
          shard, now, id, read->TagFor(shard.shard()), out, [&] { (shard.*method)(now, read->call, out); },
          [&] {
            if (read->call.cp.empty()) {
              shard.ListPoints(now, id, out);
            } else {
              shard.GetPoint(now, {.call = id, .cp = read->call.cp}, out);
            }
          });
    };
    if (read->call.cp.empty()) {
      AskAll(
          host_, call, [&](int shard) { return read->TagFor(shard).rows(); }, input, Affected<Response>);
      return call.get();
    }
    const int shard = host_.ShardOf(read->call.cp);
    Ask(host_, call, shard, read->TagFor(shard).rows(), input,
        [](const CallResult& result) -> absl::StatusOr<Response> {
          auto view = ResultAs<PointView>(result);
          if (!view.ok()) return view.status();
          return Affected<Response>({*std::move(view)});
        });
    return call.get();
  }

  ShardHost& host_;
  WatchHub& watches_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeChargingPointService(ShardHost& host, WatchHub& watches) {
  return std::make_unique<ChargingPointServiceImpl>(host, watches);
}

}  // namespace ev::central
