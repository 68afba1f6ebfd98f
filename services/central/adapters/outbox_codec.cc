#include "services/central/adapters/outbox_codec.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "evcharging/events/v1/alerts.pb.h"
#include "evcharging/events/v1/status.pb.h"

namespace ev::central {
namespace {

namespace common = evcharging::common::v1;
namespace events = evcharging::events::v1;

void PutTime(absl::Time from, google::protobuf::Timestamp* to) {
  const std::int64_t seconds = absl::ToUnixSeconds(from);
  to->set_seconds(seconds);
  to->set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(from - absl::FromUnixSeconds(seconds))));
}

constexpr std::uint64_t kFnvBasis = 0xcbf29ce484222325ULL;

// FNV-1a (Fowler, Noll, Vo), 64 bits: stable for ever, which absl::Hash is not.
std::uint64_t Fnv1a(absl::string_view text, std::uint64_t hash) {
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3ULL;
  return hash;
}

// 16 bytes that are the same for the same text.
std::string DerivedId(absl::string_view text) {
  std::string id;
  for (std::uint64_t hash : {Fnv1a(text, kFnvBasis), Fnv1a(text, 0x9e3779b97f4a7c15ULL)}) {
    for (int shift = 56; shift >= 0; shift -= 8) id.push_back(static_cast<char>(hash >> shift & 0xff));
  }
  return id;
}

void PutPrice(const Price& from, common::Price* to) {
  to->set_micros_per_kwh(from.micros_per_kwh);
  to->set_currency(from.currency);
}

void PutTicket(const Ticket& from, common::Ticket* to) {
  to->set_ticket_id(from.id);
  to->set_session_id(from.session.value());
  to->set_kind(static_cast<common::TicketKind>(from.kind));
  to->set_driver_id(from.driver.value());
  to->set_charging_point_id(from.cp.value());
  to->set_energy_mwh(from.energy_mwh);
  to->set_amount_micros(from.amount_micros);
  PutPrice(from.price, to->mutable_price());
  PutTime(from.start, to->mutable_start_time());
  PutTime(from.end, to->mutable_end_time());
  PutTime(from.issued, to->mutable_create_time());
  to->set_end_reason(static_cast<common::EndReason>(from.end_reason));
  to->set_estimated(from.estimated);
  to->set_recovered(from.recovered);
  to->set_adjusts_ticket_id(from.adjusts_ticket);
}

struct AlertWords {
  AlertKind kind;
  events::AlertKind wire;
  events::AlertSeverity severity;
};
constexpr AlertWords kAlerts[] = {
    {AlertKind::kPointFaulted, events::ALERT_KIND_ENGINE_FAULTED, events::ALERT_SEVERITY_ERROR},
    {AlertKind::kLinkLost, events::ALERT_KIND_LINK_LOST, events::ALERT_SEVERITY_WARNING},
    {AlertKind::kRecovered, events::ALERT_KIND_SESSION_RECOVERED, events::ALERT_SEVERITY_WARNING},
    {AlertKind::kAmountDiffers, events::ALERT_KIND_AMOUNT_DIFFERS, events::ALERT_SEVERITY_ERROR},
    {AlertKind::kDeadLetter, events::ALERT_KIND_DEAD_LETTER, events::ALERT_SEVERITY_WARNING},
    {AlertKind::kGap, events::ALERT_KIND_GAP, events::ALERT_SEVERITY_ERROR},
    {AlertKind::kLinkRefused, events::ALERT_KIND_REGISTRATION_REFUSED, events::ALERT_SEVERITY_WARNING},
};

absl::string_view Notice(PointState point, SessionState state) {
  if (!HoldsPoint(state)) return "";
  if (point == PointState::kDisconnected) return "the charging point is disconnected";
  if (point == PointState::kFaulted) return "the charging point is faulted";
  return "";
}

}  // namespace

store::OutboxRecord OutboxCodec::Encode(const OutboxItem& item) const {
  return std::visit([this](const auto& value) { return Encode(value); }, item);
}

store::OutboxRecord OutboxCodec::Encode(const StatusUpdate& update) const {
  const Session& s = update.session;
  const std::string revision = absl::StrCat(s.id.value(), "/", s.revision.incarnation, "/", s.revision.counter);
  events::StatusUpdate message;
  message.set_message_id(DerivedId(revision));
  message.set_driver_id(s.driver.value());
  message.set_session_id(s.id.value());
  message.set_charging_point_id(s.cp.value());
  message.mutable_revision()->set_incarnation(s.revision.incarnation);
  message.mutable_revision()->set_counter(s.revision.counter);
  PutTime(s.updated, message.mutable_event_time());
  message.set_state(static_cast<common::SessionState>(s.state));
  message.set_energy_mwh(s.energy_mwh);
  message.set_power_w(static_cast<std::int32_t>(s.power_w));
  message.set_amount_micros(s.amount_micros);
  PutPrice(s.price, message.mutable_price());
  if (s.state == SessionState::kDenied || s.state == SessionState::kExpired) {
    message.mutable_denial()->set_reason(static_cast<common::DenialReason>(s.denial));
    message.mutable_denial()->set_text(s.denial_text);
  }
  if (update.ticket.has_value()) PutTicket(*update.ticket, message.mutable_ticket());
  message.set_notice(std::string(Notice(update.point, s.state)));
  return {.id = absl::StrCat("session/", update.replaceable ? s.id.value() : revision),
          .topic = topics_.status_updates.name,
          .key = s.driver.value(),
          .value = message.SerializeAsString(),
          .headers = {}};
}

store::OutboxRecord OutboxCodec::Encode(const DenialUpdate& update) const {
  const std::string id = absl::StrCat("denial/", update.id);
  events::StatusUpdate message;
  message.set_message_id(DerivedId(id));
  message.set_driver_id(update.driver.value());
  message.set_charging_point_id(update.cp.value());
  PutTime(update.time, message.mutable_event_time());
  message.set_state(common::SESSION_STATE_DENIED);
  message.mutable_denial()->set_reason(static_cast<common::DenialReason>(update.reason));
  message.mutable_denial()->set_text(update.text);
  return {.id = id,
          .topic = topics_.status_updates.name,
          .key = update.driver.value(),
          .value = message.SerializeAsString(),
          .headers = {}};
}

store::OutboxRecord OutboxCodec::Encode(const DeadLetter& letter) const {
  // After a topic was made anew another message has the same origin: the first must not be replaced before it was sent.
  const std::uint64_t content = Fnv1a(letter.body, Fnv1a(letter.key, kFnvBasis));
  const std::string origin =
      absl::StrCat(letter.topic, "/", letter.partition, "/", letter.offset, "/", absl::Hex(content, absl::kZeroPad16));
  store::OutboxRecord record{.id = absl::StrCat("dead/", origin),
                             .topic = topics_.dead_letter.name,
                             .key = letter.key,
                             .value = letter.body,
                             .headers = {{"ev-reason", letter.reason},
                                         {"ev-detail", letter.detail},
                                         {"ev-origin-topic", letter.topic},
                                         {"ev-origin-partition", absl::StrCat(letter.partition)},
                                         {"ev-origin-offset", absl::StrCat(letter.offset)},
                                         {"ev-message-id", absl::BytesToHexString(DerivedId(origin))}}};
  if (letter.written != absl::InfinitePast()) {
    record.headers.emplace_back("ev-origin-timestamp", absl::StrCat(absl::ToUnixMillis(letter.written)));
  }
  return record;
}

store::OutboxRecord OutboxCodec::Encode(const Alert& alert) const {
  const std::string id = absl::StrCat("alert/", alert.id);
  events::Alert message;
  message.set_message_id(DerivedId(id));
  PutTime(alert.time, message.mutable_event_time());
  message.set_source("ev-central");
  for (const AlertWords& words : kAlerts) {
    if (words.kind != alert.kind) continue;
    message.set_kind(words.wire);
    message.set_severity(words.severity);
  }
  message.set_charging_point_id(alert.cp.value());
  message.set_session_id(alert.session.value());
  message.set_text(alert.text);
  return {.id = id,
          .topic = topics_.alerts.name,
          .key = alert.cp.empty() ? "ev-central" : alert.cp.value(),
          .value = message.SerializeAsString(),
          .headers = {}};
}

}  // namespace ev::central
