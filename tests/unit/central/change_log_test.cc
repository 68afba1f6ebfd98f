#include "services/central/adapters/change_log.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/support/logged_lines.h"
#include "tests/unit/central/facts_on_kafka.h"

namespace ev::central {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;

const std::string kOfSession = "session_id=" + std::string(32, 'a') + " cp_id=cp_001 driver_id=driver_001";

class ChangeLogTest : public ::testing::Test {
 protected:
  const LoggedLines logged_;
  ChangeLog log_;
  Session session_ = GrantedSession();
};

// B103
TEST_F(ChangeLogTest, ADeniedRequestIsLogged) {
  log_.OnDenied({.driver = DriverId("driver_001"),
                 .cp = CpId("cp_001"),
                 .reason = DenialReason::kPointBusy,
                 .text = "in use",
                 .time = {}});
  EXPECT_THAT(logged_.Get(),
              ElementsAre(EndsWith("warn request denied cp_id=cp_001 driver_id=driver_001 reason=POINT_BUSY "
                                   "text=\"in use\"")));
}

// B103
TEST_F(ChangeLogTest, AnAlertIsLogged) {
  log_.OnAlert({.kind = AlertKind::kLinkLost, .cp = CpId("cp_001"), .session = session_.id, .text = "silent"});
  EXPECT_THAT(logged_.Get(), ElementsAre(EndsWith("warn alert kind=LINK_LOST cp_id=cp_001 session_id=" +
                                                  session_.id.value() + " text=silent")));
}

TEST_F(ChangeLogTest, AMessageThatIsPutAsideIsLoggedWithItsPosition) {
  log_.OnDeadLetter({.topic = "t", .partition = 2, .offset = 7, .reason = "NONSENSE", .detail = "negative"});
  EXPECT_THAT(logged_.Get(), ElementsAre(EndsWith(
                                 "warn message put aside topic=t partition=2 offset=7 reason=NONSENSE detail=negative "
                                 "session_id=\"\"")));
}

TEST_F(ChangeLogTest, EachStateOfASessionIsLoggedOnceAndItsFiguresAreNot) {
  log_.OnSession({.session = session_, .previous = SessionState::kRequested, .ticket = {}});
  log_.OnSession({.session = session_, .previous = session_.state, .ticket = {}});
  session_.state = SessionState::kDenied;
  session_.denial = DenialReason::kPointFaulted;
  session_.denial_text = "broken";
  log_.OnSession({.session = session_, .previous = SessionState::kRequested, .ticket = {}});
  EXPECT_THAT(logged_.Get(),
              ElementsAre(EndsWith("info session changed " + kOfSession + " state=GRANTED"),
                          EndsWith("warn session denied " + kOfSession + " reason=POINT_FAULTED text=broken")));
}

TEST_F(ChangeLogTest, ATicketIsLoggedWithItsFigures) {
  session_.state = SessionState::kCompleted;
  Ticket ticket;
  ticket.energy_mwh = 1'000;
  ticket.amount_micros = 350;
  ticket.price = session_.price;
  ticket.end_reason = EndReason::kUnplugged;
  log_.OnSession({.session = session_, .previous = SessionState::kCharging, .ticket = ticket});
  EXPECT_THAT(logged_.Get(),
              ElementsAre(EndsWith("info ticket issued " + kOfSession +
                                   " energy_mwh=1000 amount_micros=350 currency=EUR end_reason=UNPLUGGED")));
}

TEST_F(ChangeLogTest, ASessionThatIsWrittenOffIsLoggedWithWhoAndWhy) {
  session_.state = SessionState::kExpired;
  session_.written_off = true;
  session_.written_off_by = "operator";
  session_.written_off_reason = "scrapped";
  log_.OnSession({.session = session_, .previous = SessionState::kGranted, .ticket = {}});
  EXPECT_THAT(logged_.Get(),
              ElementsAre(EndsWith("warn session written off " + kOfSession + " requested_by=operator reason=scrapped"),
                          EndsWith("info session changed " + kOfSession + " state=EXPIRED")));
}

// B220
TEST_F(ChangeLogTest, WhateverIsSaidOfAChargeHasItsTrace) {
  const std::string id = "4bf92f3577b34da6a3ce929d0e0e4736";
  const Trace trace = TraceOfId(id);
  session_.trace = trace;
  log_.OnSession({.session = session_, .previous = SessionState::kRequested, .ticket = {}});
  log_.OnSession({.session = session_, .previous = SessionState::kCharging, .ticket = Ticket()});
  log_.OnAlert(
      {.kind = AlertKind::kAmountDiffers, .cp = session_.cp, .session = session_.id, .text = "", .trace = trace});
  log_.OnDenied({.driver = session_.driver, .cp = session_.cp, .text = "", .time = {}, .trace = trace});
  log_.OnDeadLetter({.topic = "t", .reason = "", .detail = "", .session = session_.id, .trace = trace});
  EXPECT_EQ(logged_.Get().size(), 5u);
  EXPECT_THAT(logged_.Get(), ::testing::Each(EndsWith(" trace_id=" + id)));
}

TEST_F(ChangeLogTest, EachStateOfAChargingPointIsLoggedOnce) {
  PointChanged change;
  change.point.record.id = CpId("cp_001");
  change.point.record.location = "Harbour 1";
  log_.OnPoint(change);
  change.previous = PointState::kDisconnected;
  log_.OnPoint(change);
  change.point.state = PointState::kFaulted;
  change.point.fault = "hot";
  log_.OnPoint(change);
  change.deleted = true;
  log_.OnPoint(change);
  EXPECT_THAT(logged_.Get(),
              ElementsAre(EndsWith("info charging point registered cp_id=cp_001 location=\"Harbour 1\""),
                          EndsWith("info charging point changed cp_id=cp_001 state=FAULTED was=DISCONNECTED fault=hot"),
                          EndsWith("info charging point deleted cp_id=cp_001")));
}

}  // namespace
}  // namespace ev::central
