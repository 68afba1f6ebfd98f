#ifndef EV_KAFKA_PARTITION_LIST_H_
#define EV_KAFKA_PARTITION_LIST_H_

#include <cstddef>

#include "events/subscriber.h"
#include "kafka/handles.h"

namespace ev::kafka {

inline PartitionListHandle NewPartitionList(std::size_t size) {
  return PartitionListHandle(rd_kafka_topic_partition_list_new(static_cast<int>(size)));
}

inline rd_kafka_topic_partition_t& AddTo(const PartitionListHandle& list, const TopicPartition& partition) {
  return *rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition);
}

}  // namespace ev::kafka

#endif  // EV_KAFKA_PARTITION_LIST_H_
