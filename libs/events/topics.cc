#include "events/topics.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace ev {
namespace {

bool IsLegalName(const std::string& name) {
  if (name.empty() || name.size() > 249 || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-'; });
}

absl::Status ValidateTopic(const TopicConfig& topic) {
  if (!IsLegalName(topic.name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("topic name '", topic.name, "': expected 1 to 249 characters out of A-Z a-z 0-9 . _ -"));
  }
  if (topic.partitions < 1 || topic.partitions > 10000) {
    return absl::InvalidArgumentError(
        absl::StrCat("topic ", topic.name, ": ", topic.partitions, " partitions, expected 1 to 10000"));
  }
  if (topic.retention <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("topic ", topic.name, ": retention ", absl::FormatDuration(topic.retention), " is not positive"));
  }
  if (topic.replication != kBrokerDefaultReplication && (topic.replication < 1 || topic.replication > 100)) {
    return absl::InvalidArgumentError(absl::StrCat("topic ", topic.name, ": replication ", topic.replication,
                                                   ", expected 1 to 100, or -1 for the broker's default"));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<TopicConfig> Topics::All() const {
  return {session_data, session_complete, status_updates, alerts, dead_letter};
}

absl::Status ValidateTopics(const Topics& topics) {
  absl::flat_hash_set<std::string> names;
  for (const TopicConfig& topic : topics.All()) {
    if (absl::Status status = ValidateTopic(topic); !status.ok()) return status;
    if (!names.insert(topic.name).second) {
      return absl::InvalidArgumentError(absl::StrCat("topic name '", topic.name, "' is used twice"));
    }
  }
  if (topics.session_data.partitions != topics.session_complete.partitions) {
    return absl::InvalidArgumentError(
        absl::StrCat("topics ", topics.session_data.name, " and ", topics.session_complete.name,
                     " need the same number of partitions, not ", topics.session_data.partitions, " and ",
                     topics.session_complete.partitions));
  }
  return absl::OkStatus();
}

}  // namespace ev
