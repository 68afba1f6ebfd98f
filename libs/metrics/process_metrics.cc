#include "metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "metrics/total.h"

namespace ev::metrics {
namespace {

double CpuSeconds() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return absl::ToDoubleSeconds(absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime));
}

// NaN where /proc is not mounted.
double ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  return file >> total >> resident ? static_cast<double>(resident * ::sysconf(_SC_PAGESIZE)) : std::nan("");
}

double OpenFiles() {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (error) return std::nan("");
  return static_cast<double>(std::distance(begin(files), end(files)) - 1);  // Without the one that reads them.
}

double MaxOpenFiles() {
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

Registry::Token ExportProcess(Registry& registry) {
  registry.AddGauge("process_start_time_seconds", "Since when this process runs, as Unix time.")
      .Set(absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()));
  registry.AddGauge("process_max_fds", "The bound of process_open_fds.").Set(MaxOpenFiles());
  return registry.OnCollect(
      [cpu = Total(registry.AddCounter("process_cpu_seconds_total", "CPU time that this process has used.")),
       resident = registry.AddGauge("process_resident_memory_bytes", "Memory of this process that is not swapped out."),
       files = registry.AddGauge("process_open_fds", "Files and connections that this process has open.")]() mutable {
        cpu.Set(CpuSeconds());
        resident.Set(ResidentBytes());
        files.Set(OpenFiles());
      });
}

Registry::Token ExportDataFolder(Registry& registry, const std::string& folder) {
  return registry.OnCollect(
      [folder, free = registry.AddGauge("ev_data_free_bytes", "What may still be written beside this program's data."),
       size = registry.AddGauge("ev_data_size_bytes", "The size of the file system that ev_data_free_bytes is of.")] {
        std::error_code error;
        const std::filesystem::space_info space = std::filesystem::space(folder, error);
        free.Set(error ? std::nan("") : static_cast<double>(space.available));
        size.Set(error ? std::nan("") : static_cast<double>(space.capacity));
      });
}

}  // namespace ev::metrics
