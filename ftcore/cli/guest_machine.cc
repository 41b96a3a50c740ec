#include "ftcore/cli/guest_machine.h"

#include <ctime>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/digest.h"
#include "emulator/base/file.h"
#include "emulator/disassemble.h"
#include "ftcore/cli/host_facts.h"
#include "ftcore/cli/snapshot_options.h"
#include "replay/identity.h"
#include "replay/machine_image.h"

namespace ftvm::cli {
namespace {

constexpr std::size_t kImageBytesMax = std::size_t{2} << 30;
constexpr std::int64_t kYear2000 = 946'684'800;

Result<Bytes> read_image(const std::string& path, const char* option) {
  if (path.empty()) {
    return Error(ErrorCode::kUsage, std::string("no ") + option + " given (--" + option + " FILE)");
  }
  auto bytes = read_file(path, kImageBytesMax);
  if (!bytes) return std::move(bytes).error().context(option);
  return bytes;
}

}  // namespace

Result<replay::ClockMode> clock_mode(const MachineOptions& options, replay::ClockMode by_default) {
  if (options.clock.empty()) return by_default;
  if (options.clock == "virtual") return replay::ClockMode::kVirtual;
  if (options.clock == "host") return replay::ClockMode::kHost;
  return Error(ErrorCode::kUsage, "--clock " + options.clock + ": use virtual or host");
}

bool shows_host_time(const StartPoint& start, const replay::MachineIdentity& identity,
                     bool time_given) {
  const bool before = start.at_power_on() || start.clock == replay::ClockMode::kHost;
  return before && identity.clock == replay::ClockMode::kHost && !time_given;
}

Result<EngineKind> engine_kind(const std::string& name) {
  if (name == "auto") return EngineKind::kAuto;
  if (name == "accelerated") return EngineKind::kAccelerated;
  if (name == "portable") return EngineKind::kPortable;
  return Error(ErrorCode::kUsage, "--engine " + name + ": use auto, accelerated or portable");
}

Result<std::unique_ptr<GuestMachine>> GuestMachine::create(const MachineOptions& options,
                                                           replay::ClockMode clock) {
  if (options.snapshot.empty()) return power_on(options, clock);
  auto preamble = replay::read_snapshot_preamble(options.snapshot);
  if (!preamble) return std::move(preamble).error().context("--snapshot");
  FTVM_TRY(check_against_snapshot(options, preamble->identity));
  preamble->identity.clock = clock;
  if (options.digest_every) preamble->identity.digest_every_lines = *options.digest_every;
  return create_for(preamble->identity, options);
}

Result<std::unique_ptr<GuestMachine>> GuestMachine::power_on(const MachineOptions& options,
                                                             replay::ClockMode clock) {
  std::unique_ptr<GuestMachine> guest(new GuestMachine);
  guest->time_given_ = options.rtc.has_value();
  boot::LinuxImage& image = guest->image_;
  image.kernel = FTVM_TRY(read_image(options.kernel, "kernel"));
  if (!options.initramfs.empty())
    image.initramfs = FTVM_TRY(read_image(options.initramfs, "initramfs"));
  image.command_line = kernel_command_line(options);
  const std::uint64_t ram_bytes = options.ram_mib.value_or(kRamMibDefault) << 20;
  FTVM_TRY(boot::check_linux(image, ram_bytes));

  const std::int64_t now = clock == replay::ClockMode::kHost ? std::time(nullptr) : kYear2000;
  const EngineKind engine = FTVM_TRY(engine_kind(options.engine));
  guest->machine_ = FTVM_TRY(Machine::create(
      {.ram_bytes = ram_bytes,
       .cpu = {.engine = engine, .translation_buffer_bytes = options.translation_buffer_mib << 20},
       .reboot_on_reset = !options.no_reboot}));
  Machine& machine = *guest->machine_;
  guest->board_ = std::make_unique<devices::Board>(
      devices::BoardOptions{.boot_unix_s = options.rtc.value_or(now), .ram_bytes = ram_bytes},
      machine);
  FTVM_TRY(guest->board_->claim_ports(machine.bus()));
  machine.attach(guest->board_->devices());

  guest->identity_ = replay::MachineIdentity{
      .ftvm_version = FTVM_VERSION,
      .engine_version = engine_version(),
      .ram_bytes = ram_bytes,
      .board = guest->board_->describe() + (options.no_reboot ? "no-reboot\n" : ""),
      .command_line = image.command_line,
      .kernel = digest_of(image.kernel),
      .initramfs = digest_of(image.initramfs),
      .boot_unix_s = options.rtc.value_or(now),
      .clock = clock,
      .libm_probe = libm_probe(),
      .digest_every_lines = options.digest_every.value_or(kDigestEveryDefault)};
  const boot::LinuxImage& kept = image;
  FTVM_TRY(machine.power_on(
      [&kept](GuestMemory& memory, Cpu& cpu) { return boot::load_linux(kept, memory, cpu); }));
  return guest;
}

Result<std::unique_ptr<GuestMachine>> GuestMachine::create_for(
    const replay::MachineIdentity& identity, MachineOptions options) {
  options.ram_mib = identity.ram_bytes >> 20;
  options.command_line = identity.command_line;
  options.append.clear();
  const bool time_given = options.rtc.has_value();
  options.rtc = identity.boot_unix_s;
  options.digest_every = identity.digest_every_lines;
  options.no_reboot = identity.board.ends_with("no-reboot\n");
  auto guest = FTVM_TRY(power_on(options, identity.clock));
  guest->time_given_ = time_given;
  if (const Status same = replay::check_identity(identity, guest->identity()); !same) {
    if (options.snapshot.empty()) return same.error();
    return Error(same.error()).context("--snapshot " + options.snapshot);
  }
  if (!options.snapshot.empty()) FTVM_TRY(guest->load(options.snapshot));
  return guest;
}

replay::MachineIdentity GuestMachine::snapshot_identity() const {
  replay::MachineIdentity identity = identity_;
  if (!shows_host_time()) identity.clock = replay::ClockMode::kVirtual;
  return identity;
}

std::string GuestMachine::place_text() {
  return "\n  there: " + next_instruction(machine_->cpu(), machine_->memory()) +
         register_text(machine_->cpu().registers());
}

void GuestMachine::set_boot_time(std::int64_t boot_unix_s) {
  FTVM_ASSERT(start_.at_power_on());
  FTVM_ASSERT(machine_->now().tick == Tick{});
  board_->set_boot_time(boot_unix_s);
  identity_.boot_unix_s = boot_unix_s;
}

Status GuestMachine::load(const std::string& snapshot) {
  const auto preamble = replay::read_snapshot_preamble(snapshot);
  if (!preamble) return Error(preamble.error()).context("--snapshot");
  // What decides nothing about the state may differ: how time goes on, and how often it is looked.
  replay::MachineIdentity mine = identity_;
  mine.clock = preamble->identity.clock;
  mine.digest_every_lines = preamble->identity.digest_every_lines;
  replay::MachineImage image(*machine_);
  const auto place = replay::load_snapshot(snapshot, image, mine);
  if (!place) return Error(place.error()).context("--snapshot");
  start_ = {.tick = place->tick,
            .seq = place->seq,
            .snapshot = image.digest_all(),
            .run_id = place->run_id,
            .clock = mine.clock};
  return {};
}

}  // namespace ftvm::cli
