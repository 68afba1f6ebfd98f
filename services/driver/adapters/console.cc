#include "services/driver/adapters/console.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/error_detail.h"
#include "domain/target_text.h"
#include "services/driver/adapters/read_request_file.h"
#include "services/driver/core/lines.h"

namespace ev::driver {
namespace {

namespace central_pb = evcharging::central::v1;
namespace common_pb = evcharging::common::v1;

constexpr int kHistory = 20;

constexpr char kHelp[] =
    "list                      the charging points, their states and prices\n"
    "charge <cp_id> [target]   ask for a charge; target: 10kWh, 500Wh, 5.50EUR, 30min\n"
    "stop [cp_id]              end your charge (there)\n"
    "status                    your open charges\n"
    "history                   your last charges, newest first\n"
    "auto <file>               charge at one charging point after the other, one a line\n"
    "help                      this\n"
    "quit                      leave; charges go on";

constexpr const char* kCommands[] = {"auto", "charge", "help", "history", "list", "quit", "status", "stop"};

std::pair<absl::string_view, absl::string_view> FirstWord(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  const auto end = std::min(text.find_first_of(" \t"), text.size());
  return {text.substr(0, end), absl::StripAsciiWhitespace(text.substr(end))};
}

// Central's answer as a person reads it.
std::string Explain(const absl::Status& status) {
  const bool is_silence = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  if (is_silence && DetailOf(status).reason.empty()) {
    return absl::StrCat("central cannot be reached: ", status.message());
  }
  return std::string(status.message());
}

std::string PointLine(const central_pb::ChargingPoint& point) {
  const std::string state =
      std::string(absl::StripPrefix(common_pb::ChargingPointState_Name(point.state()), "CHARGING_POINT_STATE_"));
  const Price price{.micros_per_kwh = point.price().micros_per_kwh(), .currency = point.price().currency()};
  std::string line =
      absl::StrFormat("%-12s  %-12s  %s  %s", point.charging_point_id(), state, PriceText(price), point.location());
  for (const auto& cause : point.causes()) {
    absl::StrAppend(&line, "  out of order: ",
                    absl::AsciiStrToLower(
                        absl::StripPrefix(common_pb::OutOfServiceCause_Name(cause.cause()), "OUT_OF_SERVICE_CAUSE_")),
                    cause.reason().empty() ? "" : ", ", cause.reason());
  }
  if (!point.connection().fault().empty()) absl::StrAppend(&line, "  fault: ", point.connection().fault());
  return std::string(absl::StripTrailingAsciiWhitespace(line));
}

}  // namespace

Console::Console(const ConsoleOptions& options, Agent& agent, CentralClient& client, Printer& printer,
                 std::function<void()> done)
    : options_(options), agent_(agent), client_(client), printer_(printer), done_(std::move(done)) {}

void Console::Begin() {
  // The first call of an agent is always taken.
  (void)agent_.Watch(
      options_.driver,
      [this](const DriverView& view) {
        for (const Charge& charge : view.open) printer_.Line(StateLine(charge));
      },
      [this](const Told& told) { OnTold(told); });
}

void Console::Greet() {
  printer_.Line(absl::StrCat("driver ", options_.driver.value(), ": `help` lists the commands"));
  if (const auto tickets = client_.ListTickets(options_.driver, 1); tickets.ok() && !tickets->empty()) {
    printer_.Line(absl::StrCat("last  ", TicketLine(tickets->front())));
  }
}

// --- commands ---

void Console::OnLine(const std::string& line) {
  if (printer_.has_screen()) printer_.Line(absl::StrCat("> ", line));
  {
    MutexLock lock(mutex_);
    if (input_ended_ || stopped_) return;
    ++commands_;
  }
  const auto [command, arguments] = FirstWord(line);
  const std::string word = absl::AsciiStrToLower(command);
  if (word == "list") {
    ListPoints();
  } else if (word == "charge") {
    StartCharge(arguments);
  } else if (word == "stop") {
    StopCharge(arguments);
  } else if (word == "status") {
    ShowStatus();
  } else if (word == "history") {
    ShowHistory();
  } else if (word == "auto") {
    RunFile(std::string(arguments));
  } else if (word == "help" || word == "?") {
    printer_.Line(kHelp);
  } else if (word == "quit" || word == "exit") {
    OnEnd();
  } else {
    Usage(absl::StrCat("unknown command \"", command, "\"; `help` lists them"));
  }
  printer_.ReadyForInput();
}

void Console::Usage(absl::string_view text) {
  printer_.Line(text);
  MutexLock lock(mutex_);
  has_bad_command_ = true;
}

void Console::ListPoints() {
  const auto points = client_.ListChargingPoints();
  if (!points.ok()) return printer_.Line(absl::StrCat("list: ", Explain(points.status())));
  if (points->empty()) printer_.Line("no charging points");
  std::set<std::string> known;
  for (const auto& point : *points) {
    printer_.Line(PointLine(point));
    known.insert(point.charging_point_id());
  }
  MutexLock lock(mutex_);
  known_points_ = std::move(known);
}

// The amount is counted in the charging point's currency, whatever was typed.
absl::Status Console::CheckCurrency(const CpId& cp, const std::string& currency) {
  if (currency.empty()) return absl::OkStatus();
  const auto point = client_.GetChargingPoint(cp);
  // What else is wrong with it, the request itself will be told.
  if (!point.ok() || point->price().currency() == currency) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(cp.value(), " charges in ", point->price().currency(), ", not in ", currency));
}

void Console::StartCharge(absl::string_view arguments) {
  const auto [id, target_text] = FirstWord(arguments);
  const auto cp = ParseCpId(id);
  if (!cp.ok()) return Usage(absl::StrCat("charge <cp_id> [target]: ", cp.status().message()));
  StartCall call{.driver = options_.driver, .cp = *cp};
  if (!target_text.empty()) {
    const auto typed = ParseTarget(target_text);
    if (!typed.ok()) return Usage(typed.status().message());
    if (auto status = CheckCurrency(*cp, typed->currency); !status.ok()) return Usage(status.message());
    call.target = typed->target;
  }
  const CentralView central = agent_.central();
  const bool is_away = central.is_known && !central.is_reachable;
  printer_.Line(absl::StrCat(cp->value(), ": asked", is_away ? "  " : "", is_away ? central.error : ""));
  Begun({*cp});
  const auto is_answered = std::make_shared<bool>(false);
  agent_.Start(
      std::move(call),
      [this, is_answered](const absl::StatusOr<Charge>&) {
        MutexLock lock(mutex_);
        *is_answered = true;
        changed_.SignalAll();
      },
      [this, cp = *cp](const Conclusion& conclusion) { OnConclusion(cp, conclusion); });
  MutexLock lock(mutex_);
  known_points_.insert(cp->value());
  WaitFor(*is_answered);
}

void Console::StopCharge(absl::string_view arguments) {
  StopCall call{.driver = options_.driver};
  if (!arguments.empty()) {
    const auto cp = ParseCpId(arguments);
    if (!cp.ok()) return Usage(absl::StrCat("stop [cp_id]: ", cp.status().message()));
    call.cp = *cp;
  }
  call.give_up = agent_.Now().monotonic + absl::Seconds(30);
  const auto is_answered = std::make_shared<bool>(false);
  agent_.Stop(call, [this, is_answered](const absl::StatusOr<Charge>& result) {
    if (result.ok()) {
      printer_.Line(absl::StrCat(result->cp.value(), ": stop accepted"));
    } else {
      printer_.Line(absl::StrCat("stop: ", Explain(result.status())));
      if (DetailOf(result.status()).reason == "SEVERAL_OPEN_SESSIONS") ShowStatus();
    }
    MutexLock lock(mutex_);
    *is_answered = true;
    changed_.SignalAll();
  });
  MutexLock lock(mutex_);
  WaitFor(*is_answered);
}

void Console::ShowStatus() {
  const CentralView central = agent_.central();
  if (!central.is_reachable) printer_.Line(central.error);
  const DriverView view = agent_.View(options_.driver);
  for (const Charge& charge : view.open) printer_.Line(StateLine(charge));
  if (view.open.empty()) printer_.Line(view.is_settled ? "no open charge" : "what is open is not known yet");
  if (view.list) printer_.Line(absl::StrCat("list: ", ProgressText(*view.list), "  ", CountsText(*view.list)));
}

void Console::ShowHistory() {
  const auto charges = client_.ListHistory(options_.driver, kHistory);
  if (!charges.ok()) return printer_.Line(absl::StrCat("history: ", Explain(charges.status())));
  if (charges->empty()) printer_.Line("no charges yet");
  for (const Charge& charge : *charges) printer_.Line(StateLine(charge));
}

void Console::RunFile(const std::string& path) {
  if (path.empty()) return Usage("auto <file>: which file?");
  auto requests = ReadRequestFile(path);
  if (!requests.ok()) return Usage(requests.status().message());
  const auto is_finished = std::make_shared<bool>(false);
  if (auto status = RunList(*std::move(requests), is_finished); !status.ok()) return Usage(status.message());
  MutexLock lock(mutex_);
  WaitFor(*is_finished);
}

absl::Status Console::RunList(std::vector<CpId> requests, const std::shared_ptr<bool>& finished) {
  const ListCall call{.driver = options_.driver,
                      .plan = {.cps = std::move(requests), .pause = options_.pause, .limit = options_.charge_limit}};
  Begun(call.plan.cps);
  const auto reader = agent_.RunList(call, [this, finished](const ListStep& step) {
    OnStep(step);
    if (!std::holds_alternative<ListFinished>(step.step)) return;
    MutexLock lock(mutex_);
    *finished = true;
    changed_.SignalAll();
  });
  if (!reader.ok()) {
    for (const CpId& cp : call.plan.cps) Done(cp);
    Ended({});
  }
  return reader.status();
}

void Console::RunRequests(std::vector<CpId> requests) {
  {
    MutexLock lock(mutex_);
    ++commands_;
  }
  const auto unused = std::make_shared<bool>(false);
  if (auto status = RunList(std::move(requests), unused); !status.ok()) Usage(status.message());
  OnEnd();
}

// --- what happens ---

void Console::OnTold(const Told& told) {
  if (const auto* change = std::get_if<ChargeChange>(&told.event)) {
    const ChangeLines lines = LinesFor(*change);
    if (!lines.step.empty() && told.is_news) printer_.Line(lines.step);
    printer_.Live(change->charge.id.value(), lines.live);
  } else if (const auto* denial = std::get_if<DenialTold>(&told.event)) {
    if (told.is_news) printer_.Line(DenialLine(denial->cp, denial->denial));
  } else {
    printer_.Line(std::get<Notice>(told.event).text);
  }
}

// Tickets and denials have been told by then.
void Console::OnConclusion(const CpId& cp, const Conclusion& conclusion) {
  if (const auto* failure = std::get_if<std::string>(&conclusion)) {
    printer_.Line(absl::StrCat(cp.value(), ": failed  ", *failure));
  }
  Done(cp);
  ListProgress counts;
  if (std::holds_alternative<Denial>(conclusion)) {
    counts.denied = 1;
  } else if (IsSuccess(conclusion)) {
    counts.completed = 1;
  } else {
    counts.failed = 1;
  }
  Ended(counts);
}

void Console::OnStep(const ListStep& step) {
  if (std::holds_alternative<ListBegun>(step.step)) {
    printer_.Line(ProgressText(step.progress));
  } else if (const auto* conclusion = std::get_if<Conclusion>(&step.step)) {
    Done(step.progress.cp);
    if (const auto* failure = std::get_if<std::string>(conclusion)) {
      printer_.Line(absl::StrCat(step.progress.cp.value(), ": failed  ", *failure));
    }
  } else if (std::holds_alternative<ListFinished>(step.step)) {
    if (options_.is_interactive) printer_.Line(absl::StrCat("list done: ", CountsText(step.progress)));
    Ended(step.progress);
  }
}

// --- the end ---

void Console::Begun(const std::vector<CpId>& requests) {
  MutexLock lock(mutex_);
  ++open_;
  for (const CpId& cp : requests) undone_.push_back(cp.value());
}

void Console::Done(const CpId& request) {
  MutexLock lock(mutex_);
  if (const auto it = std::find(undone_.begin(), undone_.end(), request.value()); it != undone_.end()) {
    undone_.erase(it);
  }
}

void Console::Ended(const ListProgress& counts) {
  MutexLock lock(mutex_);
  counts_.completed += counts.completed;
  counts_.denied += counts.denied;
  counts_.failed += counts.failed;
  --open_;
  EndIfDone();
}

void Console::OnEnd() {
  MutexLock lock(mutex_);
  input_ended_ = true;
  EndIfDone();
}

void Console::EndIfDone() {
  if (!input_ended_ || is_done_) return;
  if (!options_.is_interactive && (open_ > 0 || commands_ == 0)) return;
  is_done_ = true;
  if (!options_.is_interactive && counts_.completed + counts_.denied + counts_.failed > 0) {
    printer_.Line(CountsText(counts_));
  }
  done_();
}

void Console::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  changed_.SignalAll();
  if (!undone_.empty()) printer_.Line(absl::StrCat("not done: ", absl::StrJoin(undone_, ", ")));
}

void Console::WaitFor(const bool& settled) {
  while (!options_.is_interactive && !settled && !stopped_) changed_.WaitFor(mutex_, absl::Seconds(1));
}

int Console::exit_code() const {
  MutexLock lock(mutex_);
  const bool is_cut = !undone_.empty() || has_bad_command_;
  return counts_.denied > 0 || counts_.failed > 0 || (is_cut && !options_.is_interactive) ? 1 : 0;
}

std::vector<std::string> Console::Complete(absl::string_view line, absl::string_view word) const {
  const auto [command, arguments] = FirstWord(line);
  if (command == word && line.size() == word.size()) return {std::begin(kCommands), std::end(kCommands)};
  if (command != "charge" && command != "stop") return {};
  MutexLock lock(mutex_);
  return {known_points_.begin(), known_points_.end()};
}

}  // namespace ev::driver
