#ifndef EV_TERMINAL_FD_WRITER_H_
#define EV_TERMINAL_FD_WRITER_H_

#include "absl/strings/string_view.h"

namespace ev::terminal {

// Writes to a pipe or a terminal whose reader may be slow, or not read at all, without being held up for ever by it.
// Thread-safe; the writes of one do not mix as long as the reader keeps up.
class FdWriter {
 public:
  // `fd` must outlive the writer.
  explicit FdWriter(int fd);
  ~FdWriter();
  FdWriter(const FdWriter&) = delete;
  FdWriter& operator=(const FdWriter&) = delete;

  // Waits for the reader; once Hurry() was called, for half a second at most. False: not all was written.
  bool Write(absl::string_view bytes);
  // What waits, and whatever is written from now on, waits no longer than that.
  void Hurry();

 private:
  const int fd_;
  int write_fd_;  // A terminal's own description, which does not block; otherwise `fd_`.
  int hurry_fd_;
};

}  // namespace ev::terminal

#endif  // EV_TERMINAL_FD_WRITER_H_
