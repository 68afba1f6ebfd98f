#include "services/central/console/commands.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/error_detail.h"
#include "base/text.h"
#include "domain/figures.h"
#include "services/central/console/panel_model.h"

namespace ev::central {
namespace {

constexpr int kSessionsShown = 200;
constexpr int kTicketsShown = 20;
constexpr std::size_t kMinIdDigits = 4;  // Of a session id that is cut short.
constexpr std::size_t kSessionIdDigits = 32;
constexpr std::size_t kDecimals = 6;  // Of a price.

constexpr char kHelp[] =
    "list                       the charging points and how they are\n"
    "show <cp>                  one of them, with all that is known\n"
    "sessions                   the open sessions, newest first\n"
    "tickets [driver]           the last tickets, newest first\n"
    "stop <cp|all> [reason]     put out of order; a charge there ends with its ticket\n"
    "resume <cp|all>            take the operator's stop back\n"
    "price <cp> <0.35>          what a kWh costs, for charges granted from now on\n"
    "charge <driver> <cp>       ask for a charge in a driver's name\n"
    "end <session>              end a session; the first digits of its id will do\n"
    "panel [page]               show the live panel; q leaves it, n and p turn its pages\n"
    "help                       this\n"
    "quit                       stop Central; charges go on to their end";

using Words = std::vector<absl::string_view>;

Words Split(absl::string_view text) {
  return absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
}

Answer Text(std::string text) {
  return {.text = std::move(text)};
}

// What to do about an error, by its reason; empty: the text says enough.
absl::string_view NextStep(const absl::Status& status) {
  struct Step {
    absl::string_view reason;
    absl::string_view step;
  };
  static constexpr Step kSteps[] = {
      {"POINT_UNKNOWN", "`list` shows those that are known"},
      {"POINT_BUSY", "`sessions` shows by whom, `end <session>` ends that"},
      {"POINT_STOPPED", "`resume` puts it back into service"},
      {"POINT_FAULTED", "`show` says with what; clear it at the charging point"},
      {"POINT_DISCONNECTED", "is its Monitor running? `show` says when it was last seen"},
      {"POINT_NOT_READY", "ask again in a second"},
      {"JOURNAL_FULL", "it makes room when Kafka takes its facts: look at /readyz"},
      {"SESSION_UNKNOWN", "`sessions` shows the open ones"},
      {"SESSION_NOT_OPEN", "`sessions` shows the open ones"},
      {"STOPPING", "Central is about to end"},
  };
  const std::string reason = DetailOf(status).reason;
  for (const Step& step : kSteps) {
    if (step.reason == reason) return step.step;
  }
  if (absl::IsDeadlineExceeded(status)) return "it may still be done: `list` and `sessions` say what became of it";
  if (absl::IsUnavailable(status)) return "ask again in a second";
  return "";
}

Answer Failed(absl::string_view command, const absl::Status& status) {
  const absl::string_view step = NextStep(status);
  return Text(absl::StrCat(command, ": ", status.message(), step.empty() ? "" : "; ", step));
}

Answer Usage(absl::string_view command, absl::string_view usage, absl::string_view what = "") {
  return Text(absl::StrCat(command, ": ", what, what.empty() ? "" : "; ", "write ", usage));
}

// "all" is the empty id.
absl::StatusOr<CpId> ReadPointOrAll(absl::string_view word) {
  if (absl::EqualsIgnoreCase(word, "all")) return CpId();
  return ParseCpId(word);
}

// A price per kWh as people write it, exactly: no figure of money goes through a floating point number.
absl::StatusOr<std::int64_t> ReadMicros(absl::string_view text) {
  const auto bad = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no price: digits, and at most six after a point"));
  };
  const auto point = std::min(text.find('.'), text.size());
  const absl::string_view whole = text.substr(0, point);
  const absl::string_view part = point < text.size() ? text.substr(point + 1) : absl::string_view();
  const auto is_digits = [](absl::string_view digits) {
    return std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return absl::ascii_isdigit(c); });
  };
  if (whole.empty() || whole.size() > 9 || part.size() > kDecimals || !is_digits(whole) || !is_digits(part))
    return bad();
  if (point < text.size() && part.empty()) return bad();
  std::string digits(part);
  digits.resize(kDecimals, '0');
  std::int64_t units = 0;
  std::int64_t micros = 0;
  if (!absl::SimpleAtoi(whole, &units) || !absl::SimpleAtoi(digits, &micros)) return bad();
  return units * 1'000'000 + micros;
}

std::string PointLines(std::vector<PointView> points) {
  std::sort(points.begin(), points.end(),
            [](const PointView& a, const PointView& b) { return a.record.id.value() < b.record.id.value(); });
  return absl::StrJoin(points, "\n", [](std::string* out, const PointView& point) {
    absl::StrAppend(out, Printable(PointText(point)));
  });
}

Answer List(const Words&, absl::string_view, OperatorPort& port) {
  const auto points = port.ListPoints();
  if (!points.ok()) return Failed("list", points.status());
  if (points->empty()) return Text("no charging point has ever connected; start an Engine and its Monitor");
  return Text(PointLines(*points));
}

Answer Show(const Words& words, absl::string_view, OperatorPort& port) {
  if (words.size() != 2) return Usage("show", "show <cp>");
  const auto cp = ParseCpId(words[1]);
  if (!cp.ok()) return Failed("show", cp.status());
  const auto point = port.GetPoint(*cp);
  if (!point.ok()) return Failed("show", point.status());
  std::string text = Printable(PointText(*point));
  const auto add = [&](absl::string_view name, absl::string_view value) {
    if (!value.empty()) absl::StrAppend(&text, "\n  ", name, ": ", Printable(value));
  };
  add("location", point->record.location);
  add("site", point->record.site);
  add("price", PriceText(point->record.price));
  add("engine", absl::AsciiStrToLower(Name(point->health)));
  add("fault", point->fault);
  for (const OutOfService& cause : point->causes) {
    add("out of order", absl::StrCat(absl::AsciiStrToLower(Name(cause.cause)), cause.reason.empty() ? "" : ", ",
                                     cause.reason, cause.who.empty() ? "" : ", by ", cause.who, ", since ",
                                     absl::FormatTime("%Y-%m-%d %H:%M:%S", cause.since, absl::UTCTimeZone()), " UTC"));
  }
  if (point->session.has_value()) add("session", SessionText(*point->session));
  add("waits for", point->waiting_for);
  add("kafka", point->kafka_fault);
  add("monitor", point->monitor_version);
  if (point->journal_full) add("journal", "no room for another charge");
  if (point->unsettled_total > 0) add("not yet booked", absl::StrCat(point->unsettled_total, " sessions"));
  return Text(std::move(text));
}

Answer Sessions(const Words&, absl::string_view, OperatorPort& port) {
  const auto sessions = port.OpenSessions(kSessionsShown);
  if (!sessions.ok()) return Failed("sessions", sessions.status());
  if (sessions->empty()) return Text("no session is open");
  return Text(absl::StrJoin(*sessions, "\n", [](std::string* out, const Session& session) {
    absl::StrAppend(out, Printable(SessionText(session)));
  }));
}

Answer Tickets(const Words& words, absl::string_view, OperatorPort& port) {
  if (words.size() > 2) return Usage("tickets", "tickets [driver]");
  DriverId driver;
  if (words.size() == 2) {
    auto parsed = ParseDriverId(words[1]);
    if (!parsed.ok()) return Failed("tickets", parsed.status());
    driver = *std::move(parsed);
  }
  const auto tickets = port.Tickets(driver, kTicketsShown);
  if (!tickets.ok()) return Failed("tickets", tickets.status());
  if (tickets->empty())
    return Text(driver.empty() ? "no tickets yet" : absl::StrCat("no tickets for ", driver.value()));
  return Text(absl::StrJoin(*tickets, "\n", [](std::string* out, const Ticket& ticket) {
    absl::StrAppend(out, absl::FormatTime("%Y-%m-%d %H:%M:%S", ticket.issued, absl::UTCTimeZone()), "  ",
                    Printable(TicketText(ticket)));
  }));
}

Answer Stop(const Words& words, absl::string_view rest, OperatorPort& port) {
  if (words.size() < 2) return Usage("stop", "stop <cp|all> [reason]");
  const auto cp = ReadPointOrAll(words[1]);
  if (!cp.ok()) return Failed("stop", cp.status());
  const absl::string_view reason = absl::StripAsciiWhitespace(rest.substr(words[1].size()));
  const auto points = port.Stop(*cp, std::string(reason));
  if (!points.ok()) return Failed("stop", points.status());
  if (!cp->empty()) return Text(PointLines(*points));
  return Text(absl::StrCat("the network is out of order, ", points->size(), " charging points; `resume all` ends it"));
}

Answer Resume(const Words& words, absl::string_view, OperatorPort& port) {
  if (words.size() != 2) return Usage("resume", "resume <cp|all>");
  const auto cp = ReadPointOrAll(words[1]);
  if (!cp.ok()) return Failed("resume", cp.status());
  const auto points = port.Resume(*cp);
  if (!points.ok()) return Failed("resume", points.status());
  if (!cp->empty()) return Text(PointLines(*points));
  const auto stopped =
      std::count_if(points->begin(), points->end(), [](const PointView& p) { return !p.causes.empty(); });
  return Text(
      absl::StrCat("the network is back in service, ", points->size(), " charging points",
                   stopped == 0 ? std::string() : absl::StrCat("; ", stopped, " stay out of order: `list` says why")));
}

Answer SetPrice(const Words& words, absl::string_view, OperatorPort& port) {
  if (words.size() != 3) return Usage("price", "price <cp> <0.35>");
  const auto cp = ParseCpId(words[1]);
  if (!cp.ok()) return Failed("price", cp.status());
  const auto micros = ReadMicros(words[2]);
  if (!micros.ok()) return Failed("price", micros.status());
  const auto before = port.GetPoint(*cp);
  if (!before.ok()) return Failed("price", before.status());
  const Price price{.micros_per_kwh = *micros, .currency = before->record.price.currency};
  if (const auto status = CheckPrice(price); !status.ok()) return Failed("price", status);
  const auto after = port.SetPrice(*cp, price);
  if (!after.ok()) return Failed("price", after.status());
  return Text(
      absl::StrCat(cp->value(), ": ", PriceText(after->record.price), ", was ", PriceText(before->record.price)));
}

Answer Charge(const Words& words, absl::string_view, OperatorPort& port) {
  if (words.size() != 3) return Usage("charge", "charge <driver> <cp>");
  const auto driver = ParseDriverId(words[1]);
  if (!driver.ok()) return Failed("charge", driver.status());
  const auto cp = ParseCpId(words[2]);
  if (!cp.ok()) return Failed("charge", cp.status());
  const auto session = port.Charge(*driver, *cp);
  if (!session.ok()) return Failed("charge", session.status());
  return Text(Printable(SessionText(*session)));
}

Answer End(const Words& words, absl::string_view, OperatorPort& port) {
  if (words.size() != 2) return Usage("end", "end <session>", "which session? `sessions` shows the open ones");
  std::string id = absl::AsciiStrToLower(words[1]);
  if (id.size() < kSessionIdDigits) {
    if (id.size() < kMinIdDigits) return Usage("end", "end <session>", "at least four digits of its id");
    const auto open = port.OpenSessions(kSessionsShown);
    if (!open.ok()) return Failed("end", open.status());
    std::vector<std::string> matches;
    for (const Session& session : *open) {
      if (absl::StartsWith(session.id.value(), id)) matches.push_back(session.id.value());
    }
    if (matches.empty()) return Text(absl::StrCat("end: no open session begins with ", id, "; `sessions` shows them"));
    if (matches.size() > 1)
      return Text(absl::StrCat("end: ", id, " is the beginning of ", absl::StrJoin(matches, ", ")));
    id = matches.front();
  }
  const auto session = ParseSessionId(id);
  if (!session.ok()) return Failed("end", session.status());
  const auto ended = port.End(*session);
  if (!ended.ok()) return Failed("end", ended.status());
  return Text(Printable(SessionText(*ended)));
}

Answer ShowPanel(const Words& words, absl::string_view, OperatorPort&) {
  Answer answer{.text = {}, .action = ConsoleAction::kShowPanel};
  if (words.size() == 1) return answer;
  if (words.size() == 2 && absl::SimpleAtoi(words[1], &answer.page) && answer.page >= 1) return answer;
  return Usage("panel", "panel [page]", "pages are numbered from 1");
}

Answer Help(const Words&, absl::string_view, OperatorPort&) {
  return Text(kHelp);
}
Answer Quit(const Words&, absl::string_view, OperatorPort&) {
  return {.text = {}, .action = ConsoleAction::kQuit};
}
Answer LeavePanel(const Words&, absl::string_view, OperatorPort&) {
  return {.text = {}, .action = ConsoleAction::kLeavePanel};
}
Answer NextPage(const Words&, absl::string_view, OperatorPort&) {
  return {.text = {}, .action = ConsoleAction::kShowPanel, .turn = 1};
}
Answer PreviousPage(const Words&, absl::string_view, OperatorPort&) {
  return {.text = {}, .action = ConsoleAction::kShowPanel, .turn = -1};
}

struct Command {
  absl::string_view word;
  // `rest` is the line behind the command's word, without the blanks around it.
  Answer (*run)(const Words& words, absl::string_view rest, OperatorPort& port);
  int point_at = 0;  // Which argument is a charging point; 0: none.
  bool or_all = false;
  bool is_short = false;  // Not worth completing.
};

constexpr Command kCommands[] = {
    {"charge", Charge, 2},
    {"end", End},
    {"exit", Quit, 0, false, true},
    {"help", Help},
    {"?", Help, 0, false, true},
    {"list", List},
    {"n", NextPage, 0, false, true},
    {"p", PreviousPage, 0, false, true},
    {"panel", ShowPanel},
    {"price", SetPrice, 1},
    {"q", LeavePanel, 0, false, true},
    {"quit", Quit},
    {"resume", Resume, 1, true},
    {"sessions", Sessions},
    {"show", Show, 1},
    {"stop", Stop, 1, true},
    {"tickets", Tickets},
};

const Command* Find(absl::string_view word) {
  const auto it = std::find_if(std::begin(kCommands), std::end(kCommands),
                               [&](const Command& command) { return absl::EqualsIgnoreCase(command.word, word); });
  return it == std::end(kCommands) ? nullptr : it;
}

}  // namespace

Answer Execute(absl::string_view line, OperatorPort& port) {
  line = absl::StripAsciiWhitespace(line);
  const Words words = Split(line);
  if (words.empty()) return {};
  const Command* command = Find(words.front());
  if (command == nullptr) {
    return Text(absl::StrCat("unknown command \"", Printable(words.front()), "\"; `help` lists them"));
  }
  return command->run(words, absl::StripAsciiWhitespace(line.substr(words.front().size())), port);
}

std::vector<std::string> CommandWords() {
  std::vector<std::string> words;
  for (const Command& command : kCommands) {
    if (!command.is_short) words.emplace_back(command.word);
  }
  return words;
}

bool WantsPoint(absl::string_view line, bool& or_all) {
  const Words words = Split(line);
  const Command* command = words.empty() ? nullptr : Find(words.front());
  if (command == nullptr || command->point_at != static_cast<int>(words.size())) return false;
  or_all = command->or_all;
  return true;
}

}  // namespace ev::central
