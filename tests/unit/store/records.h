#ifndef EV_TESTS_UNIT_STORE_RECORDS_H_
#define EV_TESTS_UNIT_STORE_RECORDS_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "domain/charging_point.h"
#include "domain/money.h"
#include "domain/session.h"
#include "store/store.h"

namespace ev::store {

inline constexpr int kShards = 4;
inline absl::Time At(double second) {
  return absl::FromUnixSeconds(1'700'000'000) + absl::Seconds(second);
}
inline SessionId Id(int n) {
  return SessionId(absl::StrCat(absl::Hex(n, absl::kZeroPad16), "00000000000000aa"));
}

// No field has its default, so that a column that is forgotten shows.
inline Session FullSession(int n) {
  Session s;
  s.id = Id(n);
  s.cp = CpId("cp_001");
  s.driver = DriverId("driver_001");
  s.number = GrantNumber(7);
  s.price = {350'000, "EUR"};
  s.target = AmountTarget{5'000'000};
  s.state = SessionState::kCharging;
  s.denial = DenialReason::kPointBusy;
  s.denial_text = "busy: 'quoted' ; \xc3\xa4";
  s.end_reason = EndReason::kDriverStop;
  s.requested = At(n);
  s.start = At(n + 1.000000001);
  s.end = At(n + 2);
  s.updated = At(n + 3);
  s.sequence = 41;
  s.energy_mwh = 9'000'000'001;
  s.power_w = 11'000;
  s.amount_micros = 3'150'000'000;
  s.measured = At(n + 2.5);
  s.register_start_mwh = 123'456'789'012;
  s.register_end_mwh = 123'456'789'999;
  s.start_booked = true;
  s.final_booked = true;
  s.stop_asked = EndReason::kOperatorStop;
  s.written_off = true;
  s.written_off_by = "ana";
  s.written_off_reason = "scrapped: 'quoted'";
  s.manual = true;
  s.trace = {.id = {0x4b, 0xf9, 0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x36}, .sampled = true};
  s.revision = {1'700'000'001, 99};
  return s;
}

inline Session OpenSession(int n, SessionState state = SessionState::kCharging) {
  Session s;
  s.id = Id(n);
  s.cp = CpId("cp_001");
  s.driver = DriverId("driver_001");
  s.number = GrantNumber(n);
  s.price = {350'000, "EUR"};
  s.state = state;
  s.requested = At(n);
  s.updated = At(n);
  return s;
}

inline Ticket FullTicket(int n) {
  Ticket t;
  t.id = Id(n).value();
  t.session = Id(n);
  t.kind = TicketKind::kFinal;
  t.cp = CpId("cp_001");
  t.driver = DriverId("driver_001");
  t.number = GrantNumber(7);
  t.price = {350'000, "EUR"};
  t.energy_mwh = 1'234'567;
  t.amount_micros = AmountMicros(t.energy_mwh, t.price.micros_per_kwh);
  t.start = At(n);
  t.end = At(n + 60);
  t.issued = At(n + 61);
  t.end_reason = EndReason::kUnplugged;
  t.estimated = true;
  t.recovered = true;
  t.adjusts_ticket = "another";
  return t;
}

inline ChargingPoint FullPoint(const std::string& id) {
  ChargingPoint p;
  p.id = CpId(id);
  p.location = "Calle Mayor 1";
  p.site = "north";
  p.price = {420'000, "EUR"};
  // Not in the order of the causes' numbers: who came first is kept.
  p.causes = {{Cause::kWeather, "station", "storm", At(5)}, {Cause::kOperator, "ana", "cable", At(9)}};
  p.link_epoch = LinkEpoch(3);
  p.highest_grant = GrantNumber(8);
  p.booked_through = GrantNumber(6);
  p.registered = At(1);
  p.last_seen = At(2);
  p.journal_id = "journal";
  return p;
}

inline OutboxRecord FullOutbox(const std::string& id) {
  return {id,
          "charging_status_updates",
          std::string("k\0y", 3),
          std::string("\xff\x00v", 3),
          {{"content-type", "proto"}, {"empty", ""}, {"bytes", std::string("\0\x80", 2)}}};
}

}  // namespace ev::store

#endif  // EV_TESTS_UNIT_STORE_RECORDS_H_
