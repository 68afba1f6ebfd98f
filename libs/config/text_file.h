#ifndef EV_CONFIG_TEXT_FILE_H_
#define EV_CONFIG_TEXT_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace ev::config {

// What stands in the file at `path`, without the mark (BOM) with which some editors begin UTF-8. InvalidArgument when
// it cannot be read, is larger than `max_kib` or no regular file: a pipe may have no end and keeps its reader waiting.
absl::StatusOr<std::string> ReadTextFile(const std::string& path, std::size_t max_kib);

}  // namespace ev::config

#endif  // EV_CONFIG_TEXT_FILE_H_
