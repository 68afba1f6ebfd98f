#include "services/driver/adapters/read_request_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "services/driver/core/request_file.h"

namespace ev::driver {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;

}  // namespace

absl::StatusOr<std::vector<CpId>> ReadRequestFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  // A directory opens, and fails only when it is read.
  if (!file || !file.read(text.data(), static_cast<std::streamsize>(text.size())).eof()) {
    if (file) return absl::InvalidArgumentError(absl::StrCat(path, " is larger than 1 MiB"));
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return ParseRequestFile(path, text);
}

}  // namespace ev::driver
