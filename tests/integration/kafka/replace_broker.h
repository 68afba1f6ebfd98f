#ifndef EV_TESTS_INTEGRATION_KAFKA_REPLACE_BROKER_H_
#define EV_TESTS_INTEGRATION_KAFKA_REPLACE_BROKER_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "kafka/embedded_broker.h"
#include "kafka/producer.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace ev::kafka {

inline std::string ClusterIdOf(const EmbeddedBroker& broker) {
  const auto producer = *Producer::Create({.kafka = {.brokers = broker.bootstrap()}});
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] { return producer->Health().connected; }));
  return producer->Health().cluster_id;
}

// Another cluster takes the place of `broker` at its address, empty. The mock cluster's id is its address in memory,
// which the next one may be given again: then others take the place, and are kept until the function ends.
inline void ReplaceBroker(std::unique_ptr<EmbeddedBroker>& broker, const TopicConfig& topic) {
  const int port = broker->port();
  const std::string id = ClusterIdOf(*broker);
  std::vector<std::unique_ptr<EmbeddedBroker>> others;
  do {
    broker.reset();
    others.push_back(*EmbeddedBroker::Start());
    broker = *EmbeddedBroker::Start(port, {topic});
  } while (ClusterIdOf(*broker) == id);
}

}  // namespace ev::kafka

#endif  // EV_TESTS_INTEGRATION_KAFKA_REPLACE_BROKER_H_
