#include "services/central/adapters/watch_hub.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/stop_pause.h"
#include "evcharging/central/v1/charging_point_service.pb.h"
#include "evcharging/central/v1/session_service.pb.h"
#include "services/central/adapters/codec.h"
#include "services/central/adapters/shard_call.h"
#include "services/central/adapters/store_reads.h"
#include "services/central/adapters/watcher.h"
#include "wire/common_codec.h"

namespace ev::central {
namespace {

namespace pb = evcharging::central::v1;

using PointWatcher = Watcher<pb::WatchChargingPointsResponse, PointView>;
using SessionWatcher = Watcher<pb::WatchSessionsResponse, Session>;

constexpr int kSnapshotPage = 1000;

bool Matches(const PointFilter& filter, const ChargingPoint& point) {
  return (filter.cp.empty() || filter.cp == point.id) && (filter.site.empty() || filter.site == point.site);
}

bool Matches(const SessionFilter& filter, const Session& session) {
  return (filter.driver.empty() || filter.driver == session.driver) && (filter.cp.empty() || filter.cp == session.cp) &&
         (filter.session.empty() || filter.session == session.id);
}

// Who watches one kind of thing. Readers come and go seldom, changes come all the time: a change goes through the list
// as it was when it began, without the lock.
template <typename Filter, typename Stream>
class Readers {
 public:
  struct Reader {
    Filter filter;
    std::shared_ptr<Stream> stream;
  };
  void Add(Filter filter, std::shared_ptr<Stream> stream) {
    MutexLock lock(mutex_);
    auto list = std::make_shared<std::vector<Reader>>(*list_);
    list->push_back({std::move(filter), std::move(stream)});
    list_ = std::move(list);
  }

  void Remove(const Stream* stream) {
    std::shared_ptr<const std::vector<Reader>> old;  // Freed without the lock.
    MutexLock lock(mutex_);
    auto list = std::make_shared<std::vector<Reader>>(*list_);
    std::erase_if(*list, [&](const Reader& reader) { return reader.stream.get() == stream; });
    old = std::exchange(list_, std::move(list));
  }

  // Calls visit(reader) for each.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    // A name of its own: a temporary would be gone before the first turn of the loop, and the list perhaps with it.
    const std::shared_ptr<const std::vector<Reader>> list = List();
    for (const Reader& reader : *list) visit(reader);
  }

 private:
  std::shared_ptr<const std::vector<Reader>> List() const {
    MutexLock lock(mutex_);
    return list_;
  }

  mutable Mutex mutex_;
  std::shared_ptr<const std::vector<Reader>> list_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<const std::vector<Reader>>();
};

// Makes a stream that leaves `readers` when it ends.
template <typename Stream, typename R>
std::shared_ptr<Stream> MakeStream(rpc::LiveStreams& streams, std::size_t bound, typename Stream::Encode encode,
                                   R& readers) {
  // Set before the stream is given to gRPC, so before it can end.
  auto raw = std::make_shared<const Stream*>(nullptr);
  auto stream = Stream::Make(streams, bound, std::move(encode), [&readers, raw] { readers.Remove(*raw); });
  *raw = stream.get();
  return stream;
}

}  // namespace

struct WatchHub::Impl {
  rpc::LiveStreams& streams;
  Readers<PointFilter, PointWatcher> points;
  Readers<SessionFilter, SessionWatcher> sessions;
};

WatchHub::WatchHub(const WatchOptions& options, ShardHost& host, const Clock& clock, rpc::LiveStreams& streams)
    : options_(options), host_(host), clock_(clock), impl_(new Impl{.streams = streams, .points = {}, .sessions = {}}) {
  heartbeat_ = std::jthread([this](const std::stop_token& stop) { HeartbeatLoop(stop); });
}

WatchHub::~WatchHub() = default;

// --- charging points -------------------------------------------------------------------------------------------------

grpc::ServerWriteReactor<pb::WatchChargingPointsResponse>* WatchHub::WatchPoints(absl::StatusOr<PointFilter> filter) {
  const auto encode = [](const PointView& view) {
    pb::WatchChargingPointsResponse message;
    *message.mutable_charging_point() = ToProto(view);
    return message;
  };
  const auto stream = MakeStream<PointWatcher>(impl_->streams, options_.bound, encode, impl_->points);
  if (!filter.ok() || host_.RefusesCalls()) {
    stream->Close(filter.ok() ? Overloaded() : filter.status());
    return stream.get();
  }
  // First listen, then look: what changes in between is there twice, and its revision says so.
  impl_->points.Add(*filter, stream);
  auto missing = std::make_shared<std::atomic<int>>(filter->cp.empty() ? host_.shards() : 1);
  const auto take = [stream, filter = *filter, missing](const CallResult& result) {
    std::vector<PointWatcher::SnapshotItem> items;
    const auto add = [&](const PointView& view) {
      if (Matches(filter, view.record)) items.push_back({view.record.id.value(), view.revision, view});
    };
    if (const auto* views = std::get_if<std::vector<PointView>>(&result)) {
      std::for_each(views->begin(), views->end(), add);
    } else if (const auto* view = std::get_if<PointView>(&result)) {
      add(*view);
    } else if (const auto* failure = std::get_if<Failure>(&result);
               failure != nullptr && !absl::IsNotFound(failure->status)) {
      return stream->Close(AskAgain(ToStatus(*failure)));
    }
    stream->AddToSnapshot(std::move(items));
    if (--*missing == 0) stream->CompleteSnapshot();
  };
  for (int shard = 0; shard < host_.shards(); ++shard) {
    if (!filter->cp.empty() && shard != host_.ShardOf(filter->cp)) continue;
    const CallId id = host_.Await(take);
    const absl::Status applied = host_.Apply(shard, [&](Shard& at, const Moment& now, Effects& out) {
      if (filter->cp.empty()) {
        at.ListPoints(now, id, out);
      } else {
        at.GetPoint(now, {.call = id, .cp = filter->cp}, out);
      }
    });
    if (applied.ok()) continue;
    host_.Forget(id);
    stream->Close(AskAgain(applied));
    break;
  }
  return stream.get();
}

void WatchHub::OnPoint(const PointChanged& change) {
  std::shared_ptr<const pb::WatchChargingPointsResponse> message;
  impl_->points.ForEach([&](const auto& reader) {
    if (!Matches(reader.filter, change.point.record)) return;
    if (message == nullptr) {
      auto made = std::make_shared<pb::WatchChargingPointsResponse>();
      if (change.deleted) {
        made->set_deleted_charging_point_id(change.point.record.id.value());
      } else {
        *made->mutable_changed() = ToProto(change.point);
      }
      message = std::move(made);
    }
    reader.stream->Push(change.point.record.id.value(), change.point.revision, message);
  });
}

// --- sessions --------------------------------------------------------------------------------------------------------

grpc::ServerWriteReactor<pb::WatchSessionsResponse>* WatchHub::WatchSessions(absl::StatusOr<SessionFilter> filter) {
  const auto encode = [this](const Session& session) {
    pb::WatchSessionsResponse message;
    const PointState point = host_.ShownState(session.cp);
    if (auto proto = WithTickets(host_.store(), session, point); proto.ok()) {
      *message.mutable_session() = *std::move(proto);
    } else {
      *message.mutable_session() = ToProto(session, point);  // The ticket can be asked for.
    }
    return message;
  };
  const auto stream = MakeStream<SessionWatcher>(impl_->streams, options_.bound, encode, impl_->sessions);
  if (!filter.ok()) {
    stream->Close(filter.status());
    return stream.get();
  }
  impl_->sessions.Add(*filter, stream);
  // The store holds every session of which anybody has been told: what is open there is the snapshot.
  const auto add = [&](std::vector<Session> sessions) {
    std::vector<SessionWatcher::SnapshotItem> items;
    for (Session& session : sessions) {
      if (Matches(*filter, session)) items.push_back({session.id.value(), session.revision, std::move(session)});
    }
    stream->AddToSnapshot(std::move(items));
  };
  if (!filter->session.empty()) {
    auto session = FindSession(host_.store(), filter->session);
    if (!session.ok()) {
      stream->Close(session.status());
      return stream.get();
    }
    add({*std::move(session)});
    stream->CompleteSnapshot();
    return stream.get();
  }
  store::SessionFilter open{
      .driver = filter->driver, .cp = filter->cp, .states = OpenStates(), .page_size = kSnapshotPage, .page_token = {}};
  do {
    auto page = host_.store().ListSessions(open);
    if (!page.ok()) {
      stream->Close(AskAgain(page.status()));
      return stream.get();
    }
    add(std::move(page->items));
    open.page_token = page->next_page_token;
  } while (!open.page_token.empty());
  stream->CompleteSnapshot();
  return stream.get();
}

void WatchHub::OnSession(const SessionChanged& change) {
  std::shared_ptr<const pb::WatchSessionsResponse> message;
  impl_->sessions.ForEach([&](const auto& reader) {
    if (!Matches(reader.filter, change.session)) return;
    if (message == nullptr) {
      auto made = std::make_shared<pb::WatchSessionsResponse>();
      pb::Session* session = made->mutable_changed();
      if (change.ticket.has_value() && change.ticket->kind == TicketKind::kFinal) {
        *session = ToProto(change.session, change.point);
        *session->mutable_ticket() = wire::ToProto(*change.ticket);
      } else if (auto proto = WithTickets(host_.store(), change.session, change.point); proto.ok()) {
        *session = *std::move(proto);  // Reads only for what changes after its end, which is seldom.
      } else {
        *session = ToProto(change.session, change.point);
      }
      message = std::move(made);
    }
    reader.stream->Push(change.session.id.value(), change.session.revision, message);
  });
}

// --- time ------------------------------------------------------------------------------------------------------------

void WatchHub::HeartbeatLoop(const std::stop_token& stop) {
  StopPause pause(stop);
  absl::Duration next = clock_.Now().monotonic + options_.heartbeat;
  while (pause.For(next - clock_.Now().monotonic)) {
    const Moment now = clock_.Now();
    if (now.monotonic < next) continue;
    next = now.monotonic + options_.heartbeat;
    const auto beat = [&](const auto& reader) { reader.stream->Beat(now.utc); };
    impl_->points.ForEach(beat);
    impl_->sessions.ForEach(beat);
  }
}

}  // namespace ev::central
