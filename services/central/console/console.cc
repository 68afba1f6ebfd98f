#include "services/central/console/console.h"

#include <termios.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "log/log.h"
#include "process/line_reader.h"
#include "services/central/console/commands.h"
#include "services/central/console/host_operator.h"
#include "services/central/console/panel.h"
#include "terminal/terminal.h"

namespace ev::central {
namespace {

constexpr std::size_t kCompletions = 100;

// Undoes a Ctrl-S: nothing that writes to the terminal, or waits until it is written, would come to an end. Tcflow()
// undoes only its own stops; a terminal that no longer knows Ctrl-S goes on.
void ResumeOutput(int fd) {
  termios modes{};
  if (::tcgetattr(fd, &modes) != 0) return;
  termios without = modes;
  without.c_iflag &= ~static_cast<tcflag_t>(IXON);
  (void)::tcsetattr(fd, TCSANOW, &without);
  (void)::tcsetattr(fd, TCSANOW, &modes);
}

}  // namespace

struct Console::Impl {
  Impl(ConsoleOptions given, std::function<void()> on_quit)
      : options(std::move(given)),
        quit(std::move(on_quit)),
        has_person(::isatty(0) == 1),
        can_show(has_person && terminal::CanDraw(1)),
        panel({.fd = 1, .title = "EVCharge Central", .log_lines = log::LastLines, .on_cleared = [this] {
                 RedrawPrompt();
               }}) {}

  void Start(ShardHost& host, absl::string_view title) {
    port = std::make_unique<HostOperator>(host, options.answer_limit);
    if (can_show) {
      panel.Update([&](PanelModel& model) { model.SetTitle(title); });
      HostOperator::ReadPoints(host, [this](const std::vector<PointView>& points) {
        panel.Update([&](PanelModel& model) { model.SetPoints(points); });
      });
      if (options.panel && panel.IsRoomy()) {
        ShowPanel();
      } else if (options.panel) {
        Print("the window is small: `panel` shows the charging points live, q leaves that");
      }
    }
    if (has_person && !panel.is_shown()) Print("`help` lists the commands");
    auto made = std::make_unique<process::LineReader>(
        process::LineReader::Options{.prompt = "central> ",
                                     .complete = [this](auto line, auto word) { return Complete(line, word); },
                                     .history_file = options.history_file},
        [this](const std::string& line) { OnLine(line); }, nullptr);
    {
      MutexLock lock(reader_mutex);
      reader = std::move(made);
    }
    if (panel.is_shown()) RedrawPrompt();  // It may have been drawn over meanwhile.
  }

  void RedrawPrompt() {
    MutexLock lock(reader_mutex);
    if (reader != nullptr) reader->Redraw();
  }

  void Stop() {
    if (port == nullptr) return;
    port->Cancel();
    panel.Hurry();
    if (can_show) ResumeOutput(1);
    std::unique_ptr<process::LineReader> ended;
    {
      MutexLock lock(reader_mutex);
      ended = std::move(reader);
    }
    ended.reset();
    panel.Leave();
    if (std::exchange(has_moved_log, false)) log::RedirectToStderr();
    port.reset();
  }

  // The log would tear the panel apart. One that does not go to a terminal stays where it is.
  void ShowPanel() {
    if (!has_moved_log && ::isatty(2) == 1) {
      if (auto status = log::RedirectToFile(options.log_file); !status.ok()) {
        Print(absl::StrCat("panel: ", status.message(), "; free some room there and write `panel`"));
        return;
      }
      has_moved_log = true;
    }
    panel.Enter();
  }

  void OnLine(const std::string& line) {
    const Answer answer = Execute(line, *port);
    switch (answer.action) {
      case ConsoleAction::kQuit:
        quit();
        break;
      case ConsoleAction::kLeavePanel:
        if (panel.is_shown()) {
          panel.Leave();
          if (has_moved_log) Print(absl::StrCat("log: ", options.log_file, "; `panel` shows the panel again"));
        } else {
          Print("q leaves the panel, which is not shown; `quit` stops Central");
        }
        break;
      case ConsoleAction::kShowPanel:
        if (!can_show) {
          Print("panel: input and output must be a terminal in the foreground; `list` shows the charging points");
          break;
        }
        panel.Update([&](PanelModel& model) {
          model.TurnPage(answer.turn);
          if (answer.page > 0) model.ShowPage(answer.page);
          model.SetAnswer("");
        });
        ShowPanel();
        break;
      case ConsoleAction::kNone:
        panel.is_shown()
            ? panel.Update([&](PanelModel& model) { model.SetAnswer(absl::StrCat("> ", line, "\n", answer.text)); })
            : Print(answer.text);
        break;
    }
    panel.ReadyForInput();
  }

  void Print(absl::string_view text) {
    if (!text.empty()) panel.Print(absl::StrCat(text, "\n"));
  }

  std::vector<std::string> Complete(absl::string_view line, absl::string_view word) const {
    const absl::string_view before = line.substr(0, line.size() - word.size());
    if (before.find_first_not_of(" \t") == before.npos) return CommandWords();
    bool or_all = false;
    if (!WantsPoint(before, or_all)) return {};
    std::vector<std::string> ids = panel.Ids(word, kCompletions);
    if (or_all) ids.emplace_back("all");
    return ids;
  }

  const ConsoleOptions options;
  const std::function<void()> quit;
  const bool has_person;
  const bool can_show;
  bool has_moved_log = false;  // Set by Start() and, while it runs, the reader's thread; read by Stop() after that.
  std::unique_ptr<HostOperator> port;
  Mutex reader_mutex;
  std::unique_ptr<process::LineReader> reader ABSL_GUARDED_BY(reader_mutex);
  Panel panel;  // Last: its thread uses the rest.
};

Console::Console(ConsoleOptions options, std::function<void()> quit)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(quit))) {}

Console::~Console() {
  Stop();
}

void Console::Start(ShardHost& host, absl::string_view title) {
  impl_->Start(host, title);
}

void Console::Stop() {
  impl_->Stop();
}

void Console::OnSession(const SessionChanged& change) {
  if (impl_->can_show) impl_->panel.Update([&](PanelModel& model) { model.Apply(change); });
}

void Console::OnPoint(const PointChanged& change) {
  if (impl_->can_show) impl_->panel.Update([&](PanelModel& model) { model.Apply(change); });
}

void Console::OnDenied(const RequestDenied& denied) {
  if (impl_->can_show) impl_->panel.Update([&](PanelModel& model) { model.Apply(denied); });
}

}  // namespace ev::central
