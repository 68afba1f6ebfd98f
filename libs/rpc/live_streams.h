#ifndef EV_RPC_LIVE_STREAMS_H_
#define EV_RPC_LIVE_STREAMS_H_

#include <cstddef>
#include <map>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace ev::rpc {

// A stream as those see it who end it. Close() may be called from any thread, more than once; the end comes later.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual void Close(absl::Status status) = 0;
};

// The streams of a process that have not ended: gRPC's shutdown waits for ever for one that nobody finishes. Must
// outlive the streams: WaitUntilEmpty() before it goes. Thread-safe.
class LiveStreams {
 public:
  ~LiveStreams();

  // For the stream classes. A stream that comes after CloseAll() is closed at once.
  void Add(const std::shared_ptr<Stream>& stream);
  void Remove(const Stream* stream);

  // Closes all, and whatever comes after. The first call counts.
  void CloseAll(const absl::Status& status);
  // False when some are left after `limit`.
  bool WaitUntilEmpty(absl::Duration limit);
  std::size_t size() const;

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  std::map<const Stream*, std::weak_ptr<Stream>> streams_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> closed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ev::rpc

#endif  // EV_RPC_LIVE_STREAMS_H_
