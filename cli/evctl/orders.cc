#include "cli/evctl/orders.h"

#include <algorithm>
#include <ostream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/id_source.h"
#include "base/text.h"
#include "cli/evctl/rows.h"
#include "cli/evctl/watch.h"
#include "cli/evctl/words.h"
#include "domain/target_text.h"
#include "wire/common_codec.h"

namespace ev::evctl {
namespace {

namespace central_pb = evcharging::central::v1;

std::string NewRequestId() {
  return absl::StrCat("evctl-", RandomIdSource().NewRandomHex());
}

absl::Status CheckWhat(absl::string_view command, const OrderOptions& options, const std::vector<std::string>& kinds) {
  if (std::find(kinds.begin(), kinds.end(), options.what) == kinds.end()) {
    return NotOneOf(command, options.what, kinds);
  }
  const bool is_all = options.what == "all";
  // What the API means by it is too much for a slip of the finger.
  if (options.what == "point" && options.id == "-") {
    return absl::InvalidArgumentError(
        absl::StrCat(command, " point -: which one? all of them: evctl ", command, " all"));
  }
  if (is_all == options.id.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(is_all
                                        ? absl::StrCat(command, " all takes no id, not \"", Printable(options.id), "\"")
                                        : absl::StrCat(command, " ", options.what, ": which one?"));
}

template <typename Request>
Request PointOrder(const OrderOptions& options) {
  Request request;
  request.set_charging_point_id(options.what == "all" ? "-" : options.id);
  request.set_reason(options.reason);
  request.set_requested_by(options.requested_by);
  request.set_request_id(NewRequestId());
  return request;
}

template <typename Response>
absl::Status PrintPoints(const absl::StatusOr<Response>& response, std::ostream& out) {
  if (!response.ok()) return response.status();
  std::vector<std::vector<Cell>> rows;
  for (const auto& point : response->charging_points()) rows.push_back(Row(point, Output::kTable));
  if (!rows.empty()) out << TableText(Names<central_pb::ChargingPoint>(Output::kTable), rows, false);
  if (response->affected_count() != response->charging_points_size()) {
    out << response->affected_count() << " charging points in all\n";
  }
  return absl::OkStatus();
}

absl::Status PrintSession(const absl::StatusOr<central_pb::Session>& session, std::ostream& out) {
  if (session.ok()) out << Describe(*session);
  return session.status();
}

}  // namespace

absl::Status Stop(const Central& central, const OrderOptions& options, std::ostream& out) {
  if (auto status = CheckWhat("stop", options, {"point", "session", "all"}); !status.ok()) return status;
  if (options.what == "session") {
    if (!options.reason.empty()) return absl::InvalidArgumentError("--reason: a session's stop takes none");
    central_pb::StopSessionRequest request;
    request.set_session_id(options.id);
    request.set_request_id(NewRequestId());
    return PrintSession(central.Call(central.sessions, &Central::Sessions::StopSession, request), out);
  }
  return PrintPoints(central.Call(central.points, &Central::Points::StopChargingPoint,
                                  PointOrder<central_pb::StopChargingPointRequest>(options)),
                     out);
}

absl::Status Resume(const Central& central, const OrderOptions& options, std::ostream& out) {
  if (auto status = CheckWhat("resume", options, {"point", "all"}); !status.ok()) return status;
  const auto resumed = central.Call(central.points, &Central::Points::ResumeChargingPoint,
                                    PointOrder<central_pb::ResumeChargingPointRequest>(options));
  if (auto status = PrintPoints(resumed, out); !status.ok() || options.what != "all") return status;
  central_pb::ListChargingPointsRequest request;
  request.add_states(evcharging::common::v1::CHARGING_POINT_STATE_STOPPED);
  request.set_page_size(1);
  const auto stopped = central.Call(central.points, &Central::Points::ListChargingPoints, request);
  if (!stopped.ok()) return stopped.status();
  if (stopped->charging_points_size() > 0) {
    out << "some stay STOPPED by a stop of their own: evctl get points --state stopped, evctl resume point "
        << Printable(stopped->charging_points(0).charging_point_id()) << '\n';
  }
  return absl::OkStatus();
}

absl::Status WriteOff(const Central& central, const OrderOptions& options, std::ostream& out) {
  central_pb::WriteOffSessionRequest request;
  request.set_session_id(options.id);
  request.set_reason(options.reason);
  request.set_requested_by(options.requested_by);
  request.set_request_id(NewRequestId());
  return PrintSession(central.Call(central.sessions, &Central::Sessions::WriteOffSession, request), out);
}

absl::Status AcceptCluster(const Central& central, const OrderOptions& options, std::ostream& out) {
  central_pb::AcceptClusterRequest request;
  request.set_cluster_id(options.id);
  request.set_request_id(NewRequestId());
  const auto response = central.Call(central.server, &Central::Server::AcceptCluster, request);
  if (!response.ok()) return response.status();
  out << "cluster " << Printable(response->cluster_id()) << " is accepted"
      << (response->previous_cluster_id().empty() ? "" : "; before: ") << Printable(response->previous_cluster_id())
      << '\n';
  return absl::OkStatus();
}

absl::Status Charge(const Central& central, const ChargeOptions& options, process::StopSignal* stop,
                    std::ostream& out) {
  central_pb::StartSessionRequest request;
  request.set_charging_point_id(options.point);
  request.set_driver_id(options.driver);
  request.set_request_id(NewRequestId());
  if (!options.target.empty()) {
    const auto typed = ParseTarget(options.target);
    if (!typed.ok()) return absl::InvalidArgumentError(absl::StrCat("--target: ", typed.status().message()));
    if (!typed->currency.empty()) {
      // The amount is counted in the charging point's currency, whatever was typed.
      central_pb::GetChargingPointRequest of;
      of.set_charging_point_id(options.point);
      const auto point = central.Call(central.points, &Central::Points::GetChargingPoint, of);
      if (!point.ok()) return point.status();
      if (point->price().currency() != typed->currency) {
        return absl::InvalidArgumentError(absl::StrCat("--target: ", Printable(options.point), " charges in ",
                                                       point->price().currency(), ", not in ", typed->currency));
      }
    }
    *request.mutable_target() = wire::ToProto(typed->target);
  }
  RandomIdSource ids;
  const Trace trace = NewTrace(ids);
  const auto session = central.Call(central.sessions, &Central::Sessions::StartSession, request, trace);
  // Of one that was denied, or of which nothing is known, the trace is all that there is to look for.
  if (!session.ok()) {
    return absl::Status(session.status().code(),
                        absl::StrCat(session.status().message(), " (trace_id ", TraceIdText(trace), ")"));
  }
  if (stop == nullptr) return PrintSession(session, out);
  return FollowSession(central, session->session_id(), *stop, out);
}

}  // namespace ev::evctl
