#include "cli/evctl/central.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "rpc/channel.h"

namespace ev::evctl {

absl::StatusOr<Central> Central::Make(const CentralOptions& options) {
  if (auto status = rpc::CheckTarget(options.address); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--central: ", status.message()));
  }
  return Central(options);
}

Central::Central(const CentralOptions& options) : options_(options) {
  const auto channel = rpc::MakeChannel({.target = options.address});
  points = evcharging::central::v1::ChargingPointService::NewStub(channel);
  sessions = evcharging::central::v1::SessionService::NewStub(channel);
  tickets = evcharging::central::v1::TicketService::NewStub(channel);
  server = evcharging::central::v1::ServerService::NewStub(channel);
}

std::string Central::name() const {
  return options_.context.empty() ? options_.address
                                  : absl::StrCat(options_.address, " (context ", options_.context, ")");
}

absl::Status Central::Explain(const absl::Status& status) const {
  if (status.ok()) return status;
  const std::string reason = DetailOf(status).reason;
  // Central's own words, which say what to do.
  if (!reason.empty()) return absl::Status(status.code(), absl::StrCat(reason, ": ", status.message()));
  if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
  return absl::Status(status.code(),
                      absl::StrCat("Central at ", name(), " does not answer: ", status.message(),
                                   "; is ev-central running? --central or EV_CENTRAL names another address"));
}

}  // namespace ev::evctl
