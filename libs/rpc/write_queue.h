#ifndef EV_RPC_WRITE_QUEUE_H_
#define EV_RPC_WRITE_QUEUE_H_

#include <cstddef>
#include <deque>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/error_detail.h"
#include "base/mutex.h"

namespace ev::rpc {

// Decides what a stream writes next and when it ends, so that gRPC's rules hold whatever threads do: one write at a
// time, none after the end, exactly one end. Calls nothing: it says what the stream has to do, once, to one thread.
//
// Bounded: a message that finds `bound` others waiting ends the stream with RESOURCE_EXHAUSTED / SLOW_CONSUMER, because
// a reader that lost one message must begin again anyway. Thread-safe.
template <typename Message>
class WriteQueue {
 public:
  enum class Next {
    kNothing,
    kWrite,  // Start writing current(), then call WriteDone().
    kEnd,    // End the stream with status(). Comes once; after it only kNothing.
  };

  explicit WriteQueue(std::size_t bound) : bound_(bound) {}

  // `accepted` becomes false when the stream has ended or ends now.
  Next Push(Message message, bool& accepted) {
    MutexLock lock(mutex_);
    accepted = !closed_ && waiting_.size() < bound_;
    if (closed_) return Next::kNothing;
    if (!accepted) {
      return AbortLocked(WithReason(absl::ResourceExhaustedError("the reader is too slow: read from the start again"),
                                    "SLOW_CONSUMER"));
    }
    waiting_.push_back(std::move(message));
    return Continue();
  }

  // Ends after what waits is written.
  Next Close(absl::Status status) {
    MutexLock lock(mutex_);
    if (closed_) return Next::kNothing;
    closed_ = true;
    status_ = std::move(status);
    return Continue();
  }

  // Ends after the write under way; what waits is dropped.
  Next Abort(absl::Status status) {
    MutexLock lock(mutex_);
    return AbortLocked(std::move(status));
  }

  Next WriteDone(bool ok) {
    MutexLock lock(mutex_);
    writing_ = false;
    return ok ? Continue() : AbortLocked(absl::CancelledError("the other side is gone"));
  }

  // Waits until nothing waits to be written; false when the stream has ended, or `limit` has passed.
  bool WaitUntilWritten(absl::Duration limit) {
    MutexLock lock(mutex_);
    while (!closed_ && (writing_ || !waiting_.empty())) {
      if (!written_.WaitFor(mutex_, limit)) break;
    }
    return !closed_ && !writing_ && waiting_.empty();
  }

  // Only between kWrite and WriteDone(): nothing else touches it then.
  const Message& current() const { return current_; }

  // Only after kEnd.
  const absl::Status& status() const ABSL_NO_THREAD_SAFETY_ANALYSIS { return status_; }

  bool closed() const {
    MutexLock lock(mutex_);
    return closed_;
  }

 private:
  Next AbortLocked(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    waiting_.clear();
    if (!closed_) {
      closed_ = true;
      status_ = std::move(status);
    }
    return Continue();
  }

  Next Continue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (closed_ || (!writing_ && waiting_.empty())) written_.SignalAll();
    if (writing_) return Next::kNothing;
    if (!waiting_.empty()) {
      writing_ = true;
      current_ = std::move(waiting_.front());
      waiting_.pop_front();
      return Next::kWrite;
    }
    if (!closed_ || ended_) return Next::kNothing;
    ended_ = true;
    return Next::kEnd;
  }

  const std::size_t bound_;
  mutable Mutex mutex_;
  CondVar written_;
  std::deque<Message> waiting_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  Message current_;
};

}  // namespace ev::rpc

#endif  // EV_RPC_WRITE_QUEUE_H_
