#include "services/driver/adapters/read_request_file.h"

#include "config/text_file.h"
#include "services/driver/core/request_file.h"

namespace ev::driver {
namespace {

constexpr std::size_t kMaxKib = 1024;

}  // namespace

absl::StatusOr<std::vector<CpId>> ReadRequestFile(const std::string& path) {
  const auto text = config::ReadTextFile(path, kMaxKib);
  if (!text.ok()) return text.status();
  return ParseRequestFile(path, *text);
}

}  // namespace ev::driver
