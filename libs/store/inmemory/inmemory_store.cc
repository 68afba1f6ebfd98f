#include "store/inmemory/inmemory_store.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "store/consistency.h"
#include "store/page_token.h"
#include "store/stored_time.h"

namespace ev::store {
namespace {

constexpr std::size_t kMaxGaps = 1000;

template <typename Map, typename Key>
auto Find(const Map& map, const Key& key, absl::string_view what) -> absl::StatusOr<typename Map::mapped_type> {
  const auto found = map.find(key);
  if (found == map.end()) return absl::NotFoundError(absl::StrCat("no such ", what));
  return found->second;
}

// Newest first, from below the token's row.
template <typename Record>
absl::StatusOr<Page<Record>> MakePage(std::vector<std::pair<PageKey, const Record*>> rows, int page_size,
                                      const std::string& page_token, absl::string_view scope) {
  const absl::Status size = CheckPageSize(page_size);
  if (!size.ok()) return size;
  if (!page_token.empty()) {
    const absl::StatusOr<PageKey> after = ParsePageToken(page_token, scope);
    if (!after.ok()) return after.status();
    rows.erase(std::remove_if(rows.begin(), rows.end(), [&](const auto& row) { return row.first >= *after; }),
               rows.end());
  }
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  Page<Record> page;
  const std::size_t count = std::min(rows.size(), static_cast<std::size_t>(page_size));
  for (std::size_t i = 0; i < count; ++i) page.items.push_back(*rows[i].second);
  if (rows.size() > count) page.next_page_token = MakePageToken(rows[count - 1].first, scope);
  return page;
}

}  // namespace

InMemoryStore::InMemoryStore(int shards, std::string id, absl::Time now)
    : shards_(shards),
      id_(std::move(id)),
      epochs_(static_cast<std::size_t>(shards)),
      network_causes_(static_cast<std::size_t>(shards)) {
  Restart(now);
}

void InMemoryStore::Restart(absl::Time now) {
  MutexLock lock(mutex_);
  incarnation_ = std::max(incarnation_ + 1, absl::ToUnixSeconds(now));
  fail_next_.reset();
  is_damaged_ = false;
  failure_ = absl::OkStatus();
}

void InMemoryStore::FailNextCommit(bool written) {
  MutexLock lock(mutex_);
  fail_next_ = written;
}

std::int64_t InMemoryStore::incarnation() const {
  MutexLock lock(mutex_);
  return incarnation_;
}

void InMemoryStore::Damage() {
  MutexLock lock(mutex_);
  is_damaged_ = true;
}

absl::Status InMemoryStore::CheckReadable() {
  if (!is_damaged_) return absl::OkStatus();
  const absl::Status damage = absl::DataLossError("store: damaged: injected");
  if (failure_.ok()) failure_ = damage;
  return damage;
}

absl::StatusOr<std::string> InMemoryStore::KafkaClusterId() {
  MutexLock lock(mutex_);
  if (auto readable = CheckReadable(); !readable.ok()) return readable;
  return kafka_cluster_id_;
}

absl::Status InMemoryStore::SetKafkaClusterId(absl::string_view id) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  kafka_cluster_id_ = std::string(id);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ShardState>> InMemoryStore::TakeShards(absl::string_view /*owner*/,
                                                                  absl::string_view /*address*/) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  std::vector<ShardState> states(static_cast<std::size_t>(shards_));
  for (std::size_t i = 0; i < states.size(); ++i) {
    states[i].shard = static_cast<int>(i);
    states[i].epoch = ++epochs_[i];
    states[i].network_causes = network_causes_[i];
  }
  const auto state_of = [&](int shard) -> ShardState& { return states[static_cast<std::size_t>(shard)]; };
  for (const auto& [partition, row] : offsets_) {
    state_of(row.shard).offsets.push_back({partition.first, partition.second, row.next});
  }
  for (const auto& [id, point] : points_) state_of(point.shard).points.push_back(point.record);
  for (const auto& [id, session] : sessions_) {
    if (IsOpen(session.record.state)) state_of(session.shard).open_sessions.push_back(session.record);
  }
  for (ShardState& state : states) {  // Oldest first; equal ones stay in the order of their ids.
    std::stable_sort(state.open_sessions.begin(), state.open_sessions.end(),
                     [](const Session& a, const Session& b) { return a.requested < b.requested; });
  }
  return states;
}

std::vector<absl::Status> InMemoryStore::Commit(absl::Span<const ShardBatch> batches) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return std::vector<absl::Status>(batches.size(), failure_);
  std::vector<absl::Status> statuses;
  const bool lost = fail_next_.has_value() && !*fail_next_;
  for (const ShardBatch& batch : batches) {
    if (lost) break;
    statuses.push_back(Check(batch));
    if (statuses.back().ok()) Apply(batch);
  }
  if (!fail_next_.has_value()) return statuses;
  failure_ = absl::InternalError("store: closed for writing since a commit with an unknown outcome");
  return std::vector<absl::Status>(batches.size(), absl::UnknownError("outcome of the commit is not known: injected"));
}

absl::Status InMemoryStore::Check(const ShardBatch& batch) const {
  if (batch.shard < 0 || batch.shard >= shards_ || epochs_[static_cast<std::size_t>(batch.shard)] != batch.epoch) {
    return absl::AbortedError(absl::StrCat("shard ", batch.shard, ": epoch ", batch.epoch, " is not the owner's"));
  }
  std::map<Partition, OffsetRow> offsets;  // As they would be, of those that the batch names.
  for (const OffsetAdvance& advance : batch.offsets) {
    const Partition partition(advance.topic, advance.partition);
    auto row = offsets.find(partition);
    if (row == offsets.end()) {
      const auto stored = offsets_.find(partition);
      const OffsetRow first{batch.shard, advance.base};
      row = offsets.emplace(partition, stored == offsets_.end() ? first : stored->second).first;
    }
    if (row->second.shard != batch.shard || row->second.next != advance.base) {
      return absl::AbortedError(absl::StrCat("shard ", batch.shard, ": the next offset of ", advance.topic, " ",
                                             advance.partition, " is not ", advance.base));
    }
    row->second.next = advance.next;
  }
  std::map<std::string, const Ticket*> by_id;
  std::map<std::pair<SessionId, TicketKind>, const Ticket*> by_session;
  for (const Ticket& ticket : batch.tickets) {
    const std::pair<SessionId, TicketKind> key(ticket.session, ticket.kind);
    const Ticket* same_id = by_id.emplace(ticket.id, &ticket).first->second;
    const Ticket* same_key = by_session.emplace(key, &ticket).first->second;
    if (const auto stored = tickets_.find(ticket.id); stored != tickets_.end()) same_id = &stored->second;
    if (const auto stored = ticket_ids_.find(key); stored != ticket_ids_.end()) same_key = &tickets_.at(stored->second);
    if (*same_id != ticket || *same_key != ticket) {
      return absl::InvalidArgumentError(absl::StrCat("ticket ", ticket.id, " of session ", ticket.session.value(),
                                                     " is already there with other figures"));
    }
  }
  return absl::OkStatus();
}

void InMemoryStore::Apply(const ShardBatch& batch) {
  for (const OffsetAdvance& advance : batch.offsets) {
    offsets_[{advance.topic, advance.partition}] = {batch.shard, advance.next};
  }
  if (batch.network_causes.has_value()) network_causes_[static_cast<std::size_t>(batch.shard)] = *batch.network_causes;
  for (const CpId& cp : batch.deleted_points) points_.erase(cp);
  for (const ChargingPoint& point : batch.points) points_[point.id] = {batch.shard, point};
  for (const Session& session : batch.sessions) sessions_[session.id] = {batch.shard, session};
  for (const Ticket& ticket : batch.tickets) {
    tickets_.emplace(ticket.id, ticket);
    ticket_ids_.emplace(std::pair(ticket.session, ticket.kind), ticket.id);
  }
  for (const RequestRecord& request : batch.requests) requests_[request.key] = request;
  for (const RefusalRecord& refusal : batch.refusals) refusals_[{refusal.session, refusal.final}] = refusal;
  for (const OutboxRecord& record : batch.outbox) {
    std::int64_t& position = outbox_positions_[record.id];
    outbox_.erase(position);
    position = ++last_position_;
    outbox_.emplace(position, record);
  }
  gaps_.insert(gaps_.end(), batch.gaps.begin(), batch.gaps.end());
}

absl::StatusOr<Session> InMemoryStore::FindSession(const SessionId& id) {
  MutexLock lock(mutex_);
  if (auto readable = CheckReadable(); !readable.ok()) return readable;
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return absl::NotFoundError("no such session");
  return found->second.record;
}

absl::StatusOr<RequestRecord> InMemoryStore::FindRequest(absl::string_view key) {
  MutexLock lock(mutex_);
  if (auto readable = CheckReadable(); !readable.ok()) return readable;
  return Find(requests_, std::string(key), "request");
}

absl::StatusOr<Ticket> InMemoryStore::FindTicket(absl::string_view id) {
  MutexLock lock(mutex_);
  if (auto readable = CheckReadable(); !readable.ok()) return readable;
  return Find(tickets_, std::string(id), "ticket");
}

absl::StatusOr<std::vector<RefusalRecord>> InMemoryStore::FindRefusals(const SessionId& id) {
  MutexLock lock(mutex_);
  if (auto readable = CheckReadable(); !readable.ok()) return readable;
  std::vector<RefusalRecord> found;
  for (const bool final : {false, true}) {
    const auto refusal = refusals_.find({id, final});
    if (refusal != refusals_.end()) found.push_back(refusal->second);
  }
  return found;
}

absl::StatusOr<Page<Session>> InMemoryStore::ListSessions(const SessionFilter& filter) {
  MutexLock lock(mutex_);
  if (auto readable = CheckReadable(); !readable.ok()) return readable;
  std::vector<std::pair<PageKey, const Session*>> rows;
  for (const auto& [id, row] : sessions_) {
    const Session& session = row.record;
    if (!filter.driver.empty() && session.driver != filter.driver) continue;
    if (!filter.cp.empty() && session.cp != filter.cp) continue;
    const bool any_state = filter.states.empty();
    if (!any_state && std::count(filter.states.begin(), filter.states.end(), session.state) == 0) continue;
    rows.push_back({{ToStoredNanos(session.requested), id.value()}, &session});
  }
  return MakePage(std::move(rows), filter.page_size, filter.page_token, PageScope(id_, filter));
}

absl::StatusOr<Page<Ticket>> InMemoryStore::ListTickets(const TicketFilter& filter) {
  MutexLock lock(mutex_);
  if (auto readable = CheckReadable(); !readable.ok()) return readable;
  std::vector<std::pair<PageKey, const Ticket*>> rows;
  for (const auto& [id, ticket] : tickets_) {
    if (!filter.driver.empty() && ticket.driver != filter.driver) continue;
    if (!filter.cp.empty() && ticket.cp != filter.cp) continue;
    if (!filter.session.empty() && ticket.session != filter.session) continue;
    if (ticket.issued < filter.from || ticket.issued >= filter.to) continue;
    rows.push_back({{ToStoredNanos(ticket.issued), id}, &ticket});
  }
  return MakePage(std::move(rows), filter.page_size, filter.page_token, PageScope(id_, filter));
}

absl::StatusOr<std::vector<GapRecord>> InMemoryStore::ListGaps() {
  MutexLock lock(mutex_);
  if (auto readable = CheckReadable(); !readable.ok()) return readable;
  std::vector<GapRecord> newest(gaps_.rbegin(), gaps_.rend());
  std::stable_sort(newest.begin(), newest.end(),
                   [](const GapRecord& a, const GapRecord& b) { return a.found > b.found; });
  if (newest.size() > kMaxGaps) newest.resize(kMaxGaps);
  return newest;
}

absl::StatusOr<std::vector<StoredOutboxRecord>> InMemoryStore::ReadOutbox(std::int64_t after, int limit) {
  MutexLock lock(mutex_);
  if (auto readable = CheckReadable(); !readable.ok()) return readable;
  std::vector<StoredOutboxRecord> records;
  for (auto row = outbox_.upper_bound(after); row != outbox_.end(); ++row) {
    if (static_cast<int>(records.size()) >= limit) break;
    records.push_back({row->first, row->second});
  }
  return records;
}

absl::Status InMemoryStore::DeleteOutbox(absl::Span<const std::int64_t> positions) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  for (const std::int64_t position : positions) {
    const auto row = outbox_.find(position);
    if (row == outbox_.end()) continue;
    outbox_positions_.erase(row->second.id);
    outbox_.erase(row);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> InMemoryStore::OutboxSize() {
  MutexLock lock(mutex_);
  if (auto readable = CheckReadable(); !readable.ok()) return readable;
  return static_cast<std::int64_t>(outbox_.size());
}

absl::Status InMemoryStore::DeleteRequestsBefore(absl::Time time) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  for (auto row = requests_.begin(); row != requests_.end();) {
    row = row->second.received < time ? requests_.erase(row) : std::next(row);
  }
  return absl::OkStatus();
}

absl::StatusOr<Pruned> InMemoryStore::Prune(absl::Time time, int limit, bool dry_run) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  Pruned pruned;
  for (auto row = sessions_.begin(); row != sessions_.end() && pruned.sessions < limit;) {
    const Session& session = row->second.record;
    const bool is_void = session.state == SessionState::kDenied || session.state == SessionState::kExpired;
    const bool is_measured =
        session.start_booked || session.final_booked || session.sequence >= 0 || session.energy_mwh != 0;
    const bool goes = is_void && !is_measured && !session.written_off && session.requested < time &&
                      session.updated < time && !ticket_ids_.contains({session.id, TicketKind::kFinal});
    if (goes) ++pruned.sessions;
    row = goes && !dry_run ? sessions_.erase(row) : std::next(row);
  }
  for (auto row = refusals_.begin(); row != refusals_.end() && pruned.refusals < limit;) {
    const bool goes = row->second.refused < time;
    if (goes) ++pruned.refusals;
    row = goes && !dry_run ? refusals_.erase(row) : std::next(row);
  }
  return pruned;
}

absl::Status InMemoryStore::CheckMedium() {
  MutexLock lock(mutex_);
  return failure_;
}

absl::Status InMemoryStore::CheckIntegrity() {
  MutexLock lock(mutex_);
  const auto wrong = [](absl::string_view what, absl::string_view where) {
    return absl::DataLossError(absl::StrCat("store: ", what, ": ", where));
  };
  for (const auto& [id, row] : sessions_) {
    const Session& session = row.record;
    if (session.state == SessionState::kCompleted && ticket_ids_.count({id, TicketKind::kFinal}) == 0) {
      return wrong("a completed session has no ticket", id.value());
    }
    const auto point = points_.find(session.cp);
    if (point == points_.end()) continue;
    if (IsOpen(session.state) && session.number <= point->second.record.booked_through) {
      return wrong("a session is open at or below its charging point's booked-through number", id.value());
    }
    if (row.shard != point->second.shard) {
      return wrong("a session's shard is not its charging point's", id.value());
    }
  }
  for (const auto& [id, ticket] : tickets_) {
    const auto session = sessions_.find(ticket.session);
    if (session == sessions_.end() || session->second.record.state != SessionState::kCompleted ||
        session->second.record.driver != ticket.driver || session->second.record.cp != ticket.cp) {
      return wrong("a ticket does not agree with its session", id);
    }
    if (!BillAddsUp(ticket)) return wrong("a ticket's amount is not its energy times its price", id);
  }
  for (const auto& [partition, row] : offsets_) {
    if (row.next < 0) return wrong("an offset is negative", partition.first);
  }
  return absl::OkStatus();
}

}  // namespace ev::store
