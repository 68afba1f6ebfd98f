#include "cli/evctl/prune.h"

#include <cstdint>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/evctl/get.h"
#include "wire/common_codec.h"

namespace ev::evctl {

namespace pb = evcharging::central::v1;

absl::Status Prune(const Central& central, const PruneOptions& options, std::ostream& out) {
  const auto before = ParseTime(options.before, absl::Now());
  if (!before.ok()) return absl::InvalidArgumentError(absl::StrCat("--older-than: ", before.status().message()));
  pb::PruneStoreRequest request;
  *request.mutable_before() = wire::ToProto(*before);
  request.set_dry_run(!options.is_meant);
  request.set_requested_by(options.requested_by);
  std::int64_t sessions = 0;
  std::int64_t refusals = 0;
  bool has_more = true;
  absl::Status failed;
  while (has_more) {
    const auto response = central.Call(central.server, &Central::Server::PruneStore, request);
    if (!response.ok()) {
      failed = response.status();
      if (sessions + refusals == 0) return failed;
      break;
    }
    sessions += response->session_count();
    refusals += response->refusal_count();
    has_more = response->has_more();
    if (request.dry_run()) break;
  }
  const char* const at_least = has_more ? " or more" : "";
  out << (options.is_meant ? "removed: " : "would be removed: ") << sessions << at_least
      << " sessions that were denied or expired without energy, " << refusals << at_least << " refusals\n";
  if (!failed.ok()) return failed;  // Behind what the calls before it have removed.
  if (!options.is_meant) out << "nothing is removed yet: say --yes\n";
  return absl::OkStatus();
}

}  // namespace ev::evctl
