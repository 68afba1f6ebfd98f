#include "base/secret.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace ev {
namespace {

constexpr absl::string_view kWords[] = {
    "password", "passwd", "passphrase", "secret", "token", "credential", "jaas", ".pem", "oauthbearer.config",
};

}  // namespace

bool SoundsSecret(absl::string_view setting) {
  const std::string name = absl::AsciiStrToLower(setting);
  return absl::EndsWith(name, "key") || std::any_of(std::begin(kWords), std::end(kWords), [&](absl::string_view word) {
           return absl::StrContains(name, word);
         });
}

}  // namespace ev
