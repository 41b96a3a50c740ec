#include "ftcore/cli/option_groups.h"

#include <CLI/CLI.hpp>

namespace ftvm::cli {
namespace {

void add_machine_options(CLI::App& app, MachineOptions& o) {
  const char* group = "Machine";
  app.add_option("--kernel", o.kernel, "Linux bzImage")->group(group);
  app.add_option("--initramfs", o.initramfs, "initramfs (cpio, may be compressed)")->group(group);
  app.add_option("--command-line", o.command_line, "Replaces the default kernel command line")
      ->group(group);
  app.add_option("--append", o.append, "Added to the kernel command line")->group(group);
  app.add_option("--ram", o.ram_mib, "RAM in MiB, 64 to 3072, even")
      ->check(CLI::Range(64, 3072))
      ->default_str(std::to_string(kRamMibDefault))
      ->group(group);
  app.add_option("--clock", o.clock,
                 "virtual: fixed rate, idle time is skipped; host: guest time follows the host")
      ->check(CLI::IsMember({"virtual", "host"}))
      ->group(group);
  app.add_option("--rtc", o.rtc,
                 "Time of day at power-on, seconds since 1970 UTC; default: the host's, "
                 "or 2000-01-01 with a virtual clock. A backup takes its primary's")
      ->group(group);
  app.add_option("--engine", o.engine, "CPU engine")
      ->check(CLI::IsMember({"auto", "accelerated", "portable"}))
      ->capture_default_str()
      ->group(group);
  app.add_option("--translation-buffer", o.translation_buffer_mib,
                 "MiB; 0 is the library's default")
      ->group(group);
  app.add_flag("--no-reboot", o.no_reboot, "A guest reset ends the run")->group(group);
  app.add_option("--digest-every", o.digest_every, "Grid lines between digests, 0 is never")
      ->default_str(std::to_string(kDigestEveryDefault))
      ->group(group);
  app.add_option("--snapshot", o.snapshot,
                 "Start from this snapshot instead of power-on; what decides its machine (--ram, "
                 "--command-line, --append, --rtc, --no-reboot) may be left out, and if given must "
                 "be the same")
      ->group(group);
}

void add_pair_options(CLI::App& app, PairOptions& o) {
  const char* group = "Pair";
  app.add_option("--pair-name", o.name, "Name of the pair, for the console's clients")
      ->capture_default_str()
      ->group(group);
  app.add_option("--channel", o.channel,
                 "Logging channel: the primary listens there, the backup connects; HOST:PORT, or "
                 "ipc://PATH on one host")
      ->capture_default_str()
      ->group(group);
  app.add_option("--arbiter", o.arbiter, "file:DIRECTORY on storage that both nodes share")
      ->group(group);
  app.add_option("--key", o.key, "Secret file of the pair (see ftvm keygen); needed off loopback")
      ->group(group);
  app.add_flag("--insecure", o.insecure, "Allow other addresses than loopback without a key")
      ->group(group);
  app.add_flag("--alone", o.alone, "Start the primary without waiting for a backup")->group(group);
  app.add_option("--detection", o.detection_ms, "Silence after which the peer is lost, ms")
      ->check(CLI::Range(20, 60'000))
      ->capture_default_str()
      ->group(group);
  app.add_option("--heartbeat", o.heartbeat_ms, "Interval of heartbeats, ms")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str()
      ->group(group);
  app.add_option("--lag-target", o.lag_target_ms, "How far the backup may run behind, ms")
      ->check(CLI::Range(1, 60'000))
      ->capture_default_str()
      ->group(group);
  app.add_option("--buffer", o.buffer_mib, "Unacknowledged records before the primary pauses, MiB")
      ->check(CLI::Range(16, 1024))
      ->capture_default_str()
      ->group(group);
}

}  // namespace

void add_shared_options(CLI::App& app, Options& options) {
  add_machine_options(app, options.machine);
  add_pair_options(app, options.pair);
  const char* group = "Run";
  app.add_option(
         "--console", options.console,
         "stdio, none, tcp:HOST:PORT, unix:PATH; of a pair also numbered:HOST:PORT, its default")
      ->group(group);
  app.add_option(
         "--script", options.script,
         "Type what this file says: lines of wait \"TEXT\", send \"TEXT\\n\", at the end stop")
      ->group(group);
  app.add_option("--debug-console", options.debug_console,
                 "File for what the guest writes to its debug ports E9h and 402h")
      ->group(group);
  app.add_option("--journal", options.journal, "Record to this file")->group(group);
  app.add_flag("--overwrite", options.overwrite,
               "Replace an existing journal, snapshot or debug console file")
      ->group(group);
  app.add_option("--control", options.control, "Unix socket for ftvm ctl")->group(group);
  app.add_option("--diag", options.diag,
                 "Diagnostics as JSON lines: a file, or - for standard error")
      ->group(group);
  app.add_option("--diag-level", options.diag_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str()
      ->group(group);
  app.add_option("--name", options.name, "Name of this node in diagnostics")->group(group);
}

}  // namespace ftvm::cli
