#include "services/central/adapters/outbox_codec.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/fnv1a.h"
#include "base/trace.h"
#include "evcharging/events/v1/alerts.pb.h"
#include "evcharging/events/v1/status.pb.h"
#include "events/replay.h"
#include "wire/common_codec.h"

namespace ev::central {
namespace {

namespace common = evcharging::common::v1;
namespace events = evcharging::events::v1;

// 16 bytes that are the same for the same text.
std::string DerivedId(absl::string_view text) {
  std::string id;
  for (std::uint64_t hash : {Fnv1a(text), Fnv1a(text, 0x9e3779b97f4a7c15ULL)}) {
    for (int shift = 56; shift >= 0; shift -= 8) id.push_back(static_cast<char>(hash >> shift & 0xff));
  }
  return id;
}

// The headers of a message that belongs to this trace.
std::vector<std::pair<std::string, std::string>> HeadersOf(const Trace& trace, absl::string_view message_id) {
  if (trace.empty()) return {};
  return {{kTraceparent, Traceparent(trace, absl::BytesToHexString(message_id))}};
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
    {AlertKind::kEngineSilent, events::ALERT_KIND_ENGINE_SILENT, events::ALERT_SEVERITY_ERROR},
    {AlertKind::kClusterUnknown, events::ALERT_KIND_CLUSTER_UNKNOWN, events::ALERT_SEVERITY_ERROR},
    {AlertKind::kJournalReplaced, events::ALERT_KIND_JOURNAL_REPLACED, events::ALERT_SEVERITY_WARNING},
};

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
  *message.mutable_event_time() = wire::ToProto(s.updated);
  message.set_state(static_cast<common::SessionState>(s.state));
  message.set_energy_mwh(s.energy_mwh);
  message.set_power_w(static_cast<std::int32_t>(s.power_w));
  message.set_amount_micros(s.amount_micros);
  *message.mutable_price() = wire::ToProto(s.price);
  if (s.state == SessionState::kDenied || s.state == SessionState::kExpired) {
    *message.mutable_denial() = wire::ToDenial(s.denial, s.denial_text);
  }
  if (update.ticket.has_value()) *message.mutable_ticket() = wire::ToProto(*update.ticket);
  message.set_notice(std::string(NoticeFor(s.state, update.point)));
  return {.id = absl::StrCat("session/", update.replaceable ? s.id.value() : revision),
          .topic = topics_.status_updates.name,
          .key = s.driver.value(),
          .value = message.SerializeAsString(),
          .headers = HeadersOf(s.trace, message.message_id())};
}

store::OutboxRecord OutboxCodec::Encode(const DenialUpdate& update) const {
  const std::string id = absl::StrCat("denial/", update.id);
  events::StatusUpdate message;
  message.set_message_id(DerivedId(id));
  message.set_driver_id(update.driver.value());
  message.set_charging_point_id(update.cp.value());
  *message.mutable_event_time() = wire::ToProto(update.time);
  message.set_state(common::SESSION_STATE_DENIED);
  *message.mutable_denial() = wire::ToDenial(update.reason, update.text);
  return {.id = id,
          .topic = topics_.status_updates.name,
          .key = update.driver.value(),
          .value = message.SerializeAsString(),
          .headers = HeadersOf(update.trace, message.message_id())};
}

store::OutboxRecord OutboxCodec::Encode(const DeadLetter& letter) const {
  // After a topic was made anew another message has the same origin: the first must not be replaced before it was sent.
  const std::uint64_t content = Fnv1a(letter.body, Fnv1a(letter.key));
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
  for (const auto& [name, value] : letter.headers) {
    // Whatever is replayed keeps its count; other names of ours say where it stood now, not before.
    if (!absl::StartsWith(name, "ev-") || IsReplayHeader(name)) record.headers.emplace_back(name, value);
  }
  if (letter.written != absl::InfinitePast()) {
    record.headers.emplace_back("ev-origin-timestamp", absl::StrCat(absl::ToUnixMillis(letter.written)));
  }
  const bool has_trace = std::any_of(letter.headers.begin(), letter.headers.end(),
                                     [](const auto& header) { return header.first == kTraceparent; });
  if (!has_trace) {
    for (auto& header : HeadersOf(letter.trace, DerivedId(origin))) record.headers.push_back(std::move(header));
  }
  return record;
}

store::OutboxRecord OutboxCodec::Encode(const Alert& alert) const {
  const std::string id = absl::StrCat("alert/", alert.id);
  events::Alert message;
  message.set_message_id(DerivedId(id));
  *message.mutable_event_time() = wire::ToProto(alert.time);
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
          .headers = HeadersOf(alert.trace, message.message_id())};
}

}  // namespace ev::central
