#include "services/central/core/shard.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace ev::central {
namespace {

std::string FaultText(const EngineReport& report) {
  if (report.health == EngineHealth::kSilent) return "the Engine does not answer";
  if (!report.fault.empty()) return report.fault;
  return "the Engine has not taken its configuration";
}

}  // namespace

Shard::Shard(const ShardConfig& config, store::ShardState state, std::int64_t incarnation, IdSource& ids)
    : config_(config),
      state_(std::move(state)),
      incarnation_(incarnation),
      ids_(ids),
      dedup_(config.dedup_window, config.dedup_seed) {
  for (ChargingPoint& record : state_.points) AddPoint(std::move(record), false);
  state_.points.clear();
  for (const store::Offset& offset : state_.offsets) {
    offsets_[{offset.topic, offset.partition}] = {offset.topic, offset.partition, offset.next, offset.next};
  }
  for (Session& session : state_.open_sessions) {
    SessionRow& row = AddSession(std::move(session));
    row.announced = row.session.state;
    // The answer to what was asked before this start is lost: a beat or a fact will tell.
    if (row.session.state == SessionState::kRequested) {
      row.session.state = SessionState::kUnconfirmed;
      Touch(row);
    }
  }
  state_.open_sessions.clear();
}

// --- memory ----------------------------------------------------------------------------------------------------------

Shard::Point* Shard::FindPoint(const CpId& cp) {
  const auto it = points_.find(cp);
  return it == points_.end() ? nullptr : it->second.get();
}

Shard::SessionRow* Shard::FindRow(const SessionId& id) {
  const auto it = sessions_.find(id);
  return it == sessions_.end() ? nullptr : it->second.get();
}

Trace Shard::TraceOf(const SessionId& id) const {
  const auto it = sessions_.find(id);
  return it == sessions_.end() ? Trace() : it->second->session.trace;
}

Shard::Point& Shard::AddPoint(ChargingPoint record, bool is_new) {
  std::erase(deleted_points_, record.id);  // Its new row takes the place of the old one.
  auto point = std::make_unique<Point>();
  point->record = std::move(record);
  point->last_seen = point->record.last_seen;
  point->is_new = is_new;
  Point& added = *point;
  points_[added.record.id] = std::move(point);
  if (is_new) Touch(added);
  return added;
}

Shard::SessionRow& Shard::AddSession(Session session) {
  auto row = std::make_unique<SessionRow>();
  row->session = std::move(session);
  const Session& s = row->session;
  if (IsOpen(s.state)) {
    if (Point* point = FindPoint(s.cp)) {
      point->open.insert({s.number, s.id});
      if (HoldsPoint(s.state)) point->holder = s.id;
    }
  } else {
    closed_.push_back(s.id);
  }
  SessionRow& added = *row;
  sessions_[s.id] = std::move(row);
  return added;
}

void Shard::Touch(SessionRow& row) {
  row.session.revision = {incarnation_, ++revision_};
  row.changed_version = ++version_;
  if (!std::exchange(row.dirty, true)) dirty_sessions_.push_back(&row);
  if (!std::exchange(row.touched, true)) touched_sessions_.push_back(&row);
}

void Shard::Touch(Point& point) {
  ++version_;
  if (!std::exchange(point.dirty, true)) dirty_points_.push_back(&point);
  TouchView(point);
}

void Shard::TouchView(Point& point) {
  if (!std::exchange(point.touched, true)) touched_points_.push_back(&point);
}

bool Shard::Move(const Moment& now, SessionRow& row, SessionState to) {
  Session& session = row.session;
  if (session.state == to) return true;
  if (!CanMove(session.state, to)) return false;
  const bool was_open = IsOpen(session.state);
  session.state = to;
  session.updated = std::max(session.updated, now.utc);
  if (to != SessionState::kCharging) session.power_w = 0;
  Touch(row);

  Point* point = FindPoint(session.cp);
  if (point == nullptr) return true;
  if (!HoldsPoint(to) && point->holder == session.id) point->holder = SessionId();
  TouchView(*point);
  if (was_open && !IsOpen(to)) {
    point->open.erase({session.number, session.id});
    closed_.push_back(session.id);
    ChargingPoint& record = point->record;
    record.booked_through =
        point->open.empty() ? record.highest_grant : GrantNumber(point->open.begin()->first.value() - 1);
    Touch(*point);
  }
  return true;
}

// --- rows that are not in memory -------------------------------------------------------------------------------------

RowKeys Shard::Missing(const RowKeys& wanted) const {
  RowKeys missing;
  missing.evictions = evictions_;
  const auto want_session = [&](const SessionId& id) {
    const auto it = sessions_.find(id);
    const bool is_known = it != sessions_.end() ? it->second->has_refusals : refusals_.contains(id);
    if (!id.empty() && !is_known) missing.sessions.push_back(id);
  };
  for (const SessionId& id : wanted.sessions) want_session(id);
  for (const std::string& key : wanted.requests) {
    const auto it = requests_.find(key);
    if (it == requests_.end()) {
      missing.requests.push_back(key);
    } else {
      want_session(it->second.first.session);
    }
  }
  return missing;
}

bool Shard::Admit(const RowKeys& keys, FetchedRows rows) {
  // Between the read and now a row may have come, changed and left again: then what was read is old.
  if (keys.evictions != evictions_) return false;
  for (Session& session : rows.sessions) {
    if (sessions_.contains(session.id)) continue;
    SessionRow& row = AddSession(std::move(session));
    row.announced = row.session.state;
  }
  for (store::RequestRecord& record : rows.requests) {
    if (!requests_.contains(record.key)) Remember(std::move(record), false);
  }
  for (store::RefusalRecord& record : rows.refusals) {
    const auto it = refusals_.find(record.session);
    const bool is_known =
        it != refusals_.end() && std::any_of(it->second.records.begin(), it->second.records.end(),
                                             [&](const auto& known) { return known.final == record.final; });
    if (!is_known) Remember(std::move(record), false);
  }
  for (const SessionId& id : keys.sessions) {
    if (SessionRow* row = FindRow(id)) row->has_refusals = true;
  }
  return true;
}

void Shard::Remember(store::RequestRecord record, bool is_new) {
  if (is_new) {
    ++version_;
    new_requests_.push_back(record);
  }
  request_order_.push_back(record.key);
  std::string key = record.key;
  requests_[std::move(key)] = {std::move(record), version_};
}

void Shard::Remember(store::RefusalRecord record, bool is_new) {
  if (is_new) {
    ++version_;
    new_refusals_.push_back(record);
  }
  const SessionId id = record.session;
  auto [it, is_first] = refusals_.try_emplace(id);
  if (is_first && !sessions_.contains(id)) refusal_order_.push_back(id);
  std::erase_if(it->second.records, [&](const auto& older) { return older.final == record.final; });
  it->second.records.push_back(std::move(record));
  it->second.changed_version = version_;
}

// Only what is durable may be forgotten: a read must find it in the store.
void Shard::EvictRecent() {
  while (closed_.size() > config_.recent_rows && EvictSession(closed_.front())) closed_.pop_front();
  while (request_order_.size() > config_.recent_rows) {
    const auto it = requests_.find(request_order_.front());
    if (it != requests_.end()) {
      if (it->second.second > durable_version_) break;
      requests_.erase(it);
      ++evictions_;
    }
    request_order_.pop_front();
  }
  while (refusal_order_.size() > config_.recent_rows) {
    if (const auto it = refusals_.find(refusal_order_.front()); it != refusals_.end()) {
      if (it->second.changed_version > durable_version_) break;
      refusals_.erase(it);
      ++evictions_;
    }
    refusal_order_.pop_front();
  }
}

bool Shard::EvictSession(const SessionId& id) {
  const auto row = sessions_.find(id);
  if (row->second->changed_version > durable_version_ || row->second->touched) return false;
  if (const auto it = refusals_.find(id); it != refusals_.end()) {
    if (it->second.changed_version > durable_version_) return false;
    refusals_.erase(it);
  }
  sessions_.erase(row);
  ++evictions_;
  return true;
}

// --- what is shown ---------------------------------------------------------------------------------------------------

bool Shard::IsFresh(const Point& point, const Moment& now) const {
  return now.monotonic - point.last_beat < config_.link_silence;
}

PointState Shard::StateOf(const Point& point, const Moment& now) const {
  const auto holder = sessions_.find(point.holder);
  const bool held = holder != sessions_.end();
  const bool occupied = point.is_report_valid && point.report.occupation.has_value();
  return ShownState({
      .link_fresh = IsFresh(point, now),
      .engine_healthy = point.is_report_valid && point.report.health == EngineHealth::kHealthy,
      .out_of_service = !point.record.causes.empty() || !state_.network_causes.empty(),
      .reserved = held || occupied,
      .charging = (held && holder->second->session.state == SessionState::kCharging) ||
                  (occupied && point.report.occupation->phase == Phase::kCharging),
  });
}

std::vector<OutOfService> Shard::CausesOf(const Point& point) const {
  std::vector<OutOfService> causes = point.record.causes;
  causes.insert(causes.end(), state_.network_causes.begin(), state_.network_causes.end());
  return causes;
}

PointView Shard::View(const Point& point, const Moment& now) {
  PointView view{
      .record = point.record,
      .causes = CausesOf(point),
      .state = StateOf(point, now),
      .last_state = point.last_state,
      .health = IsFresh(point, now) ? point.report.health : EngineHealth::kUnknown,
      .fault = {},
      .last_seen = point.last_seen,
      .monitor_version = point.link.monitor_version,
      .journal_room = point.report.journal_room,
      .journal_full = point.is_report_valid && point.report.journal_full,
      .unsettled_total = point.report.unsettled_total,
      .kafka_fault = IsFresh(point, now) ? point.report.kafka_fault : "",
      .waiting_for = {},
      .session = std::nullopt,
      // Of two looks the later has the higher, also when nothing of the record has changed.
      .revision = {incarnation_, ++revision_},
  };
  if (view.state == PointState::kFaulted) view.fault = FaultText(point.report);
  if (const auto it = sessions_.find(point.holder); it != sessions_.end()) view.session = it->second->session;
  const auto& occupation = point.report.occupation;
  if (view.session && occupation && occupation->session == view.session->id) view.waiting_for = occupation->waiting_for;
  return view;
}

void Shard::Announce(const Moment& now, Effects& out) {
  for (std::size_t i = 0; i < touched_points_.size(); ++i) {
    Point& point = *touched_points_[i];
    PointChanged change{.point = View(point, now), .previous = std::nullopt};
    if (!std::exchange(point.is_new, false)) change.previous = point.shown;
    const PointState before = std::exchange(point.shown, change.point.state);
    if (before != point.shown) {
      if (point.shown == PointState::kDisconnected) {
        change.point.last_state = point.last_state = before;
        RaiseAlert(now, AlertKind::kLinkLost, point.record.id, SessionId(), "no beat from the Monitor");
      } else if (point.shown == PointState::kFaulted) {
        const bool is_silent = point.report.health == EngineHealth::kSilent;
        RaiseAlert(now, is_silent ? AlertKind::kEngineSilent : AlertKind::kPointFaulted, point.record.id, SessionId(),
                   FaultText(point.report));
      }
      // Its drivers are told what became of the charging point, and when that is over.
      for (const auto& [number, id] : point.open) {
        SessionRow& row = *FindRow(id);
        if (NoticeFor(row.session.state, before) == NoticeFor(row.session.state, point.shown)) continue;
        Touch(row);
        const bool is_transition = row.announced != row.session.state;  // Which is told below.
        if (config_.kafka_enabled && !is_transition) {
          outbox_.push_back(StatusUpdate{row.session, point.shown, std::nullopt, outbox_full_});
        }
      }
    }
    point.touched = false;
    out.push_back(std::move(change));
  }
  touched_points_.clear();

  for (SessionRow* row : touched_sessions_) {
    row->touched = false;
    AnswerWaiting(*row, out);
    const Session& session = row->session;
    SessionChanged change{.session = session, .previous = row->announced};
    if (const Point* point = FindPoint(session.cp)) change.point = point->shown;
    for (const Ticket& ticket : fresh_tickets_) {
      if (ticket.session == session.id) change.ticket = ticket;
    }
    const bool is_transition = row->announced != session.state;
    row->announced = session.state;
    if (is_transition && config_.kafka_enabled) {
      if (outbox_full_ && session.state == SessionState::kDenied) {
        ++counters_.denials_dropped;
      } else {
        outbox_.push_back(StatusUpdate{session, change.point, change.ticket, outbox_full_});
        ++version_;
      }
    }
    out.push_back(std::move(change));
  }
  touched_sessions_.clear();
  fresh_tickets_.clear();
  for (AlertRaised& alert : raised_) out.push_back(std::move(alert));
  raised_.clear();
}

void Shard::RaiseAlert(const Moment& now, AlertKind kind, const CpId& cp, const SessionId& session, std::string text) {
  const Trace trace = TraceOf(session);
  raised_.push_back({kind, cp, session, text, trace});
  ++version_;
  if (!config_.kafka_enabled || outbox_full_) return;
  outbox_.push_back(Alert{kind, cp, session, std::move(text), now.utc, ToHex(ids_.NewMessageId(now.utc)), trace});
}

// --- the committer's side --------------------------------------------------------------------------------------------

Shard::Batch Shard::TakeBatch() {
  Batch batch;
  batch.version = taken_version_ = version_;
  store::ShardBatch& rows = batch.rows;
  rows.shard = state_.shard;
  rows.epoch = state_.epoch;
  if (std::exchange(network_causes_changed_, false)) rows.network_causes = state_.network_causes;
  for (Point* point : dirty_points_) {
    point->dirty = false;
    rows.points.push_back(point->record);
  }
  dirty_points_.clear();
  for (SessionRow* row : dirty_sessions_) {
    row->dirty = false;
    rows.sessions.push_back(row->session);
  }
  dirty_sessions_.clear();
  rows.deleted_points = std::exchange(deleted_points_, {});
  rows.tickets = std::exchange(tickets_, {});
  rows.requests = std::exchange(new_requests_, {});
  rows.refusals = std::exchange(new_refusals_, {});
  rows.gaps = std::exchange(gaps_, {});
  for (auto& [key, offset] : offsets_) {
    if (offset.base == offset.next) continue;
    rows.offsets.push_back(offset);
    offset.base = offset.next;
  }
  batch.outbox = std::exchange(outbox_, {});
  EvictRecent();
  return batch;
}

// --- figures ---------------------------------------------------------------------------------------------------------

std::int64_t Shard::links() const {
  return std::count_if(points_.begin(), points_.end(), [](const auto& p) { return p.second->link.open; });
}

PointState Shard::shown(const CpId& cp) const {
  const auto it = points_.find(cp);
  return it == points_.end() ? PointState::kDisconnected : it->second->shown;
}

std::int64_t Shard::PointsIn(PointState state) const {
  return std::count_if(points_.begin(), points_.end(), [&](const auto& p) { return p.second->shown == state; });
}

std::int64_t Shard::SessionsIn(SessionState state) const {
  return std::count_if(sessions_.begin(), sessions_.end(),
                       [&](const auto& s) { return s.second->session.state == state; });
}

}  // namespace ev::central
