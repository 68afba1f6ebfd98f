#include "cli/evctl/ancestor.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "evcharging/events/v1/alerts.pb.h"
#include "evcharging/events/v1/facts.pb.h"
#include "evcharging/events/v1/status.pb.h"

namespace ev::evctl {
namespace {

namespace events = evcharging::events::v1;

events::Fact NewFact() {
  events::Fact fact;
  fact.set_message_id(std::string(15, '\x01') + '\xff');
  fact.set_charging_point_id("cp_001");
  fact.set_session_id("0f1e");
  fact.mutable_event_time()->set_seconds(1'767'323'045);
  fact.mutable_event_time()->set_nanos(678'000'000);
  fact.set_energy_mwh(36'666);
  fact.set_power_w(11'050);
  fact.set_amount_micros(12'833);
  fact.mutable_sample();
  return fact;
}

// B138
TEST(AncestorTest, TelemetryHasTheAncestorsFieldsInItsUnits) {
  EXPECT_EQ(AncestorJson(NewFact()).dump(),
            R"({"type":"charging_session_data","message_id":"010101010101010101010101010101ff","cp_id":"cp_001",)"
            R"("session_id":"0f1e","energy_consumed_kwh":0.036666,"total_cost":0.012833,"charging_rate":11.05,)"
            R"("timestamp":"2026-01-02T03:04:05.678000000Z"})");
}

TEST(AncestorTest, TheTypeOfAFactSaysWhatHappened) {
  events::Fact fact = NewFact();
  fact.mutable_session_start();
  EXPECT_EQ(AncestorJson(fact)["type"], "charging_session_start");
  fact.mutable_session_final();
  EXPECT_EQ(AncestorJson(fact)["type"], "charging_session_complete");
  fact.clear_body();
  EXPECT_EQ(AncestorJson(fact)["type"], "unknown");
}

TEST(AncestorTest, TheLargestFiguresKeepTheirLastDigit) {
  events::Fact fact = NewFact();
  fact.set_energy_mwh(9'999'999'999);
  fact.set_amount_micros(9'999'999'999'999);
  EXPECT_EQ(AncestorJson(fact)["energy_consumed_kwh"].dump(), "9999.999999");
  EXPECT_EQ(AncestorJson(fact)["total_cost"].dump(), "9999999.999999");
}

TEST(AncestorTest, AStatusUpdateAlsoSaysWhoseItIsAndHowItStands) {
  events::StatusUpdate update;
  update.set_charging_point_id("cp_002");
  update.set_driver_id("driver_001");
  update.set_state(evcharging::common::v1::SESSION_STATE_COMPLETED);
  update.set_energy_mwh(2'000'000);
  const nlohmann::ordered_json json = AncestorJson(update);
  EXPECT_EQ(json["type"], "charging_status_update");
  EXPECT_EQ(json["cp_id"], "cp_002");
  EXPECT_EQ(json["driver_id"], "driver_001");
  EXPECT_EQ(json["state"], "SESSION_STATE_COMPLETED");
  EXPECT_EQ(json["energy_consumed_kwh"], 2.0);
}

TEST(AncestorTest, AnAlertHasWordsInsteadOfFigures) {
  events::Alert alert;
  alert.set_kind(events::ALERT_KIND_LINK_LOST);
  alert.set_severity(events::ALERT_SEVERITY_WARNING);
  alert.set_charging_point_id("cp_003");
  alert.set_text("no beat for 3 s");
  const nlohmann::ordered_json json = AncestorJson(alert);
  EXPECT_EQ(json["type"], "system_alert");
  EXPECT_EQ(json["cp_id"], "cp_003");
  EXPECT_EQ(json["kind"], "ALERT_KIND_LINK_LOST");
  EXPECT_EQ(json["text"], "no beat for 3 s");
  EXPECT_FALSE(json.contains("energy_consumed_kwh"));
}

}  // namespace
}  // namespace ev::evctl
