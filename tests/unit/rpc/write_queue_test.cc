#include "rpc/write_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "rpc/live_streams.h"
#include "tests/support/status_matchers.h"

namespace ev::rpc {
namespace {

using Queue = WriteQueue<std::string>;
using Next = Queue::Next;

Next Push(Queue& queue, std::string message, bool expect_accepted = true) {
  bool accepted = false;
  const Next next = queue.Push(std::move(message), accepted);
  EXPECT_EQ(accepted, expect_accepted);
  return next;
}

TEST(WriteQueueTest, OneWriteAtATimeInTheOrderOfThePushes) {
  Queue queue(10);
  EXPECT_EQ(Push(queue, "a"), Next::kWrite);
  EXPECT_EQ(queue.current(), "a");
  EXPECT_EQ(Push(queue, "b"), Next::kNothing);
  EXPECT_EQ(Push(queue, "c"), Next::kNothing);
  EXPECT_EQ(queue.WriteDone(true), Next::kWrite);
  EXPECT_EQ(queue.current(), "b");
  EXPECT_EQ(queue.WriteDone(true), Next::kWrite);
  EXPECT_EQ(queue.current(), "c");
  EXPECT_EQ(queue.WriteDone(true), Next::kNothing);
}

TEST(WriteQueueTest, AWriterWaitsUntilAllIsWrittenOrTheStreamHasEnded) {
  Queue queue(10);
  EXPECT_TRUE(queue.WaitUntilWritten(absl::ZeroDuration()));
  Push(queue, "a");
  Push(queue, "b");
  EXPECT_FALSE(queue.WaitUntilWritten(absl::Milliseconds(1)));
  {
    std::jthread stream([&] {
      EXPECT_EQ(queue.WriteDone(true), Next::kWrite);
      EXPECT_EQ(queue.WriteDone(true), Next::kNothing);
    });
    EXPECT_TRUE(queue.WaitUntilWritten(absl::Seconds(30)));
  }
  Push(queue, "c");
  std::jthread stream([&] { queue.Abort(absl::CancelledError("gone")); });
  EXPECT_FALSE(queue.WaitUntilWritten(absl::Seconds(30)));
  EXPECT_TRUE(queue.closed());
}

TEST(WriteQueueTest, CloseEndsAfterWhatWaitsIsWritten) {
  Queue queue(10);
  Push(queue, "a");
  Push(queue, "b");
  EXPECT_EQ(queue.Close(absl::AbortedError("superseded")), Next::kNothing);
  EXPECT_EQ(Push(queue, "late", false), Next::kNothing);
  EXPECT_EQ(queue.WriteDone(true), Next::kWrite);
  EXPECT_EQ(queue.WriteDone(true), Next::kEnd);
  EXPECT_THAT(queue.status(), StatusIs(absl::StatusCode::kAborted));
}

TEST(WriteQueueTest, AbortEndsAfterTheWriteUnderWayAndDropsTheRest) {
  Queue queue(10);
  Push(queue, "a");
  Push(queue, "b");
  EXPECT_EQ(queue.Abort(absl::CancelledError("gone")), Next::kNothing);
  EXPECT_EQ(queue.WriteDone(true), Next::kEnd);
}

TEST(WriteQueueTest, AFailedWriteEndsTheStream) {
  Queue queue(10);
  Push(queue, "a");
  Push(queue, "b");
  EXPECT_EQ(queue.WriteDone(false), Next::kEnd);
  EXPECT_THAT(queue.status(), StatusIs(absl::StatusCode::kCancelled));
}

TEST(WriteQueueTest, TheEndComesOnce) {
  Queue queue(10);
  EXPECT_EQ(queue.Close(absl::OkStatus()), Next::kEnd);
  EXPECT_EQ(queue.Close(absl::AbortedError("x")), Next::kNothing);
  EXPECT_EQ(queue.Abort(absl::CancelledError("x")), Next::kNothing);
  EXPECT_THAT(queue.status(), IsOk());
}

// B122
TEST(WriteQueueTest, AReaderThatIsTooSlowIsEndedWithTheReason) {
  Queue queue(2);
  Push(queue, "under way");
  Push(queue, "1");
  Push(queue, "2");
  EXPECT_EQ(Push(queue, "3", false), Next::kNothing);
  EXPECT_EQ(queue.WriteDone(true), Next::kEnd);
  EXPECT_THAT(queue.status(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(DetailOf(queue.status()).reason, "SLOW_CONSUMER");
}

TEST(WriteQueueTest, ThreadsThatPushAndCloseGetEachWriteAndTheEndOnce) {
  Queue queue(1000);
  std::atomic<int> writing = 0;
  std::atomic<int> written = 0;
  std::atomic<int> ends = 0;
  const auto act = [&](Next next) {
    while (next == Next::kWrite) {
      EXPECT_EQ(++writing, 1);
      ++written;
      --writing;
      next = queue.WriteDone(true);
    }
    if (next == Next::kEnd) ++ends;
  };
  std::atomic<int> accepted = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) {
          bool ok = false;
          const Next next = queue.Push("x", ok);
          accepted += ok ? 1 : 0;
          act(next);
        }
      });
    }
    threads.emplace_back([&] {
      while (written < 100) std::this_thread::yield();
      act(queue.Close(absl::OkStatus()));
    });
  }
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(written, accepted);
}

class FakeStream final : public Stream {
 public:
  void Close(absl::Status status) override { closed = std::move(status); }
  std::optional<absl::Status> closed;
};

TEST(LiveStreamsTest, ClosingAllReachesThoseThereAndThoseThatComeLater) {
  LiveStreams streams;
  auto first = std::make_shared<FakeStream>();
  streams.Add(first);
  EXPECT_EQ(first->closed, std::nullopt);
  streams.CloseAll(absl::UnavailableError("stopping"));
  EXPECT_THAT(*first->closed, StatusIs(absl::StatusCode::kUnavailable));
  auto second = std::make_shared<FakeStream>();
  streams.Add(second);
  EXPECT_THAT(*second->closed, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(streams.WaitUntilEmpty(absl::Milliseconds(1)));
  streams.Remove(first.get());
  std::jthread later([&] { streams.Remove(second.get()); });
  EXPECT_TRUE(streams.WaitUntilEmpty(absl::Seconds(10)));
}

}  // namespace
}  // namespace ev::rpc
