#ifndef EV_SERVICES_CENTRAL_ADAPTERS_WATCHER_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_WATCHER_H_

#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/error_detail.h"
#include "base/mutex.h"
#include "domain/session.h"
#include "rpc/live_streams.h"
#include "rpc/status.h"
#include "wire/common_codec.h"

namespace ev::central {

// One reader of a Watch stream: the snapshot's items, then the marker, then changes and heartbeats.
//
// Unlike rpc::BoundedWriter it keeps the newest of each item only, and the snapshot, which is as large as the network,
// does not count as waiting. It is encoded item by item as it is written.
//
// Thread-safe; Push() by one thread. Finishes the call in every case: closed, too slow, cancelled, peer gone.
template <typename Message, typename Item>
class Watcher final : public grpc::ServerWriteReactor<Message>, public rpc::Stream {
 public:
  using Encode = std::function<Message(const Item&)>;
  struct SnapshotItem {
    std::string key;
    Revision revision;
    Item item;
  };

  // `on_closed` comes once, last, from a gRPC thread, and must not block.
  static std::shared_ptr<Watcher> Make(rpc::LiveStreams& streams, std::size_t bound, Encode encode,
                                       std::function<void()> on_closed) {
    std::shared_ptr<Watcher> watcher(new Watcher(streams, bound, std::move(encode), std::move(on_closed)));
    watcher->self_ = watcher;
    streams.Add(watcher);
    return watcher;
  }

  void AddToSnapshot(std::vector<SnapshotItem> items) {
    {
      MutexLock lock(mutex_);
      if (closed_) return;
      for (SnapshotItem& item : items) {
        known_[std::move(item.key)] = item.revision;
        snapshot_.push_back(std::move(item.item));
        ++snapshot_count_;
      }
    }
    Continue();
  }

  void CompleteSnapshot() {
    {
      MutexLock lock(mutex_);
      if (closed_ || snapshot_complete_) return;
      snapshot_complete_ = marker_due_ = true;
      // What changed before the snapshot was read came in the meantime.
      std::erase_if(order_, [this](const std::string& key) ABSL_NO_THREAD_SAFETY_ANALYSIS {
        const auto it = changes_.find(key);
        if (IsNews(key, it->second.revision)) return false;
        changes_.erase(it);
        return true;
      });
    }
    Continue();
  }

  void Push(const std::string& key, const Revision& revision, std::shared_ptr<const Message> message) {
    {
      MutexLock lock(mutex_);
      if (closed_ || (snapshot_complete_ && !IsNews(key, revision))) return;
      const auto it = changes_.find(key);
      if (it != changes_.end()) {
        it->second = {revision, std::move(message)};
      } else if (changes_.size() < bound_) {
        changes_[key] = {revision, std::move(message)};
        order_.push_back(key);
      } else {
        CloseLocked(WithReason(absl::ResourceExhaustedError("the reader is too slow: watch again from the start"),
                               "SLOW_CONSUMER"));
      }
    }
    Continue();
  }

  void Beat(absl::Time now) {
    {
      MutexLock lock(mutex_);
      if (closed_) return;
      heartbeat_ = now;
    }
    Continue();
  }

  // What waits is dropped.
  void Close(absl::Status status) override {
    {
      MutexLock lock(mutex_);
      CloseLocked(std::move(status));
    }
    Continue();
  }

 private:
  struct Change {
    Revision revision;
    std::shared_ptr<const Message> message;
  };

  Watcher(rpc::LiveStreams& streams, std::size_t bound, Encode encode, std::function<void()> on_closed)
      : streams_(streams), bound_(bound), encode_(std::move(encode)), on_closed_(std::move(on_closed)) {}

  // Forgets what the snapshot showed once something newer came.
  bool IsNews(const std::string& key, const Revision& revision) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto it = known_.find(key);
    if (it == known_.end()) return true;
    if (revision <= it->second) return false;
    known_.erase(it);
    return true;
  }

  void CloseLocked(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!closed_) status_ = std::move(status);
    closed_ = true;
    snapshot_.clear();
    changes_.clear();
    order_.clear();
    known_.clear();
  }

  // Starts the next write, or the end. One write is under way at a time; none of gRPC's functions is called with the
  // lock held.
  void Continue() {
    std::optional<Item> item;
    std::optional<absl::Status> end;
    {
      MutexLock lock(mutex_);
      if (writing_ || ended_) return;
      if (closed_) {
        ended_ = true;
        end = status_;
      } else if (TakeNext(item)) {
        writing_ = true;
      } else {
        return;
      }
    }
    if (end.has_value()) return this->Finish(rpc::ToGrpc(*end));
    if (item.has_value()) current_ = std::make_shared<const Message>(encode_(*item));
    this->StartWrite(current_.get());
  }

  // Sets `item`, or current_.
  bool TakeNext(std::optional<Item>& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!snapshot_.empty()) {
      item = std::move(snapshot_.front());
      snapshot_.pop_front();
      return true;
    }
    if (!snapshot_complete_) return false;
    Message message;
    if (std::exchange(marker_due_, false)) {
      message.mutable_snapshot_complete()->set_item_count(snapshot_count_);
    } else if (heartbeat_.has_value()) {
      *message.mutable_heartbeat()->mutable_time() = wire::ToProto(*std::exchange(heartbeat_, std::nullopt));
    } else if (!order_.empty()) {
      const auto it = changes_.find(order_.front());
      current_ = std::move(it->second.message);
      changes_.erase(it);
      order_.pop_front();
      return true;
    } else {
      return false;
    }
    current_ = std::make_shared<const Message>(std::move(message));
    return true;
  }

  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(mutex_);
      writing_ = false;
      if (!ok) CloseLocked(absl::CancelledError("the reader is gone"));
    }
    Continue();
  }
  void OnCancel() override { Close(absl::CancelledError("the reader is gone")); }
  void OnDone() override {
    const auto self = std::move(self_);
    if (on_closed_) on_closed_();
    streams_.Remove(this);
  }

  rpc::LiveStreams& streams_;
  const std::size_t bound_;
  const Encode encode_;
  const std::function<void()> on_closed_;

  Mutex mutex_;
  std::deque<Item> snapshot_ ABSL_GUARDED_BY(mutex_);
  int snapshot_count_ ABSL_GUARDED_BY(mutex_) = 0;
  bool snapshot_complete_ ABSL_GUARDED_BY(mutex_) = false;
  bool marker_due_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Time> heartbeat_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Revision> known_ ABSL_GUARDED_BY(mutex_);  // What the snapshot showed.
  absl::flat_hash_map<std::string, Change> changes_ ABSL_GUARDED_BY(mutex_);  // The newest of each item.
  std::deque<std::string> order_ ABSL_GUARDED_BY(mutex_);                     // Of changes_.
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Message> current_;  // Of whoever set writing_, until OnWriteDone().
  std::shared_ptr<Watcher> self_;
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_WATCHER_H_
