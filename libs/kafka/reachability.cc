#include "kafka/reachability.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace ev::kafka {

Reachability::Reachability(const Reachable& words, std::string brokers) : words_(words), brokers_(std::move(brokers)) {}

std::optional<Note> Reachability::OnAnswer(absl::string_view cluster_id, absl::Time now) {
  if (!cluster_id.empty()) health_.cluster_id = std::string(cluster_id);
  if (health_.connected) return std::nullopt;
  health_.connected = true;
  health_.degraded_reason.clear();
  health_.since = now;
  is_outage_said_ = false;
  return Note{.message = words_.connected, .fields = {}};
}

std::optional<Note> Reachability::OnSilence(absl::string_view reason, absl::Time now) {
  health_.degraded_reason = absl::StrCat("Kafka ", words_.client, " cannot reach ", brokers_, ": ", reason);
  if (health_.connected || !is_outage_said_) health_.since = now;
  health_.connected = false;
  if (std::exchange(is_outage_said_, true)) return std::nullopt;
  return Note{.level = NoteLevel::kWarn,
              .message = words_.away,
              .fields = {{"brokers", brokers_}, {"reason", std::string(reason)}}};
}

}  // namespace ev::kafka
