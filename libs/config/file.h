#ifndef EV_CONFIG_FILE_H_
#define EV_CONFIG_FILE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace ev::config {

// What a key was given, and where.
struct FileEntry {
  std::vector<std::string> values;
  int line = 0;  // From 1.
};

// What each key of a configuration file was given, sections joined by a dot: `[kafka]` and `brokers = "a:1,b:2"` give
// {"kafka.brokers", {{"a:1,b:2"}, 2}}. INI or TOML as CLI11 reads them; `#` begins a comment except inside quotes; a
// list is `["a", "b"]`. InvalidArgument when ReadTextFile() cannot read it, when it has a key twice or a line that is
// too short to say anything or whose key or section is too long to be one.
absl::StatusOr<std::map<std::string, FileEntry>> ReadFile(const std::string& path);

}  // namespace ev::config

#endif  // EV_CONFIG_FILE_H_
