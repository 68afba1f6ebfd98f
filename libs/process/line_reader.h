#ifndef EV_PROCESS_LINE_READER_H_
#define EV_PROCESS_LINE_READER_H_

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ev::process {

// Reads commands, one a line: with editing, history and completion when the input is a terminal, plainly from a pipe or
// a file. In the background of a terminal it waits until it is brought to the front.
//
// What stands on the prompt's line makes room for records of the log and for PrintLine() and is shown again below them.
//
// Owns one thread, which makes the callbacks. The destructor stops reading, without waiting for a line, and waits for a
// callback that runs; it restores the terminal.
class LineReader {
 public:
  struct Options {
    std::string prompt;  // Terminal only.
    // The words that may replace `word` (what stands before the cursor), given the line up to it. Terminal only.
    std::function<std::vector<std::string>(absl::string_view line, absl::string_view word)> complete;
    std::string history_file;  // Read at start, written at the end. Empty: history ends with the process.
    int input_fd = 0;
    std::FILE* output = stdout;  // Prompt and echo. Terminal only.
  };

  // `on_line` gets each line that is not blank, without its end and the blanks around it, as text that can be sent and
  // shown: a tab is a blank, and control characters and bytes that are no UTF-8 are `?` (base/text.h). So a command
  // with a broken letter in its reason is carried out all the same. A line over 4096 bytes is dropped and `on_line`
  // gets nothing for it. `on_end` comes once, when the input has ended (not when the reader is
  // destroyed). Neither may destroy the reader.
  LineReader(Options options, std::function<void(const std::string&)> on_line, std::function<void()> on_end);
  ~LineReader();

  // Whether the input is a terminal, so that a person types.
  bool is_terminal() const;

  // What stands on the prompt's line was overwritten, or the terminal has another size: the reader's thread shows
  // prompt and typed text again, on the line where the cursor is. Thread-safe; may be called by the callbacks. Terminal
  // only.
  void Redraw();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// `text` and a line end on stdout, above the prompt if there is one. Thread-safe.
void PrintLine(absl::string_view text);

}  // namespace ev::process

#endif  // EV_PROCESS_LINE_READER_H_
