#ifndef EV_SERVICES_DRIVER_ADAPTERS_READ_REQUEST_FILE_H_
#define EV_SERVICES_DRIVER_ADAPTERS_READ_REQUEST_FILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/ids.h"

namespace ev::driver {

// ParseRequestFile() of the file at `path`. InvalidArgument too where config::ReadTextFile() is, of 1024 KiB.
absl::StatusOr<std::vector<CpId>> ReadRequestFile(const std::string& path);

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_ADAPTERS_READ_REQUEST_FILE_H_
