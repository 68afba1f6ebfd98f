#include "config/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ev::config {
namespace {

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";

absl::Status CannotRead(const std::string& path, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": ", why));
}

absl::StatusOr<std::string> Read(int fd, const std::string& path, std::size_t max_kib) {
  struct stat about;
  if (::fstat(fd, &about) != 0) return CannotRead(path, std::strerror(errno));
  if (S_ISDIR(about.st_mode)) return CannotRead(path, "it is a directory");
  if (!S_ISREG(about.st_mode)) return CannotRead(path, "it is not a regular file");
  // One byte more than is allowed, whatever the size is said to be: files of /proc say 0.
  const std::size_t max_bytes = max_kib * 1024;
  std::string text(max_bytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t more = ::read(fd, text.data() + size, text.size() - size);
    if (more < 0) return CannotRead(path, std::strerror(errno));
    if (more == 0) break;
    size += static_cast<std::size_t>(more);
  }
  if (size > max_bytes) return CannotRead(path, absl::StrCat("it is larger than ", max_kib, " KiB"));
  text.resize(size);
  return text;
}

}  // namespace

absl::StatusOr<std::string> ReadTextFile(const std::string& path, std::size_t max_kib) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);  // A pipe would wait for its writer.
  if (fd < 0) return CannotRead(path, std::strerror(errno));
  auto text = Read(fd, path, max_kib);
  ::close(fd);
  if (text.ok() && absl::StartsWith(*text, kByteOrderMark)) text->erase(0, kByteOrderMark.size());
  return text;
}

}  // namespace ev::config
