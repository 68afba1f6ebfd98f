#ifndef EV_SERVICES_CENTRAL_ADAPTERS_FACT_DECODER_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_FACT_DECODER_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "domain/fact.h"

namespace ev::central {

// Turns a Kafka record's body into a Fact. Keeps its protobuf message between calls, so that the usual record allocates
// nothing. Not thread-safe.
class FactDecoder {
 public:
  FactDecoder();
  ~FactDecoder();

  // Fills `fact` completely. InvalidArgument says what cannot be read: not a Fact, no body, an id that is malformed, a
  // time or an enum that is out of range. Whether the figures make sense is CheckFact()'s to say.
  absl::Status Decode(absl::string_view body, Fact& fact);

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_FACT_DECODER_H_
