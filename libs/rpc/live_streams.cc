#include "rpc/live_streams.h"

#include <cassert>
#include <chrono>
#include <vector>

namespace ev::rpc {

LiveStreams::~LiveStreams() {
  assert(size() == 0);
}

void LiveStreams::Add(const std::shared_ptr<Stream>& stream) {
  std::optional<absl::Status> closed;
  {
    MutexLock lock(mutex_);
    streams_[stream.get()] = stream;
    closed = closed_;
  }
  if (closed) stream->Close(*closed);
}

void LiveStreams::Remove(const Stream* stream) {
  MutexLock lock(mutex_);
  streams_.erase(stream);
  if (streams_.empty()) changed_.SignalAll();
}

void LiveStreams::CloseAll(const absl::Status& status) {
  std::vector<std::shared_ptr<Stream>> streams;
  {
    MutexLock lock(mutex_);
    if (closed_) return;
    closed_ = status;
    for (const auto& [ignored, weak] : streams_) {
      if (auto stream = weak.lock()) streams.push_back(std::move(stream));
    }
  }
  for (const auto& stream : streams) stream->Close(status);  // Without the lock: closing may end a stream at once.
}

bool LiveStreams::WaitUntilEmpty(absl::Duration limit) {
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(limit);
  MutexLock lock(mutex_);
  while (!streams_.empty()) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= left.zero()) return false;
    changed_.WaitFor(mutex_, absl::FromChrono(left));
  }
  return true;
}

std::size_t LiveStreams::size() const {
  MutexLock lock(mutex_);
  return streams_.size();
}

}  // namespace ev::rpc
