#include "kafka/fetch.h"

#include <algorithm>
#include <functional>

#include "kafka/client.h"

namespace ev::kafka {
namespace {

void ReadHeaders(rd_kafka_message_t* message, IncomingMessage& out) {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    out.headers.emplace_back(name, absl::string_view(static_cast<const char*>(value), value == nullptr ? 0 : size));
  }
}

}  // namespace

void Fetch::Read(rd_kafka_queue_t* queue, absl::Duration wait) {
  Release();
  count_ =
      std::max<ssize_t>(0, rd_kafka_consume_batch_queue(queue, ToMillis(wait), messages_.data(), messages_.size()));
  // Brings each partition's messages together; their order stays.
  const auto before = [](const rd_kafka_message_t* a, const rd_kafka_message_t* b) {
    return a->rkt == b->rkt ? a->partition < b->partition : std::less<>{}(a->rkt, b->rkt);
  };
  std::stable_sort(messages_.begin(), messages_.begin() + count_, before);
}

void Fetch::Release() {
  for (ssize_t i = 0; i < count_; ++i) rd_kafka_message_destroy(messages_[static_cast<std::size_t>(i)]);
  count_ = 0;
}

TopicPartition PartitionOf(const rd_kafka_message_t& message) {
  return {.topic = rd_kafka_topic_name(message.rkt), .partition = message.partition};
}

IncomingMessage View(rd_kafka_message_t* message) {
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const std::int64_t millis = rd_kafka_message_timestamp(message, &type);
  IncomingMessage view{
      .offset = message->offset,
      .key = {static_cast<const char*>(message->key), message->key_len},
      .value = {static_cast<const char*>(message->payload), message->len},
      .headers = {},
      .broker_time = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? absl::InfinitePast() : absl::FromUnixMillis(millis)};
  ReadHeaders(message, view);
  return view;
}

}  // namespace ev::kafka
