#include "domain/ids.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/error_detail.h"

namespace ev {
namespace {

constexpr std::size_t kMaxIdLength = 64;

bool IsIdCharacter(char c) {
  return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == ':' || c == '-';
}

absl::Status CheckId(absl::string_view what, absl::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError(absl::StrCat(what, " is empty"));
  if (text.size() > kMaxIdLength) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " has ", text.size(), " characters, at most ", kMaxIdLength, " are allowed"));
  }
  for (char c : text) {
    if (!IsIdCharacter(c)) {
      return absl::InvalidArgumentError(absl::StrFormat("%s contains the byte 0x%02x, allowed are A-Z a-z 0-9 . _ : -",
                                                        what, static_cast<unsigned char>(c)));
    }
  }
  if (!absl::ascii_isalnum(text[0])) {
    return absl::InvalidArgumentError(absl::StrCat(what, " must begin with a letter or a digit"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CpId> ParseCpId(absl::string_view text) {
  if (auto status = CheckId("charging point id", text); !status.ok()) return status;
  return CpId(std::string(text));
}

absl::StatusOr<DriverId> ParseDriverId(absl::string_view text) {
  if (auto status = CheckId("driver id", text); !status.ok()) return status;
  return DriverId(std::string(text));
}

absl::StatusOr<SessionId> ParseSessionId(absl::string_view text) {
  if (text.size() != 32 || text.find_first_not_of("0123456789abcdef") != absl::string_view::npos) {
    return absl::InvalidArgumentError("session id must be 32 lower-case hexadecimal digits");
  }
  return SessionId(std::string(text));
}

absl::Status CheckRequestId(absl::string_view field, absl::string_view text, std::size_t max_length) {
  if (text.size() > max_length) {
    return FieldError(field, absl::StrCat("has ", text.size(), " characters, at most ", max_length, " are allowed"));
  }
  for (char c : text) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) {
      return FieldError(field,
                        absl::StrFormat("contains the byte 0x%02x, allowed are printable ASCII characters but no blank",
                                        static_cast<unsigned char>(c)));
    }
  }
  return absl::OkStatus();
}

}  // namespace ev
