// What a pair shares: the arbiter's directory, the channel's address, the key.
#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "emulator/base/file.h"
#include "emulator/base/hex.h"
#include "emulator/base/scoped_fd.h"
#include "ftcore/arbiter/arbiter.h"
#include "ftcore/cli/doctor.h"
#include "ftcore/cli/run_id.h"
#include "ftcore/transport/channel_address.h"
#include "ftcore/transport/secret.h"
#include "ftcore/transport/zmq_channel.h"

namespace ftvm::cli {
namespace {

/// Two names in one folder; both are gone at the end.
struct Scratch {
  explicit Scratch(const std::string& folder)
      : made(folder + "/.ftvm-doctor-" + hex(random_run_id())), linked(made + ".link") {}
  ~Scratch() {
    (void)::unlink(made.c_str());
    (void)::unlink(linked.c_str());
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string made;
  const std::string linked;
};

/// What the arbiter does, step by step: write, sync, link once and not twice, read back.
Status try_directory(const std::string& folder) {
  const Scratch scratch(folder);
  const Bytes text{'f', 't', 'v', 'm'};
  const ScopedFd fd(::open(scratch.made.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return error_from_errno("create a file");
  FTVM_TRY(write_all(fd.get(), text));
  if (::fsync(fd.get()) != 0) return error_from_errno("fsync");
  if (::link(scratch.made.c_str(), scratch.linked.c_str()) != 0) return error_from_errno("link");
  if (::link(scratch.made.c_str(), scratch.linked.c_str()) == 0 || errno != EEXIST) {
    return Error(ErrorCode::kIo, "link(2) replaced a name: it is no test-and-set here");
  }
  const ScopedFd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return error_from_errno("fsync the directory");
  if (FTVM_TRY(read_file(scratch.linked, 64)) == text) return {};
  return Error(ErrorCode::kIo, "what was written is not what is read");
}

/// Storage that no other machine can see.
bool is_in_memory(const std::string& folder) {
  constexpr std::int64_t kTmpfsMagic = 0x01021994, kRamfsMagic = 0x858458f6;
  struct statfs facts {};
  if (::statfs(folder.c_str(), &facts) != 0) return false;
  return facts.f_type == kTmpfsMagic || facts.f_type == kRamfsMagic;
}

void check_arbiter(const std::string& option, const Report& report) {
  Finding finding{.name = "arbiter"};
  if (option.empty()) {
    return report({.name = "arbiter", .verdict = Verdict::kSkipped, .text = "no --arbiter given"});
  }
  const auto arbiter = ftcore::make_arbiter(option);
  if (!arbiter) {
    return report(
        {.name = "arbiter", .verdict = Verdict::kFail, .text = arbiter.error().message()});
  }
  const std::string canonical = (*arbiter)->describe();
  const std::string folder = canonical.substr(canonical.find(':') + 1);
  const Status tried = try_directory(folder);
  finding.text = canonical + ": hard links are exclusive, fsync works";
  if (!tried) {
    finding.verdict = Verdict::kFail;
    finding.text = canonical + ": " + tried.error().message();
    finding.advice = "it must be an existing folder that this user may write, with hard links";
  } else if (is_in_memory(folder)) {
    finding.verdict = Verdict::kWarn;
    finding.advice = "it is in this machine's memory: good for tests, no arbiter for two machines";
  }
  report(std::move(finding));
}

void check_key(const std::string& path, const Report& report) {
  if (path.empty()) {
    return report({.name = "key", .verdict = Verdict::kSkipped, .text = "no --key given"});
  }
  const auto key = ftcore::load_pair_key(path);
  if (key) return report({.name = "key", .text = path + ": readable by its owner alone"});
  report({.name = "key",
          .verdict = Verdict::kFail,
          .text = key.error().message(),
          .advice = "ftvm keygen --out FILE makes one"});
}

void check_channel(const PairOptions& pair, const Report& report) {
  Finding finding{.name = "channel"};
  const auto listen = [&pair]() -> Result<std::string> {
    const ftcore::ChannelAddress address = FTVM_TRY(ftcore::parse_channel_address(pair.channel));
    ftcore::ZmqChannelOptions options{.address = address, .insecure = pair.insecure};
    if (!pair.key.empty()) options.key = FTVM_TRY(ftcore::load_pair_key(pair.key));
    FTVM_TRY(ftcore::ZmqChannel::listen(options));
    return address.text() + ": can be listened on";
  };
  const Result<std::string> listened = listen();
  finding.text = listened ? *listened : listened.error().message();
  if (!listened) {
    // The transport's words for EADDRNOTAVAIL; no code tells it from a port that is taken.
    const bool is_elsewhere = finding.text.find("no such address") != std::string::npos;
    finding.verdict = is_elsewhere ? Verdict::kWarn : Verdict::kFail;
    finding.advice = is_elsewhere ? "right on the backup's host, wrong on the primary's"
                                  : "a primary cannot listen there; choose another --channel";
  }
  report(std::move(finding));
}

}  // namespace

void check_pair(const Options& options, const Report& report) {
  check_arbiter(options.pair.arbiter, report);
  check_key(options.pair.key, report);
  check_channel(options.pair, report);
}

}  // namespace ftvm::cli
