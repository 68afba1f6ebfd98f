#include "process/line_reader.h"

#include <histedit.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/mutex.h"
#include "base/text.h"
#include "log/log.h"
#include "terminal/terminal.h"

namespace ev::process {
namespace {

constexpr char kControlD = '\x04';
constexpr std::size_t kMaxLineBytes = 4096;
constexpr int kHistoryLines = 500;
constexpr char kClearLine[] = "\r\x1b[K";

std::string CommonPrefix(const std::vector<std::string>& words) {
  std::string prefix = words.front();
  for (const std::string& word : words) {
    const auto [end, ignored] = std::mismatch(prefix.begin(), prefix.end(), word.begin(), word.end());
    prefix.erase(end, prefix.end());
  }
  return prefix;
}

// How many bytes the UTF-8 sequence that begins with `first` should have; 1 where none begins with it.
std::size_t BytesWanted(unsigned char first) {
  return first >= 0xf5 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
}

// Of one well-formed character.
wchar_t Decode(absl::string_view bytes) {
  const auto first = static_cast<unsigned char>(bytes[0]);
  wchar_t character = bytes.size() == 1 ? first : first & (0xff >> (bytes.size() + 1));
  for (const char byte : bytes.substr(1)) character = (character << 6) | (byte & 0x3f);
  return character;
}

// Whoever shows a prompt on this process's terminal.
struct PromptOwner {
  Mutex mutex;
  std::function<void()> redraw ABSL_GUARDED_BY(mutex);
};

PromptOwner& Owner() {
  static PromptOwner* const owner = new PromptOwner;  // Never destroyed: somebody may still print.
  return *owner;
}

void SetOwner(const std::function<void()>& redraw) {
  log::ShareTerminal(redraw);
  PromptOwner& owner = Owner();
  MutexLock lock(owner.mutex);
  owner.redraw = redraw;
}

}  // namespace

struct LineReader::Impl {
  Impl(Options o, std::function<void(const std::string&)> line, std::function<void()> end)
      : options(std::move(o)), on_line(std::move(line)), on_end(std::move(end)) {
    stop_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    redraw_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    terminal = ::isatty(options.input_fd) == 1;
    thread = std::jthread([this](const std::stop_token& stop) {
      terminal ? ReadTerminal(stop) : ReadPlain(stop);
      if (!stop.stop_requested() && on_end) on_end();
    });
  }

  ~Impl() {
    thread.request_stop();
    ::eventfd_write(stop_fd, 1);
    thread.join();
    ::close(stop_fd);
    ::close(redraw_fd);
  }

  void Deliver(absl::string_view text, const std::stop_token& stop) {
    text = absl::StripAsciiWhitespace(text);
    if (text.empty() || text.size() > kMaxLineBytes || stop.stop_requested()) return;
    on_line(Printable(absl::StrReplaceAll(text, {{"\t", " "}})));
  }

  // Up to `size` bytes of input; 0 when it has ended or the reader stops. `el`: whose line is redrawn when asked.
  std::size_t Read(char* out, std::size_t size, EditLine* el = nullptr) const {
    pollfd fds[] = {{.fd = options.input_fd, .events = POLLIN, .revents = 0},
                    {.fd = stop_fd, .events = POLLIN, .revents = 0},
                    {.fd = el == nullptr ? -1 : redraw_fd, .events = POLLIN, .revents = 0}};
    while (true) {
      if (::poll(fds, 3, -1) < 0 && errno != EINTR) return 0;
      if (fds[1].revents != 0) return 0;
      if (fds[2].revents != 0) RedrawLine(el);
      if (fds[0].revents == 0) continue;
      const ssize_t n = ::read(options.input_fd, out, size);
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR && errno != EAGAIN) return 0;
    }
  }

  void ReadPlain(const std::stop_token& stop) {
    std::string pending;
    char chunk[4096];
    while (const std::size_t size = Read(chunk, sizeof(chunk))) {
      pending.append(chunk, size);
      std::size_t begin = 0;
      for (std::size_t end; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1) {
        Deliver(absl::string_view(pending).substr(begin, end - begin), stop);
        if (stop.stop_requested()) return;
      }
      pending.erase(0, begin);
      // What is too long already stays so: it only has to be remembered as such.
      if (pending.size() > kMaxLineBytes) pending.resize(kMaxLineBytes + 1, 'x');
    }
    Deliver(pending, stop);  // A last line without its end counts.
  }

  void RedrawLine(EditLine* el) const {
    eventfd_t requests = 0;
    ::eventfd_read(redraw_fd, &requests);
    el_resize(el);
    std::fputs(kClearLine, options.output);
    el_set(el, EL_REFRESH);
    std::fflush(options.output);
  }

  // Reading from a terminal that another job has would stop the process (SIGTTIN).
  bool WaitForForeground() const {
    while (true) {
      const pid_t owner = ::tcgetpgrp(options.input_fd);
      if (owner < 0 || owner == ::getpgrp()) return true;  // Not our controlling terminal: nobody else has it.
      pollfd fd = {.fd = stop_fd, .events = POLLIN, .revents = 0};
      if (::poll(&fd, 1, 500) != 0) return false;
    }
  }

  void ReadTerminal(const std::stop_token& stop) {
    if (!WaitForForeground()) return;
    if (std::setlocale(LC_CTYPE, "") == nullptr) std::setlocale(LC_CTYPE, "C.UTF-8");
    std::FILE* input = ::fdopen(::dup(options.input_fd), "r");
    EditLine* el = el_init("evcharge", input, options.output, options.output);
    if (el == nullptr) {  // An unusable terminal: lines without editing are better than none.
      std::fclose(input);
      return ReadPlain(stop);
    }
    HistEvent event;
    History* history = history_init();
    ::history(history, &event, H_SETSIZE, kHistoryLines);
    ::history(history, &event, H_SETUNIQUE, 1);
    if (!options.history_file.empty()) ::history(history, &event, H_LOAD, options.history_file.c_str());
    el_set(el, EL_CLIENTDATA, this);
    el_set(el, EL_PROMPT, &Impl::Prompt);
    el_set(el, EL_EDITOR, "emacs");
    el_set(el, EL_HIST, ::history, history);
    el_set(el, EL_GETCFN, &Impl::GetCharacter);
    el_set(el, EL_ADDFN, "ev-complete", "complete the word", &Impl::Complete);
    el_set(el, EL_BIND, "^I", "ev-complete", nullptr);
    el_set(el, EL_SIGNAL, 0);

    const bool shares = terminal::ObeysSequences();
    if (shares) SetOwner([this] { ::eventfd_write(redraw_fd, 1); });
    int length = 0;
    while (const char* line = stop.stop_requested() ? nullptr : el_gets(el, &length)) {
      if (length <= 0) break;
      const absl::string_view text(line, static_cast<std::size_t>(length));
      if (!absl::StripAsciiWhitespace(text).empty()) ::history(history, &event, H_ENTER, line);
      Deliver(std::string(text), stop);
    }

    if (shares) {
      SetOwner(nullptr);
      std::fputs(kClearLine, options.output);  // What comes next has a line of its own.
      std::fflush(options.output);
    }

    if (!options.history_file.empty()) ::history(history, &event, H_SAVE, options.history_file.c_str());
    history_end(history);
    el_end(el);  // Restores the terminal's modes.
    std::fclose(input);
  }

  static Impl& Of(EditLine* el) {
    void* self = nullptr;
    el_get(el, EL_CLIENTDATA, &self);
    return *static_cast<Impl*>(self);
  }

  static const char* Prompt(EditLine* el) { return Of(el).options.prompt.c_str(); }

  // libedit's own would block in read() for ever.
  static int GetCharacter(EditLine* el, wchar_t* out) {
    Impl& self = Of(el);
    char byte = std::exchange(self.held_back, '\0');
    if (byte == '\0' && self.Read(&byte, 1, el) != 1) return 0;
    // libedit shows the prompt before it takes the terminal out of line mode. A Ctrl-D typed in between has ended a
    // line there; read in character mode it is a 0.
    if (byte == '\0') byte = kControlD;
    std::string bytes(1, byte);
    const std::size_t wanted = BytesWanted(static_cast<unsigned char>(byte));
    while (bytes.size() < wanted) {
      if (self.Read(&byte, 1) != 1) return 0;
      if ((static_cast<unsigned char>(byte) & 0xc0) != 0x80) {  // Not its rest: a key of its own, maybe Enter.
        self.held_back = byte;
        break;
      }
      bytes += byte;
    }
    *out = CharacterLength(bytes) == bytes.size() ? Decode(bytes) : L'?';
    return 1;
  }

  static unsigned char Complete(EditLine* el, int /*key*/) {
    const Impl& self = Of(el);
    if (!self.options.complete) return CC_ERROR;
    const LineInfo* info = el_line(el);
    const absl::string_view line(info->buffer, static_cast<std::size_t>(info->cursor - info->buffer));
    const absl::string_view word = line.substr(line.find_last_of(' ') + 1);
    std::vector<std::string> matches = self.options.complete(line, word);
    std::erase_if(matches, [&](const std::string& match) { return !absl::StartsWith(match, word); });
    if (matches.empty()) return CC_ERROR;
    const std::string addition = CommonPrefix(matches).substr(word.size()) + (matches.size() == 1 ? " " : "");
    if (!addition.empty()) return el_insertstr(el, addition.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
    std::fprintf(self.options.output, "\r\n%s\r\n", absl::StrJoin(matches, "  ").c_str());
    return CC_REDISPLAY;
  }

  const Options options;
  const std::function<void(const std::string&)> on_line;
  const std::function<void()> on_end;
  int stop_fd = -1;
  int redraw_fd = -1;
  bool terminal = false;
  char held_back = '\0';  // The reader's thread's: a byte that was read too many; 0: none.
  std::jthread thread;
};

LineReader::LineReader(Options options, std::function<void(const std::string&)> on_line, std::function<void()> on_end)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(on_line), std::move(on_end))) {}

LineReader::~LineReader() = default;

bool LineReader::is_terminal() const {
  return impl_->terminal;
}

void LineReader::Redraw() {
  ::eventfd_write(impl_->redraw_fd, 1);
}

void PrintLine(absl::string_view text) {
  PromptOwner& owner = Owner();
  MutexLock lock(owner.mutex);
  const bool has_prompt = owner.redraw && ::isatty(1) == 1;
  std::fputs(absl::StrCat(has_prompt ? kClearLine : "", text, "\n").c_str(), stdout);
  std::fflush(stdout);
  if (has_prompt) owner.redraw();
}

}  // namespace ev::process
