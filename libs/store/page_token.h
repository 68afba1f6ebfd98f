#ifndef EV_STORE_PAGE_TOKEN_H_
#define EV_STORE_PAGE_TOKEN_H_

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/fnv1a.h"
#include "store/store.h"
#include "store/stored_time.h"

namespace ev::store {

inline constexpr int kMaxPageSize = 1000;

inline absl::Status CheckPageSize(int page_size) {
  if (page_size >= 1 && page_size <= kMaxPageSize) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("page_size of ", page_size, " is outside 1 .. ", kMaxPageSize));
}

// Where a page ended. The next one goes on below it, so rows that arrive meanwhile shift nothing.
struct PageKey {
  std::int64_t time_nanos = 0;
  std::string id;

  friend auto operator<=>(const PageKey&, const PageKey&) = default;
};

// What a token is good for: one store and one filter.
inline std::string PageScope(absl::string_view store_id, const SessionFilter& filter) {
  std::string scope = absl::StrCat("sessions\n", store_id, "\n", filter.driver.value(), "\n", filter.cp.value(), "\n");
  for (const SessionState state : filter.states) absl::StrAppend(&scope, static_cast<int>(state), ",");
  return scope;
}
inline std::string PageScope(absl::string_view store_id, const TicketFilter& filter) {
  return absl::StrCat("tickets\n", store_id, "\n", filter.driver.value(), "\n", filter.cp.value(), "\n",
                      filter.session.value(), "\n", ToStoredNanos(filter.from), "\n", ToStoredNanos(filter.to));
}

namespace page_token_internal {

inline std::uint64_t Checksum(absl::string_view scope, absl::string_view body) {
  return Fnv1a(body, Fnv1a("\n", Fnv1a(scope)));
}

inline std::string Hex64(std::uint64_t value) {
  return absl::StrCat(absl::Hex(value, absl::kZeroPad16));
}

}  // namespace page_token_internal

// Letters and digits. The checksum catches tokens that were mangled, or given for another filter or by another store;
// it is no protection against forgery, which would gain nothing.
inline std::string MakePageToken(const PageKey& last, absl::string_view scope) {
  using namespace page_token_internal;
  const std::string body =
      absl::StrCat(Hex64(static_cast<std::uint64_t>(last.time_nanos)), absl::BytesToHexString(last.id));
  return absl::StrCat(Hex64(Checksum(scope, body)), body);
}

// InvalidArgument for anything that MakePageToken did not make for this scope.
inline absl::StatusOr<PageKey> ParsePageToken(absl::string_view token, absl::string_view scope) {
  using namespace page_token_internal;
  const bool well_formed =
      token.size() >= 32 && token.size() % 2 == 0 && std::all_of(token.begin(), token.end(), absl::ascii_isxdigit);
  if (!well_formed || token.substr(0, 16) != Hex64(Checksum(scope, token.substr(16)))) {
    return absl::InvalidArgumentError("page_token is not one that this list returned for the same filter");
  }
  PageKey key;
  for (const char digit : absl::HexStringToBytes(token.substr(16, 16))) {
    key.time_nanos =
        static_cast<std::int64_t>(static_cast<std::uint64_t>(key.time_nanos) << 8 | static_cast<unsigned char>(digit));
  }
  key.id = absl::HexStringToBytes(token.substr(32));
  return key;
}

}  // namespace ev::store

#endif  // EV_STORE_PAGE_TOKEN_H_
