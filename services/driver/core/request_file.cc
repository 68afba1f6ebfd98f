#include "services/driver/core/request_file.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ev::driver {

absl::StatusOr<std::vector<CpId>> ParseRequestFile(absl::string_view name, absl::string_view text) {
  std::vector<CpId> requests;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    if (line.find_first_of(" \t") != line.npos) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, ":", number, ": a line is one charging point id and nothing else; targets are for the prompt"));
    }
    auto cp = ParseCpId(line);
    if (!cp.ok()) return absl::InvalidArgumentError(absl::StrCat(name, ":", number, ": ", cp.status().message()));
    if (requests.size() == kMaxRequests) {
      return absl::InvalidArgumentError(absl::StrCat(name, ":", number, ": more than ", kMaxRequests, " requests"));
    }
    requests.push_back(*std::move(cp));
  }
  if (requests.empty()) return absl::InvalidArgumentError(absl::StrCat(name, " names no charging point"));
  return requests;
}

}  // namespace ev::driver
