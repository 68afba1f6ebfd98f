#ifndef EV_CLI_EVCTL_BACKUP_H_
#define EV_CLI_EVCTL_BACKUP_H_

#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "cli/evctl/central.h"

namespace ev::evctl {

struct BackupOptions {
  std::string file;
  bool is_forced = false;       // Replaces a file that is there.
  bool shows_progress = false;  // On stderr, for a terminal.
};

// Writes Central's store, as it is now, into a file: first to FILE.part, which takes the name when all has come, agrees
// with Central's digest and is on disk. AlreadyExists: the file is there. InvalidArgument: what is there is not a file,
// but a folder or a device. DataLoss: what came is not what was sent.
absl::Status Backup(const Central& central, const BackupOptions& options, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_BACKUP_H_
