#ifndef EV_RPC_CLIENT_STREAMS_H_
#define EV_RPC_CLIENT_STREAMS_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "rpc/live_streams.h"
#include "rpc/status.h"
#include "rpc/write_queue.h"

namespace ev::rpc {

// What a client's stream tells its owner, from gRPC threads, one at a time. Neither may block, nor destroy the channel.
template <typename In>
struct ClientEvents {
  std::function<void(const In&)> on_message;
  std::function<void(const absl::Status&)> on_closed;  // Once, last: why the stream ended.
};

// The client's side of a Watch stream:
//
//   auto watch = ClientWatch<Event>::Start(streams_, {.on_message = ..., .on_closed = ...},
//       [&](grpc::ClientContext* context, auto* reactor) { stub->async()->WatchX(context, &watch_request_, reactor);
//       });
//
// It has no deadline: the channel's keepalive and the heartbeats in the stream notice a dead peer. Ends with the
// server's status or after Cancel(). The channel must outlive it: cancel, then LiveStreams::WaitUntilEmpty().
template <typename In>
class ClientWatch final : public grpc::ClientReadReactor<In>, public Stream {
 public:
  // `open(context, reactor)` calls the stub; the request must live until it returns.
  template <typename Open>
  static std::shared_ptr<ClientWatch> Start(LiveStreams& streams, ClientEvents<In> events, Open open) {
    std::shared_ptr<ClientWatch> watch(new ClientWatch(streams, std::move(events)));
    watch->self_ = watch;
    open(&watch->context_, static_cast<grpc::ClientReadReactor<In>*>(watch.get()));
    watch->StartRead(&watch->in_);
    streams.Add(watch);
    watch->StartCall();
    return watch;
  }

  void Cancel() { context_.TryCancel(); }
  void Close(absl::Status) override { Cancel(); }

 private:
  ClientWatch(LiveStreams& streams, ClientEvents<In> events) : streams_(streams), events_(std::move(events)) {}

  void OnReadDone(bool ok) override {
    if (!ok) return;
    events_.on_message(in_);
    this->StartRead(&in_);
  }
  void OnDone(const grpc::Status& status) override {
    const auto self = std::move(self_);
    if (events_.on_closed) events_.on_closed(FromGrpc(status));
    streams_.Remove(this);
  }

  LiveStreams& streams_;
  const ClientEvents<In> events_;
  grpc::ClientContext context_;
  In in_;
  std::shared_ptr<ClientWatch> self_;
};

// The client's side of a bidirectional stream. Write() from any thread; WriteQueue says what happens at the bound.
template <typename Out, typename In>
class ClientBidi final : public grpc::ClientBidiReactor<Out, In>, public Stream {
 public:
  // As ClientWatch::Start.
  template <typename Open>
  static std::shared_ptr<ClientBidi> Start(LiveStreams& streams, std::size_t bound, ClientEvents<In> events,
                                           Open open) {
    std::shared_ptr<ClientBidi> stream(new ClientBidi(streams, bound, std::move(events)));
    stream->self_ = stream;
    open(&stream->context_, static_cast<grpc::ClientBidiReactor<Out, In>*>(stream.get()));
    stream->AddHold();  // Writes come from outside gRPC's callbacks; given back when no more will.
    stream->StartRead(&stream->in_);
    streams.Add(stream);
    stream->StartCall();
    return stream;
  }

  // False when the stream has ended or ends now.
  bool Write(Out message) {
    bool accepted = false;
    Do(queue_.Push(std::move(message), accepted));
    return accepted;
  }

  // Says, after what waits is written, that no more will come; the server then ends the stream.
  void WritesDone() { Do(queue_.Close(absl::OkStatus())); }

  void Cancel() { context_.TryCancel(); }
  void Close(absl::Status) override { Cancel(); }

 private:
  using Queue = WriteQueue<Out>;

  ClientBidi(LiveStreams& streams, std::size_t bound, ClientEvents<In> events)
      : streams_(streams), queue_(bound), events_(std::move(events)) {}

  void Do(typename Queue::Next next) {
    if (next == Queue::Next::kWrite) this->StartWrite(&queue_.current());
    if (next != Queue::Next::kEnd) return;
    if (TooSlow()) context_.TryCancel();  // Else the server's status is on its way.
    this->StartWritesDone();
    this->RemoveHold();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Do(queue_.Abort(absl::OkStatus()));
    events_.on_message(in_);
    this->StartRead(&in_);
  }
  void OnWriteDone(bool ok) override { Do(queue_.WriteDone(ok)); }
  void OnDone(const grpc::Status& status) override {
    const auto self = std::move(self_);
    if (events_.on_closed) events_.on_closed(TooSlow() ? queue_.status() : FromGrpc(status));
    streams_.Remove(this);
  }

  // Only after the queue's end.
  bool TooSlow() const { return absl::IsResourceExhausted(queue_.status()); }

  LiveStreams& streams_;
  Queue queue_;
  const ClientEvents<In> events_;
  grpc::ClientContext context_;
  In in_;
  std::shared_ptr<ClientBidi> self_;
};

}  // namespace ev::rpc

#endif  // EV_RPC_CLIENT_STREAMS_H_
