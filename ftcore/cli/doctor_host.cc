// The host: its clock, what it allows, what room there is.
#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <system_error>

#include "ftcore/cli/doctor.h"

namespace ftvm::cli {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

std::string mib(std::uint64_t bytes) {
  return std::to_string(bytes / kMiB) + " MiB";
}

std::string first_word_of(const char* path) {
  std::ifstream in(path);
  std::string word;
  in >> word;
  return word.empty() ? "unknown" : word;
}

void check_clock(const Report& report) {
  constexpr int kReads = 20'000;
  // A slow source means a system call each time; the discipline reads it at every slice.
  constexpr double kSlowNs = 1'000;
  timespec first{}, now{};
  ::clock_gettime(CLOCK_MONOTONIC, &first);
  for (int i = 0; i < kReads; ++i) ::clock_gettime(CLOCK_MONOTONIC, &now);
  const double ns = (static_cast<double>(now.tv_sec - first.tv_sec) * 1e9 +
                     static_cast<double>(now.tv_nsec - first.tv_nsec)) /
                    kReads;
  const std::string source =
      first_word_of("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  char cost[48];
  std::snprintf(cost, sizeof cost, ", %.0f ns a reading", ns);
  const bool slow = ns > kSlowNs;
  report({.name = "clock",
          .verdict = slow ? Verdict::kWarn : Verdict::kOk,
          .text = source + cost,
          .advice = slow ? "see the kernel parameter clocksource=; tsc is the fast one" : ""});
}

struct Limit {
  const char* name;
  int which;
  std::uint64_t need;
  const char* shell;
};

std::uint64_t ram_mib(const Options& options) {
  return options.machine.ram_mib.value_or(kRamMibDefault);
}

void check_limits(const Options& options, const Report& report) {
  // The engine reserves its translation buffer as address space; a gibibyte is the library's own.
  const std::uint64_t space = (ram_mib(options) + std::uint64_t{3} * 1024) * kMiB;
  const Limit limits[] = {{"open files", RLIMIT_NOFILE, 256, "ulimit -n"},
                          {"address space", RLIMIT_AS, space, "ulimit -v"},
                          {"file size", RLIMIT_FSIZE, 1024 * kMiB, "ulimit -f"},
                          {"processes", RLIMIT_NPROC, 64, "ulimit -u"}};
  std::string text, advice;
  for (const Limit& limit : limits) {
    rlimit now{};
    if (::getrlimit(static_cast<__rlimit_resource>(limit.which), &now) != 0) continue;
    if (!text.empty()) text += ", ";
    text += limit.name;
    text += now.rlim_cur == RLIM_INFINITY ? " unlimited" : " " + std::to_string(now.rlim_cur);
    if (now.rlim_cur == RLIM_INFINITY || now.rlim_cur >= limit.need) continue;
    advice += std::string(advice.empty() ? "raise " : ", ") + limit.shell + " to " +
              std::to_string(limit.need) + " or more";
  }
  report({.name = "limits",
          .verdict = advice.empty() ? Verdict::kOk : Verdict::kWarn,
          .text = text,
          .advice = advice});
}

void check_memory(const Options& options, const Report& report) {
  // Guest RAM, as much again for translations and tables.
  const std::uint64_t need = 2 * ram_mib(options) * kMiB;
  std::ifstream in("/proc/meminfo");
  std::string key, unit;
  std::uint64_t kib = 0, available = 0;
  while (in >> key >> kib) {
    std::getline(in, unit);
    if (key == "MemAvailable:") available = kib * 1024;
  }
  const bool enough = available >= need;
  report({.name = "memory",
          .verdict = enough ? Verdict::kOk : Verdict::kWarn,
          .text = mib(available) + " available, " + mib(need) + " wanted for --ram " +
                  std::to_string(ram_mib(options)),
          .advice = enough ? "" : "give the guest less with --ram"});
}

void check_disk(const Options& options, const Report& report) {
  constexpr std::uint64_t kLow = 1024 * kMiB, kTooLow = 64 * kMiB;
  const std::size_t slash = options.journal.rfind('/');
  const std::string folder =
      slash == std::string::npos ? "." : options.journal.substr(0, std::max<std::size_t>(slash, 1));
  struct statvfs facts {};
  if (::statvfs(folder.c_str(), &facts) != 0) {
    const std::string why = std::generic_category().message(errno);
    return report({.name = "disk",
                   .verdict = Verdict::kFail,
                   .text = folder + ": " + why,
                   .advice = "make the folder, or give another --journal"});
  }
  const std::uint64_t free_bytes = std::uint64_t{facts.f_bavail} * facts.f_frsize;
  const bool writable = ::access(folder.c_str(), W_OK) == 0;
  const bool fails = free_bytes < kTooLow || (!writable && !options.journal.empty());
  const bool warns = free_bytes < kLow || !writable;
  report({.name = "disk",
          .verdict = fails   ? Verdict::kFail
                     : warns ? Verdict::kWarn
                             : Verdict::kOk,
          .text = folder + ": " + mib(free_bytes) + " free" + (writable ? "" : ", not writable"),
          .advice = warns ? "a run ends when its journal cannot grow; see --journal" : ""});
}

/// 0, or the errno of making a user and a network namespace, tried in a process of its own.
int try_namespaces() {
  const pid_t child = ::fork();
  if (child < 0) return errno;
  if (child == 0) ::_exit(::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 0 : errno & 0xff);
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return ECHILD;
  return WEXITSTATUS(status);
}

void check_namespaces(const Report& report) {
  const int error = try_namespaces();
  if (error == 0) return report({.name = "namespaces", .text = "user and network namespaces work"});
  report({.name = "namespaces",
          .verdict = Verdict::kWarn,
          .text = "none: " + std::generic_category().message(error),
          .advice = "tests that pull the cables of a host cannot run here; everything else can"});
}

}  // namespace

void check_host(const Options& options, const Report& report) {
  check_clock(report);
  check_limits(options, report);
  check_memory(options, report);
  check_disk(options, report);
  check_namespaces(report);
}

}  // namespace ftvm::cli
