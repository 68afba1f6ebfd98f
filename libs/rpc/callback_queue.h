#ifndef EV_RPC_CALLBACK_QUEUE_H_
#define EV_RPC_CALLBACK_QUEUE_H_

namespace ev::rpc {

// Keeps the queue that gRPC's callbacks share for the life of the process. gRPC 1.51 drops it with its last server or
// channel while its threads may still hold it, and aborts then. Thread-safe; all but the first call do nothing.
void KeepCallbackQueue();

}  // namespace ev::rpc

#endif  // EV_RPC_CALLBACK_QUEUE_H_
