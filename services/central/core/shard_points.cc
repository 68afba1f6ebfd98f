// What is asked for: charging points, and why they are out of service.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/central/core/shard.h"

namespace ev::central {
namespace {

Failure UnknownPoint(const CpId& cp) {
  return Failure{absl::NotFoundError(absl::StrCat("no charging point ", cp.value())), "POINT_UNKNOWN"};
}

}  // namespace

void Shard::CreatePoint(const Moment& now, const CreatePointCall& call, Effects& out) {
  if (const auto it = requests_.find(call.request_key); !call.request_key.empty() && it != requests_.end()) {
    if (it->second.first.fingerprint != call.fingerprint) {
      out.push_back(Reply{call.call, ReusedRequestId()});
      return;
    }
    if (const Point* point = FindPoint(call.cp)) {
      out.push_back(Reply{call.call, View(*point, now)});
      return;
    }
  }
  if (FindPoint(call.cp) != nullptr) {
    out.push_back(
        Reply{call.call, Failure{absl::AlreadyExistsError(absl::StrCat("charging point ", call.cp.value(), " exists")),
                                 "POINT_EXISTS"}});
    return;
  }
  const Point& point = AddPoint({.id = call.cp,
                                 .location = call.location,
                                 .site = call.site,
                                 .price = call.price.value_or(config_.default_price),
                                 .causes = {},
                                 .link_epoch = {},
                                 .highest_grant = {},
                                 .booked_through = {},
                                 .registered = now.utc,
                                 .last_seen = absl::InfinitePast(),
                                 .journal_id = {}},
                                true);
  if (!call.request_key.empty()) {
    Remember(store::RequestRecord{.key = call.request_key, .fingerprint = call.fingerprint, .received = now.utc}, true);
  }
  out.push_back(Reply{call.call, View(point, now)});
  Announce(now, out);
}

void Shard::UpdatePoint(const Moment& now, const UpdatePointCall& call, Effects& out) {
  Point* point = FindPoint(call.cp);
  if (point == nullptr) {
    out.push_back(Reply{call.call, UnknownPoint(call.cp)});
    return;
  }
  ChargingPoint& record = point->record;
  if (call.location.has_value()) record.location = *call.location;
  if (call.site.has_value()) record.site = *call.site;
  if (call.price.has_value() && *call.price != record.price) {
    record.price = *call.price;
    SendConfiguration(*point, out);
  }
  Touch(*point);
  out.push_back(Reply{call.call, View(*point, now)});
  Announce(now, out);
}

void Shard::DeletePoint(const Moment& now, const PointCall& call, Effects& out) {
  Point* point = FindPoint(call.cp);
  if (point == nullptr) {
    out.push_back(Reply{call.call, UnknownPoint(call.cp)});
    return;
  }
  if (!point->open.empty()) {
    out.push_back(Reply{
        call.call, Failure{absl::FailedPreconditionError("a session of this charging point is open"), "SESSION_OPEN"}});
    return;
  }
  if (point->link.open) {
    out.push_back(
        Reply{call.call, Failure{absl::FailedPreconditionError(absl::StrCat(
                                     "charging point ", call.cp.value(),
                                     " is linked and would be registered anew at once: stop its Monitor first")),
                                 "POINT_LINKED"}});
    return;
  }
  highest_deleted_epoch_ = std::max(highest_deleted_epoch_, point->record.link_epoch);
  PointView view = View(*point, now);
  out.push_back(PointChanged{std::move(view), point->shown, true});
  out.push_back(Reply{call.call, Done{}});
  std::erase(dirty_points_, point);
  std::erase(touched_points_, point);
  deleted_points_.push_back(call.cp);
  points_.erase(call.cp);
  ++version_;
  Announce(now, out);
}

void Shard::GetPoint(const Moment& now, const PointCall& call, Effects& out) {
  if (const Point* point = FindPoint(call.cp)) {
    out.push_back(Reply{call.call, View(*point, now)});
  } else {
    out.push_back(Reply{call.call, UnknownPoint(call.cp)});
  }
}

void Shard::ListPoints(const Moment& now, const CallId& call, Effects& out) {
  std::vector<PointView> views;
  views.reserve(points_.size());
  for (const auto& [cp, point] : points_) views.push_back(View(*point, now));
  out.push_back(Reply{call, std::move(views)});
}

void Shard::SetCause(const Moment& now, const CauseCall& call, Effects& out) {
  const OutOfService entry{call.cause, call.who, call.reason, now.utc};
  if (call.cp.empty()) {
    if (ev::SetCause(state_.network_causes, entry)) {
      network_causes_changed_ = true;
      ++version_;
    }
  } else if (Point* point = FindPoint(call.cp)) {
    if (ev::SetCause(point->record.causes, entry)) Touch(*point);
  } else {
    out.push_back(Reply{call.call, UnknownPoint(call.cp)});
    return;
  }
  ApplyCauses(now, call, out);
}

void Shard::ClearCause(const Moment& now, const CauseCall& call, Effects& out) {
  if (call.cp.empty()) {
    if (ev::ClearCause(state_.network_causes, call.cause)) {
      network_causes_changed_ = true;
      ++version_;
    }
  } else if (Point* point = FindPoint(call.cp)) {
    if (ev::ClearCause(point->record.causes, call.cause)) Touch(*point);
  } else {
    out.push_back(Reply{call.call, UnknownPoint(call.cp)});
    return;
  }
  ApplyCauses(now, call, out);
}

// Tells the charging points concerned, ends what must not go on (TickPoint repeats that), and answers the caller.
void Shard::ApplyCauses(const Moment& now, const CauseCall& call, Effects& out) {
  std::vector<PointView> views;
  for (auto& [cp, point] : points_) {
    if (!call.cp.empty() && cp != call.cp) continue;
    SendConfiguration(*point, out);
    TouchView(*point);
    TickPoint(now, *point, out);
    views.push_back(View(*point, now));
  }
  if (call.cp.empty()) {
    out.push_back(Reply{call.call, std::move(views)});
  } else {
    out.push_back(Reply{call.call, std::move(views.front())});
  }
  Announce(now, out);
}

}  // namespace ev::central
