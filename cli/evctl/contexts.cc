#include "cli/evctl/contexts.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/nearest.h"
#include "base/text.h"
#include "config/file.h"
#include "kafka/kafka_config.h"
#include "process/data_dir.h"
#include "rpc/channel.h"

namespace ev::evctl {
namespace {

constexpr char kCurrent[] = "current-context";
constexpr char kSection[] = "contexts.";
constexpr std::size_t kMaxName = 64;

struct Field {
  absl::string_view key;
  std::string Context::*value;
  absl::Status (*check)(absl::string_view);
};
constexpr Field kFields[] = {{"central", &Context::central, rpc::CheckTarget},
                             {"kafka-brokers", &Context::kafka_brokers, kafka::CheckBrokers}};

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

absl::Status Failed(absl::string_view what, const std::string& path, int error) {
  return absl::FailedPreconditionError(absl::StrCat(what, " ", path, ": ", std::strerror(error)));
}

absl::Status Mistaken(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(why, "; mend it, or name another file: --config or EVCTL_CONFIG"));
}

std::vector<std::string> NamesOf(const Contexts& contexts) {
  std::vector<std::string> names;
  for (const auto& [name, context] : contexts.by_name) names.push_back(name);
  return names;
}

// One key of the file with its value.
absl::Status Take(const std::string& key, const std::string& value, Contexts& contexts) {
  if (key == kCurrent) {
    contexts.current = value;
    return absl::OkStatus();
  }
  absl::string_view rest = key;
  const std::size_t dot = key.rfind('.');
  if (!absl::ConsumePrefix(&rest, kSection) || dot < std::strlen(kSection)) {
    return absl::InvalidArgumentError(absl::StrCat("it is neither ", kCurrent, " nor in a section [contexts.NAME]"));
  }
  const std::string name = key.substr(std::strlen(kSection), dot - std::strlen(kSection));
  if (auto status = CheckContextName(name); !status.ok()) return status;
  return SetField(contexts.by_name[name], key.substr(dot + 1), value);
}

// The folder's lock: a file's own would go with the file when another takes its name.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder)
      : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
        error_(fd_ < 0 || ::flock(fd_, LOCK_EX | LOCK_NB) != 0 ? errno : 0) {}
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  int error() const { return error_; }
  // What was renamed in the folder stays so.
  void Sync() const { ::fsync(fd_); }

 private:
  const int fd_;
  const int error_;
};

absl::Status WriteAll(int fd, absl::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t size = ::write(fd, text.data(), text.size());
    if (size < 0 && errno != EINTR) return Failed("cannot write", path, errno);
    if (size > 0) text.remove_prefix(static_cast<std::size_t>(size));
  }
  return ::fsync(fd) == 0 ? absl::OkStatus() : Failed("cannot write", path, errno);
}

absl::Status Replace(const std::string& path, absl::string_view text) {
  std::string draft = path + ".XXXXXX";
  const int fd = ::mkostemp(draft.data(), O_CLOEXEC);  // 0600.
  if (fd < 0) return Failed("cannot write beside", path, errno);
  absl::Status status = WriteAll(fd, text, path);
  ::close(fd);
  if (status.ok() && ::rename(draft.c_str(), path.c_str()) != 0) status = Failed("cannot replace", path, errno);
  if (!status.ok()) ::unlink(draft.c_str());
  return status;
}

}  // namespace

absl::StatusOr<std::string> ContextsFile(const std::string& flag) {
  if (!flag.empty()) return flag;
  if (const std::string named = Environment("EVCTL_CONFIG"); !named.empty()) return named;
  const auto root = process::DefaultConfigRoot();
  return root.ok() ? absl::StatusOr<std::string>(*root + "/config.toml") : root.status();
}

absl::Status CheckContextName(absl::string_view name) {
  const bool is_right = !name.empty() && name.size() <= kMaxName && absl::ascii_isalnum(name.front()) &&
                        std::all_of(name.begin(), name.end(), [](unsigned char c) {
                          return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
                        });
  if (is_right) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", Excerpt(name, kMaxName),
                   "\" is no name of a context: 1 to 64 of A-Z a-z 0-9 . _ - beginning with a letter or a digit"));
}

absl::Status SetField(Context& context, absl::string_view key, const std::string& value) {
  std::vector<std::string> keys;
  for (const Field& field : kFields) {
    keys.emplace_back(field.key);
    if (field.key != key) continue;
    if (auto status = field.check(value); !status.ok()) return status;
    // The file has no way to write these.
    if (value.find_first_of("\"'\\") != value.npos || FindUnprintable(value) != absl::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat("\"", Printable(value), "\" has a character that no address has"));
    }
    context.*field.value = value;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("a context has no such key", DidYouMean(key, keys)));
}

absl::StatusOr<Contexts> ReadContexts(const std::string& file) {
  std::error_code error;
  if (std::filesystem::status(file, error).type() == std::filesystem::file_type::not_found) return Contexts();
  const auto entries = config::ReadFile(file);
  if (!entries.ok()) return Mistaken(entries.status().message());
  Contexts contexts;
  for (const auto& [key, given] : *entries) {
    const absl::Status status = given.values.size() == 1 ? Take(key, given.values.front(), contexts)
                                                         : absl::InvalidArgumentError("it takes one value");
    if (status.ok()) continue;
    return Mistaken(absl::StrCat(file, given.line > 0 ? absl::StrCat(", line ", given.line) : "", ": ", Printable(key),
                                 ": ", status.message()));
  }
  return contexts;
}

std::string ContextsText(const Contexts& contexts) {
  std::string text = "# Networks that evctl knows. `evctl config` changes this file, and keeps no other comments.\n";
  if (!contexts.current.empty()) absl::StrAppend(&text, kCurrent, " = \"", contexts.current, "\"\n");
  for (const auto& [name, context] : contexts.by_name) {
    absl::StrAppend(&text, "\n[", kSection, name, "]\n");
    for (const Field& field : kFields) {
      if (const std::string& value = context.*field.value; !value.empty()) {
        absl::StrAppend(&text, field.key, " = \"", value, "\"\n");
      }
    }
  }
  return text;
}

absl::Status ChangeContexts(const std::string& file, absl::FunctionRef<absl::Status(Contexts&)> change) {
  std::error_code error;
  // A link stays one: who keeps such files elsewhere wants the file there changed.
  const std::filesystem::path path = std::filesystem::weakly_canonical(std::filesystem::absolute(file), error);
  if (error) return Failed("cannot use", file, error.value());
  if (auto status = process::MakeDirectories(path.parent_path()); !status.ok()) return status;
  const FolderLock lock(path.parent_path());
  if (lock.error() == EWOULDBLOCK) {
    return absl::UnavailableError(absl::StrCat("another process is changing ", file, ": try again"));
  }
  if (lock.error() != 0) return Failed("cannot lock", path.parent_path(), lock.error());
  auto contexts = ReadContexts(path);
  if (!contexts.ok()) return contexts.status();
  if (auto status = change(*contexts); !status.ok()) return status;
  if (auto status = Replace(path, ContextsText(*contexts)); !status.ok()) return status;
  lock.Sync();
  return absl::OkStatus();
}

absl::StatusOr<Context> FindContext(const Contexts& contexts, const std::string& name, absl::string_view file) {
  if (const auto it = contexts.by_name.find(name); it != contexts.by_name.end()) return it->second;
  return absl::InvalidArgumentError(absl::StrCat("no context \"", Printable(name), "\" in ", file,
                                                 DidYouMean(name, NamesOf(contexts)),
                                                 "; evctl config get-contexts lists them, set-context makes one"));
}

absl::StatusOr<ChosenContext> ChooseContext(const std::string& file_flag, const std::string& name) {
  const bool is_named = !file_flag.empty() || !Environment("EVCTL_CONFIG").empty();
  const auto file = ContextsFile(file_flag);
  if (!file.ok()) {
    if (name.empty()) return ChosenContext();
    return absl::InvalidArgumentError(absl::StrCat("--context: ", file.status().message(), ", by --config"));
  }
  std::error_code error;
  if (is_named && !std::filesystem::exists(*file, error) && !error) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no ", *file, ": evctl config set-context makes it, --config or EVCTL_CONFIG names it"));
  }
  const auto contexts = ReadContexts(*file);
  if (!contexts.ok()) return contexts.status();
  ChosenContext chosen{.name = name.empty() ? contexts->current : name, .file = *file, .context = {}};
  if (chosen.name.empty()) return chosen;
  const auto context = FindContext(*contexts, chosen.name, *file);
  if (!context.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name.empty() ? kCurrent : "--context", ": ", context.status().message()));
  }
  chosen.context = *context;
  return chosen;
}

}  // namespace ev::evctl
