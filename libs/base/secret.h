#ifndef EV_BASE_SECRET_H_
#define EV_BASE_SECRET_H_

#include "absl/strings/string_view.h"

namespace ev {

// Whether the value of a setting of this name must never be shown, because it is a secret or may hold one: passwords,
// keys, tokens, whatever is in PEM. By the name alone, whoever the setting belongs to; where a secret is kept
// (ssl.key.location) may be shown.
bool SoundsSecret(absl::string_view setting);

}  // namespace ev

#endif  // EV_BASE_SECRET_H_
