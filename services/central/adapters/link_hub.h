#ifndef EV_SERVICES_CENTRAL_ADAPTERS_LINK_HUB_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_LINK_HUB_H_

#include <cstddef>
#include <memory>
#include <stop_token>
#include <thread>

#include "absl/time/time.h"
#include "base/clock.h"
#include "rpc/live_streams.h"
#include "services/central/adapters/shard_host.h"

namespace grpc {
class Service;
}

namespace ev::central {

struct LinkOptions {
  std::string version;  // Of Central, for the Welcome.
  absl::Duration hello_deadline = absl::Seconds(5);
  std::size_t bound = 1024;        // Messages that may wait for one Monitor; one more ends its link.
  std::size_t max_links = 50'000;  // One more is refused with RESOURCE_EXHAUSTED.
};

// The links of Monitors: central.v1.LinkService on one side, the shards on the other.
//
// A stream says Hello in time, is accepted under an epoch once that is durable, and then carries messages both ways.
// The newest link of a charging point wins: the one before ends with ABORTED (SUPERSEDED), and what it still says or
// closes changes nothing. What a Monitor sends before its Welcome is passed over.
//
// Thread-safe. Give it to ShardHost::SetLinks() before the host starts. Must outlive its streams: drain the server, or
// wait until `streams` is empty, before it goes.
class LinkHub final : public LinkSink {
 public:
  LinkHub(LinkOptions options, ShardHost& host, const Clock& clock, rpc::LiveStreams& streams);
  ~LinkHub() override;

  grpc::Service& service();

  void Accept(const LinkAccepted& accepted) override;
  void Refuse(const LinkRefused& refused) override;
  bool Send(const LinkMessage& message) override;

  // Streams that have not ended, accepted or not.
  std::size_t size() const;

 private:
  class Impl;

  void HelloLoop(const std::stop_token& stop);

  const std::unique_ptr<Impl> impl_;
  std::jthread hello_timer_;  // Last: stops before anything it uses is destroyed.
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_LINK_HUB_H_
