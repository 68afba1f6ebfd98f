#ifndef EV_SERVICES_CENTRAL_ADAPTERS_OUTBOX_CODEC_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_OUTBOX_CODEC_H_

#include "events/topics.h"
#include "services/central/core/effects.h"
#include "store/store.h"

namespace ev::central {

// Turns what must reach Kafka into a row: its topic, its key, its body, and an id that is the same for the same thing,
// so that a message relayed twice can be recognised. Thread-safe.
class OutboxCodec {
 public:
  explicit OutboxCodec(Topics topics) : topics_(std::move(topics)) {}

  store::OutboxRecord Encode(const OutboxItem& item) const;

 private:
  store::OutboxRecord Encode(const StatusUpdate& update) const;
  store::OutboxRecord Encode(const DenialUpdate& update) const;
  store::OutboxRecord Encode(const DeadLetter& letter) const;
  store::OutboxRecord Encode(const Alert& alert) const;

  const Topics topics_;
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_OUTBOX_CODEC_H_
