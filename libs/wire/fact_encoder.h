#ifndef EV_WIRE_FACT_ENCODER_H_
#define EV_WIRE_FACT_ENCODER_H_

#include <string>

#include "domain/fact.h"

namespace ev::wire {

// The body of the fact's Kafka record: one serialised evcharging.events.v1.Fact. The same fact gives the same bytes.
std::string EncodeFact(const Fact& fact);

}  // namespace ev::wire

#endif  // EV_WIRE_FACT_ENCODER_H_
