#include "services/monitor/options.h"

#include <string>

#include "process/version.h"
#include "rpc/channel.h"

namespace ev::monitor {

std::optional<int> ParseOptions(int argc, const char* const* argv, Options& options) {
  config::Parser parser(
      {.name = "ev-monitor",
       .version = std::string(process::Version()),
       .summary = "Watches one charging point's Engine and holds its link to Central.",
       .examples = {"ev-monitor localhost:5001 localhost:6001 cp_001   # Engine, Central, charging point",
                    "ev-monitor --cp-id cp_001 --location 'Harbour 4' --site harbour",
                    "EV_CENTRAL=localhost:6001 ev-monitor --cp-id cp_001"}});
  config::AddServiceOptions(parser, options.service);

  parser.Group("Charging point");
  std::string cp;
  parser.Add("engine", &options.host.engine_address, "The Engine, host:port").Required().Check(rpc::CheckTarget);
  parser.Add("central", &options.host.central_address, "Central, host:port").Required().Check(rpc::CheckTarget);
  parser.Add("cp-id", &cp, "The charging point's id").Required();
  parser.Add("location", &options.host.location,
             "Where it stands, for a charging point that Central does not know yet");
  parser.Add("site", &options.host.site, "To which site it belongs, likewise");
  parser.Add("silence-limit", &options.host.core.silence_limit, "Without a word for this long a partner is gone")
      .Range(absl::Milliseconds(500), absl::Minutes(5));

  parser.Positional("engine");
  parser.Positional("central");
  parser.Positional("cp-id");
  parser.AtEnd([&]() -> absl::Status {
    auto id = ParseCpId(cp);
    if (!id.ok()) return absl::InvalidArgumentError("--cp-id: " + std::string(id.status().message()));
    options.host.core.cp = *std::move(id);
    return absl::OkStatus();
  });
  if (auto exit_code = parser.Run(argc, argv)) return exit_code;
  config::StartLog(parser, options.service);
  return std::nullopt;
}

}  // namespace ev::monitor
