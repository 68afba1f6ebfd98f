#ifndef EV_STORE_CONSISTENCY_H_
#define EV_STORE_CONSISTENCY_H_

#include "domain/money.h"
#include "domain/session.h"

namespace ev::store {

// Is the amount of a final ticket its energy times its price? (An adjustment is a difference of two roundings.)
inline bool BillAddsUp(const Ticket& ticket) {
  if (ticket.kind != TicketKind::kFinal) return true;
  return ticket.energy_mwh >= 0 && ticket.energy_mwh <= kMaxSessionEnergyMwh && ticket.price.micros_per_kwh >= 0 &&
         ticket.price.micros_per_kwh <= kMaxPriceMicrosPerKwh &&
         ticket.amount_micros == AmountMicros(ticket.energy_mwh, ticket.price.micros_per_kwh);
}

}  // namespace ev::store

#endif  // EV_STORE_CONSISTENCY_H_
