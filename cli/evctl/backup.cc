#include "cli/evctl/backup.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"
#include "digest/sha256.h"
#include "rpc/channel.h"
#include "rpc/status.h"

namespace ev::evctl {
namespace {

namespace pb = evcharging::central::v1;

// Whatever happens in between is noticed sooner: a dead peer by the channel, a part that is not sent by Central.
constexpr absl::Duration kLimit = absl::Hours(12);

absl::Status SystemError(absl::string_view doing, absl::string_view path) {
  return absl::UnavailableError(absl::StrCat("cannot ", doing, " ", Printable(path), ": ", std::strerror(errno)));
}

absl::Status IsThere(absl::string_view path) {
  return absl::AlreadyExistsError(absl::StrCat(Printable(path), " is there already; --force replaces it"));
}

// A file that is removed again unless it is kept.
class Draft {
 public:
  explicit Draft(std::string path) : path_(std::move(path)) {}
  ~Draft() {
    if (descriptor_ < 0) return;
    if (!is_kept_) ::unlink(path_.c_str());  // Before another may write it.
    ::close(descriptor_);
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  // For its owner only: who charged where is in it. Unavailable while another process writes it.
  absl::Status Open() {
    const int descriptor = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (descriptor < 0) return SystemError("write", path_);
    absl::Status status;
    struct stat opened {};
    struct stat named {};
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 || ::fstat(descriptor, &opened) != 0 ||
        ::stat(path_.c_str(), &named) != 0 || opened.st_ino != named.st_ino) {
      status = absl::UnavailableError(absl::StrCat("another backup writes ", Printable(path_), ": take another name"));
    } else if (::fchmod(descriptor, 0600) != 0 || ::ftruncate(descriptor, 0) != 0) {
      status = SystemError("write", path_);
    }
    if (!status.ok()) {
      ::close(descriptor);
      return status;
    }
    descriptor_ = descriptor;
    return absl::OkStatus();
  }

  absl::Status Add(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return SystemError("write", path_);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return absl::OkStatus();
  }

  // On disk, and under its name, when this returns. AlreadyExists: another file has taken the name meanwhile.
  absl::Status Keep(const std::string& name, bool replaces) {
    if (::fsync(descriptor_) != 0) return SystemError("write", path_);
    int failed = ::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, name.c_str(), replaces ? 0 : RENAME_NOREPLACE);
    if (failed != 0 && errno == EEXIST) return IsThere(name);
    if (failed != 0 && errno == EINVAL) {  // A file system that cannot, as NFS.
      failed = ::link(path_.c_str(), name.c_str());
      if (failed != 0 && errno == EEXIST) return IsThere(name);
      if (failed == 0) ::unlink(path_.c_str());
    }
    if (failed != 0) return SystemError("write", name);
    is_kept_ = true;
    const std::string parent = std::filesystem::path(name).parent_path().string();
    const int folder = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool is_synced = folder >= 0 && ::fsync(folder) == 0;
    if (folder >= 0) ::close(folder);
    return is_synced ? absl::OkStatus() : SystemError("write the folder of", name);
  }

 private:
  const std::string path_;
  int descriptor_ = -1;
  bool is_kept_ = false;
};

void ShowProgress(std::int64_t done, std::int64_t total) {
  if (total > 0) absl::FPrintF(stderr, "\r%d of %d MB ", done / 1'000'000, total / 1'000'000);
  std::fflush(stderr);
}

}  // namespace

absl::Status Backup(const Central& central, const BackupOptions& options, std::ostream& out) {
  struct stat there {};
  if (::stat(options.file.c_str(), &there) == 0) {
    if (!S_ISREG(there.st_mode)) {
      return absl::InvalidArgumentError(absl::StrCat(Printable(options.file), " is not a file: name one"));
    }
    if (!options.is_forced) return IsThere(options.file);
  }
  Draft draft(options.file + ".part");
  if (auto status = draft.Open(); !status.ok()) return status;

  // Unlike the calls of evctl that have an end in seconds, it wants to know when the other side is gone.
  const auto stub = pb::ServerService::NewStub(rpc::MakeChannel({.target = central.address(), .own_connection = true}));
  grpc::ClientContext context;
  rpc::SetTimeout(context, kLimit);
  const auto reader = stub->BackupStore(&context, pb::BackupStoreRequest());
  Sha256 digest;
  std::int64_t size = 0;
  std::string sent;
  pb::BackupPart part;
  absl::Status written;
  if (options.shows_progress) {
    std::fputs("Central copies its store ...", stderr);
    std::fflush(stderr);
  }
  while (reader->Read(&part)) {
    written = draft.Add(part.data());
    if (!written.ok()) {
      context.TryCancel();
      break;
    }
    digest.Add(part.data());
    size += static_cast<std::int64_t>(part.data().size());
    sent = part.sha256();
    if (options.shows_progress) ShowProgress(size, part.total_bytes());
  }
  const grpc::Status ended = reader->Finish();
  if (options.shows_progress) {
    std::fputs("\r\x1b[K", stderr);
    std::fflush(stderr);
  }
  if (!written.ok()) return written;
  if (!ended.ok()) return central.Explain(rpc::FromGrpc(ended));
  const std::string received = digest.Finish();
  if (sent != received) {
    return absl::DataLossError(absl::StrCat("what came has the digest ", received, ", Central sent ",
                                            sent.empty() ? "no digest" : Printable(sent), ": try again"));
  }
  if (auto status = draft.Keep(options.file, options.is_forced); !status.ok()) return status;
  out << Printable(options.file) << ": " << size << " bytes, SHA-256 " << received << '\n';
  return absl::OkStatus();
}

}  // namespace ev::evctl
