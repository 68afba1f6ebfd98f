#include "services/engine/adapters/engine_console.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/text.h"
#include "domain/target_text.h"

namespace ev::engine {
namespace {

// "1.234567": exact, rounded for no eye.
std::string Millionths(std::int64_t value) {
  return absl::StrFormat("%d.%06d", value / 1'000'000, value % 1'000'000);
}

}  // namespace

std::string Describe(const Status& status) {
  std::string text = status.cp.empty() ? "(no charging point yet)" : status.cp.value();
  const EngineReport& report = status.report;
  if (report.health == EngineHealth::kFaulted) absl::StrAppend(&text, "  FAULTED (", report.fault, ")");
  if (!report.occupation) {
    absl::StrAppend(&text, "  idle");
  } else {
    absl::StrAppend(&text, report.occupation->phase == Phase::kCharging ? "  charging" : "  reserved", " for ",
                    status.grant->driver.value(), ", session ", report.occupation->session.value());
  }
  if (status.energy_flows) {
    absl::StrAppendFormat(&text, "  %.1f kW  %s kWh  %s %s", static_cast<double>(status.power_w) / 1000,
                          Millionths(report.occupation->energy_mwh), Millionths(report.occupation->amount_micros),
                          status.grant->price.currency);
  }
  if (!status.waiting_for.empty()) absl::StrAppend(&text, "  waits for ", status.waiting_for);
  absl::StrAppend(&text, report.plugged_in ? "  plugged in" : "  unplugged",
                  status.monitor_present ? "" : "  NO MONITOR", "  register ", Millionths(status.register_mwh), " kWh");
  if (report.unsettled_total > 0) absl::StrAppend(&text, "  ", report.unsettled_total, " not settled");
  return Printable(text);
}

absl::string_view EngineConsole::Help() {
  return "plug in            the vehicle is plugged in (also: plug)\n"
         "unplug             the plug is pulled\n"
         "fault [text]       the hardware breaks\n"
         "clear              the hardware is whole again\n"
         "request <driver> [target]   ask Central for a charge here; target: 10kWh, 5.50EUR, 30min\n"
         "status             how things stand\n"
         "help, quit";
}

void EngineConsole::OnLine(const std::string& line) {
  const std::pair<absl::string_view, absl::string_view> words = absl::StrSplit(line, absl::MaxSplits(' ', 1));
  const absl::string_view command = words.first;
  const absl::string_view rest = absl::StripAsciiWhitespace(words.second);
  const auto act = [this](auto decide) {
    host_.Apply(
        [decide](Engine& core, Moment now) {
          decide(core, now);
          return 0;
        },
        [this](const absl::StatusOr<int>& kept) {
          print_(kept.ok() ? Describe(host_.GetStatus()) : kept.status().ToString());
        });
  };
  if (command == "plug" && (rest.empty() || rest == "in")) {
    act([](Engine& core, Moment now) { core.PlugIn(now); });
  } else if (command == "unplug" && rest.empty()) {
    act([](Engine& core, Moment now) { core.Unplug(now); });
  } else if (command == "fault") {
    act([text = std::string(CutUtf8(rest, kMaxFaultText))](Engine& core, Moment now) { core.InjectFault(text, now); });
  } else if (command == "clear" && rest.empty()) {
    act([](Engine& core, Moment now) { core.ClearFault(now); });
  } else if (command == "request") {
    Request(rest);
  } else if (command == "status" && rest.empty()) {
    act([](Engine&, Moment) {});
  } else if (command == "help") {
    print_(Help());
  } else if (command == "quit" || command == "exit") {
    quit_();
  } else {
    print_(absl::StrCat("unknown command: ", line, " (try: help)"));
  }
}

void EngineConsole::Request(absl::string_view arguments) {
  const std::vector<std::string> words = absl::StrSplit(arguments, ' ', absl::SkipEmpty());
  if (words.empty() || words.size() > 2) return print_("usage: request <driver> [target]");
  auto driver = ParseDriverId(words[0]);
  if (!driver.ok()) return print_(driver.status().message());
  PointRequest request{.request_id = {}, .driver = *std::move(driver), .target = {}, .waited = {}, .trace = {}};
  if (words.size() == 2) {
    auto typed = ParseTarget(words[1]);
    if (!typed.ok()) return print_(typed.status().message());
    const auto configuration = host_.GetStatus().configuration;
    if (!typed->currency.empty() && configuration && configuration->price.currency != typed->currency) {
      return print_(absl::StrCat("the price here is in ", configuration->price.currency));
    }
    request.target = typed->target;
  }
  host_.RequestSession(std::move(request), [print = print_](const PointRequestAnswer& answer) {
    if (answer.session) return print(absl::StrCat("granted: session ", answer.session->value()));
    print(absl::StrCat("denied: ", Name(answer.denial), answer.text.empty() ? "" : ", ", Printable(answer.text)));
  });
}

}  // namespace ev::engine
