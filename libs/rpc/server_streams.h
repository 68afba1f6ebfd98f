#ifndef EV_RPC_SERVER_STREAMS_H_
#define EV_RPC_SERVER_STREAMS_H_

#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "rpc/live_streams.h"
#include "rpc/status.h"
#include "rpc/write_queue.h"

namespace ev::rpc {

// The server's side of a Watch stream:
//
//   auto writer = BoundedWriter<Event>::Make(streams_, 256);
//   hub_.Subscribe([writer](const Event& event) { return writer->Write(event); });  // False: unsubscribe.
//   return writer.get();
//
// Write() and Close() from any thread, in the order of the calls. WriteQueue says what happens at the bound. Finishes
// the call in every case: closed, too slow, cancelled, peer gone. Lives until gRPC is done with it and the last handle
// is gone.
template <typename Message>
class BoundedWriter final : public grpc::ServerWriteReactor<Message>, public Stream {
 public:
  // `on_closed` comes once, last, from a gRPC thread, and must not block.
  static std::shared_ptr<BoundedWriter> Make(LiveStreams& streams, std::size_t bound,
                                             std::function<void()> on_closed = nullptr) {
    std::shared_ptr<BoundedWriter> writer(new BoundedWriter(streams, bound, std::move(on_closed)));
    writer->self_ = writer;
    streams.Add(writer);
    return writer;
  }

  // False when the stream has ended or ends now: nothing more will be written.
  bool Write(Message message) {
    bool accepted = false;
    Do(queue_.Push(std::move(message), accepted));
    return accepted;
  }

  // For a writer that has a thread and more to say than may wait: false when the stream has ended, or the reader has
  // not taken all within `limit`. Not from a gRPC callback.
  bool WaitUntilWritten(absl::Duration limit) { return queue_.WaitUntilWritten(limit); }

  // Ends the stream after what waits is written.
  void Close(absl::Status status) override { Do(queue_.Close(std::move(status))); }
  bool closed() const { return queue_.closed(); }

 private:
  using Queue = WriteQueue<Message>;

  BoundedWriter(LiveStreams& streams, std::size_t bound, std::function<void()> on_closed)
      : streams_(streams), queue_(bound), on_closed_(std::move(on_closed)) {}

  void Do(typename Queue::Next next) {
    if (next == Queue::Next::kWrite) this->StartWrite(&queue_.current());
    if (next == Queue::Next::kEnd) this->Finish(ToGrpc(queue_.status()));
  }

  void OnWriteDone(bool ok) override { Do(queue_.WriteDone(ok)); }
  void OnCancel() override { Do(queue_.Abort(absl::CancelledError("the caller has gone"))); }
  void OnDone() override {
    const auto self = std::move(self_);
    if (on_closed_) on_closed_();
    streams_.Remove(this);
  }

  LiveStreams& streams_;
  Queue queue_;
  const std::function<void()> on_closed_;
  std::shared_ptr<BoundedWriter> self_;
};

// The server's side of a bidirectional stream: writes as BoundedWriter does, and hands over what it reads.
template <typename In, typename Out>
class BidiStream final : public grpc::ServerBidiReactor<In, Out>, public Stream {
 public:
  // Called from gRPC threads, one at a time, and must not block. The stream is given so that nobody needs to hold it to
  // answer.
  struct Events {
    std::function<void(BidiStream&, const In&)> on_message;
    std::function<void()> on_closed;  // Once, last.
  };

  static std::shared_ptr<BidiStream> Make(LiveStreams& streams, std::size_t bound, Events events) {
    std::shared_ptr<BidiStream> stream(new BidiStream(streams, bound, std::move(events)));
    stream->self_ = stream;
    streams.Add(stream);
    stream->StartRead(&stream->in_);
    return stream;
  }

  // As BoundedWriter.
  bool Write(Out message) {
    bool accepted = false;
    Do(queue_.Push(std::move(message), accepted));
    return accepted;
  }
  void Close(absl::Status status) override { Do(queue_.Close(std::move(status))); }
  bool closed() const { return queue_.closed(); }

 private:
  using Queue = WriteQueue<Out>;

  BidiStream(LiveStreams& streams, std::size_t bound, Events events)
      : streams_(streams), queue_(bound), events_(std::move(events)) {}

  void Do(typename Queue::Next next) {
    if (next == Queue::Next::kWrite) this->StartWrite(&queue_.current());
    if (next == Queue::Next::kEnd) this->Finish(ToGrpc(queue_.status()));
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Close(absl::OkStatus());  // The peer has said all: so have we, when what waits is written.
    if (!queue_.closed()) events_.on_message(*this, in_);
    this->StartRead(&in_);
  }
  void OnWriteDone(bool ok) override { Do(queue_.WriteDone(ok)); }
  void OnCancel() override { Do(queue_.Abort(absl::CancelledError("the caller has gone"))); }
  void OnDone() override {
    const auto self = std::move(self_);
    if (events_.on_closed) events_.on_closed();
    streams_.Remove(this);
  }

  LiveStreams& streams_;
  Queue queue_;
  const Events events_;
  In in_;
  std::shared_ptr<BidiStream> self_;
};

}  // namespace ev::rpc

#endif  // EV_RPC_SERVER_STREAMS_H_
