#include "rpc/callback_queue.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <memory>

namespace ev::rpc {

void KeepCallbackQueue() {
  struct Kept {
    // Without credentials it is a channel to nowhere: its calls fail at once, and nothing is dialled.
    std::shared_ptr<grpc::Channel> channel = grpc::CreateChannel("", nullptr);
    grpc::GenericStub stub{channel};
    grpc::ClientContext context;
    grpc::Slice nothing{""};
    grpc::ByteBuffer request{&nothing, 1};
    grpc::ByteBuffer response;
  };
  // Never deleted, and not optimised away either, which leak checkers would take for a leak. The channel takes its
  // share of the queue with its first call.
  [[gnu::used]] static const Kept* const kept = [] {
    auto* made = new Kept;
    made->stub.UnaryCall(&made->context, "/none", grpc::StubOptions(), &made->request, &made->response,
                         [](const grpc::Status&) {});
    return made;
  }();
  static_cast<void>(kept);
}

}  // namespace ev::rpc
