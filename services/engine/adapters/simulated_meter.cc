#include "services/engine/adapters/simulated_meter.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace ev::engine {
namespace {

constexpr std::array<char, 8> kMagic = {'E', 'V', 'M', 'E', 'T', 'E', 'R', '1'};

__extension__ using Wide = __int128;

// power * time / 3600 Wh, in mWh. Rounded down: a register never runs ahead.
std::int64_t EnergyMwh(std::int64_t power_w, absl::Duration time, int speed) {
  const Wide nanos = static_cast<Wide>(absl::ToInt64Nanoseconds(std::max(time, absl::ZeroDuration()))) * speed;
  return static_cast<std::int64_t>(nanos * power_w / 3'600'000'000);
}

absl::Status Failed(absl::string_view what, const std::string& path) {
  return absl::UnavailableError(
      absl::StrCat("cannot ", what, " the meter's register ", path, ": ", std::strerror(errno)));
}

}  // namespace

struct SimulatedMeter::File {
  std::array<char, 8> magic;
  std::atomic<std::int64_t> register_mwh;  // One aligned store: a death leaves the old value or the new one.
};

absl::StatusOr<std::unique_ptr<SimulatedMeter>> SimulatedMeter::Open(const std::string& path,
                                                                     SimulatedVehicle vehicle) {
  static_assert(sizeof(File) == 16 && std::atomic<std::int64_t>::is_always_lock_free);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Failed("open", path);
  struct stat info {};
  absl::Status status;
  void* mapped = MAP_FAILED;
  if (::fstat(fd, &info) != 0) {
    status = Failed("look at", path);
  } else if (info.st_size != 0 && info.st_size != sizeof(File)) {
    status = absl::DataLossError(absl::StrCat(path, " is not a meter's register: it has ", info.st_size, " bytes"));
  } else if (info.st_size == 0 && ::posix_fallocate(fd, 0, sizeof(File)) != 0) {
    status = Failed("make", path);  // Space first: a mapped page without a block would end the process when written.
  } else {
    mapped = ::mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) status = Failed("map", path);
  }
  ::close(fd);
  if (!status.ok()) return status;

  File* file = static_cast<File*>(mapped);
  if (file->magic == std::array<char, 8>{}) file->magic = kMagic;  // Fresh, or its maker died right here.
  if (file->magic != kMagic || file->register_mwh.load() < 0) {
    ::munmap(mapped, sizeof(File));
    return absl::DataLossError(absl::StrCat(path, " is not a meter's register: move it away to begin a new one at 0"));
  }
  return std::unique_ptr<SimulatedMeter>(new SimulatedMeter(file, vehicle));
}

SimulatedMeter::~SimulatedMeter() {
  ::munmap(file_, sizeof(File));
}

MeterReading SimulatedMeter::Read(Moment now) {
  if (flow_) {
    const std::int64_t flowed = EnergyMwh(vehicle_.power_w, now.monotonic - flow_->since, vehicle_.speed);
    const std::int64_t reached = std::min(flow_->from_mwh + flowed, flow_->limit_mwh);
    file_->register_mwh.store(reached);
    if (reached == flow_->limit_mwh) {
      opening_ = flow_->at_limit;
      flow_.reset();
    }
  }
  return {.register_mwh = file_->register_mwh.load(), .power_w = flow_ ? vehicle_.power_w : 0};
}

void SimulatedMeter::CloseContactor(Moment now, std::int64_t limit_register_mwh) {
  const std::int64_t from = Read(now).register_mwh;
  const std::int64_t full = from + EnergyMwh(vehicle_.power_w, vehicle_.full_after, 1);
  opening_.reset();
  flow_ = Flow{.since = now.monotonic,
               .from_mwh = from,
               .limit_mwh = std::max(std::min(limit_register_mwh, full), from),
               .at_limit = full < limit_register_mwh ? Opening::kVehicleFull : Opening::kLimitReached};
}

MeterReading SimulatedMeter::OpenContactor(Moment now) {
  (void)Read(now);
  flow_.reset();
  opening_.reset();
  return Read(now);
}

std::optional<Opening> SimulatedMeter::TakeOpening(Moment now) {
  (void)Read(now);
  return std::exchange(opening_, std::nullopt);
}

}  // namespace ev::engine
