#include "cli/evctl/tail.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/text.h"
#include "cli/evctl/ancestor.h"
#include "cli/evctl/json.h"
#include "evcharging/events/v1/alerts.pb.h"
#include "evcharging/events/v1/facts.pb.h"
#include "evcharging/events/v1/status.pb.h"
#include "events/topics.h"

namespace ev::evctl {
namespace {

namespace events = evcharging::events::v1;

// What travels on one topic, decoded into one message again and again; empty: it cannot be.
using Decoder = std::function<std::optional<nlohmann::ordered_json>(absl::string_view body)>;

nlohmann::ordered_json AsItIs(const google::protobuf::Message& message) {
  const auto json = JsonText(message);
  return json.ok() ? nlohmann::ordered_json::parse(*json) : nlohmann::ordered_json();
}

template <typename Message>
Decoder DecoderFor(TailFormat format) {
  return [format, message = std::make_shared<Message>()](absl::string_view body) {
    std::optional<nlohmann::ordered_json> json;
    if (!message->ParseFromArray(body.data(), static_cast<int>(body.size()))) return json;
    json = format == TailFormat::kAncestor ? AncestorJson(*message) : AsItIs(*message);
    if (json->is_null()) json.reset();
    return json;
  };
}

Decoder DecoderOf(absl::string_view topic, TailFormat format) {
  const Topics topics;
  if (topic == topics.status_updates.name) return DecoderFor<events::StatusUpdate>(format);
  if (topic == topics.alerts.name) return DecoderFor<events::Alert>(format);
  return DecoderFor<events::Fact>(format);
}

// Whether a decoded message is about what was asked for: by the proto's field names or the ancestor's.
bool IsAbout(const nlohmann::ordered_json& message, const TailOptions& options) {
  const auto is = [&](const char* name, const char* ancestors, const std::string& wanted) {
    if (wanted.empty()) return true;
    const auto it = message.find(options.format == TailFormat::kAncestor ? ancestors : name);
    return it != message.end() && *it == wanted;
  };
  return is("charging_point_id", "cp_id", options.point) && is("session_id", "session_id", options.session);
}

void Print(absl::string_view topic, std::int32_t partition, const IncomingMessage& message,
           std::optional<nlohmann::ordered_json> value, TailFormat format, std::ostream& out) {
  nlohmann::ordered_json line;
  if (value.has_value() && format == TailFormat::kAncestor) {
    line = *std::move(value);
  } else {
    if (format == TailFormat::kAncestor) line["type"] = "undecodable";
    line["topic"] = std::string(topic);
    line["partition"] = partition;
    line["offset"] = message.offset;
    line["key"] = std::string(message.key);
    for (const auto& [name, text] : message.headers) line["headers"][std::string(name)] = std::string(text);
    if (value.has_value()) {
      line["value"] = *std::move(value);
    } else {
      line["undecodable"] = absl::BytesToHexString(message.value);
    }
  }
  out << EscapeJson(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)) << '\n';
}

}  // namespace

absl::Status Tail(const TailOptions& options, process::StopSignal* stop, std::ostream& out) {
  const Decoder decode = DecoderOf(options.log.topic, options.format);
  const bool wants_all = options.point.empty() && options.session.empty();
  const auto on_message = [&](absl::string_view topic, std::int32_t partition, const IncomingMessage& message) {
    std::optional<nlohmann::ordered_json> value = decode(message.value);
    if (wants_all || (value.has_value() && IsAbout(*value, options))) {
      Print(topic, partition, message, std::move(value), options.format, out);
    }
    return out.flush().good();
  };
  return ReadLog(options.log, stop, on_message);
}

}  // namespace ev::evctl
