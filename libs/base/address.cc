#include "base/address.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace ev {

absl::Status CheckAddress(absl::string_view text) {
  absl::string_view host = text;
  const std::size_t bracket = host.rfind(']');
  const std::size_t colon = host.rfind(':');
  const bool has_port = colon != host.npos && (bracket == host.npos || colon > bracket);
  if (has_port) {
    int number = 0;
    if (!absl::SimpleAtoi(host.substr(colon + 1), &number) || number < 1 || number > 65535) {
      return absl::InvalidArgumentError(absl::StrCat("the port of \"", text, "\" is not a number from 1 to 65535"));
    }
    host = host.substr(0, colon);
  }
  const bool is_bracketed = absl::StartsWith(host, "[") && absl::EndsWith(host, "]") && host.size() > 2;
  const bool is_plain = !host.empty() && host.find_first_of(" :/[]@") == host.npos;
  if ((!is_bracketed && !is_plain) || !has_port) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not host:port"));
  }
  return absl::OkStatus();
}

}  // namespace ev
