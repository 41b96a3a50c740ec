#include "ftcore/arbiter/file_arbiter.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/bytes.h"
#include "emulator/base/file.h"
#include "emulator/base/hex.h"
#include "emulator/base/kill_point.h"
#include "emulator/base/scoped_fd.h"

namespace ftvm::ftcore {
namespace {

constexpr std::string_view kOpenKind = "open";
constexpr std::string_view kWinnerKind = "winner";
constexpr std::size_t kUuidDigits = 32;
/// Longer than any slot file; a longer one is not ours.
constexpr std::size_t kSlotBytesMax = 256;
/// Both halves must be able to read what the other wrote, whatever user they run as.
constexpr mode_t kSlotMode = 0644;

/// What the operator should look at, for the errors that storage is known for.
std::string_view hint(int error_number) {
  switch (error_number) {
    case ENOENT:
      return "; is the shared storage mounted?";
    case ENOTDIR:
      return "; the arbiter needs a directory";
    case EACCES:
      return "; this user must be allowed to write there";
    case EPERM:
      return "; the file system may lack hard links, or forbid them to this user";
    case EROFS:
      return "; the shared storage is mounted read-only";
    case ENOSPC:
    case EDQUOT:
      return "; make room on the shared storage";
    case ESTALE:
      return "; the server no longer knows this directory, mount it again";
    case EMLINK:
    case ENOTSUP:
      return "; the file system lacks hard links";
    default:
      return "";
  }
}

Error storage_error(std::string what, int error_number) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  what += ": " + std::generic_category().message(error_number);
  what += hint(error_number);
  return Error(full ? ErrorCode::kNoSpace : ErrorCode::kIo, std::move(what));
}

Result<ScopedFd> open_directory(const std::string& path) {
  ScopedFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return storage_error("open directory", errno);
  return fd;
}

/// Unlike a process id, random bits differ between hosts and between calls that never returned.
Result<std::string> private_name(const std::string& slot) {
  std::array<std::uint8_t, 8> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    return storage_error("getrandom", errno);
  }
  return "." + slot + "." + hex(random);
}

Status write_private(int directory, const std::string& name, const std::string& text) {
  const ScopedFd fd(
      ::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kSlotMode));
  if (!fd) return storage_error("create " + name, errno);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  if (::fchmod(fd.get(), kSlotMode) != 0) return storage_error("set mode of " + name, errno);
  if (Status written = write_all(fd.get(), {bytes, text.size()}); !written) {
    const std::string_view advice =
        written.error().code() == ErrorCode::kNoSpace ? hint(ENOSPC) : "";
    return std::move(written.error().context("write " + name + std::string(advice)));
  }
  if (::fsync(fd.get()) != 0) return storage_error("sync " + name, errno);
  return {};
}

bool all_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

std::string arbiter_slot_text(std::string_view kind, const Uuid& pair, Epoch epoch,
                              const Uuid& incarnation) {
  return "ftvm-arbiter 1\nkind " + std::string(kind) + "\npair " + pair.hex() + "\nepoch " +
         std::to_string(epoch.value) + "\nincarnation " + incarnation.hex() + "\n";
}

FileArbiter::FileArbiter(std::string directory) : directory_(std::move(directory)) {}

std::string FileArbiter::describe() const {
  return "file:" + directory_;
}

FileArbiter::Claim FileArbiter::make_claim(std::string_view kind, const Uuid& pair, Epoch epoch,
                                           const Uuid& incarnation) {
  Claim claim;
  claim.name = pair.hex() + ".epoch-" + std::to_string(epoch.value);
  if (kind == kOpenKind) claim.name += ".open";
  claim.text = arbiter_slot_text(kind, pair, epoch, incarnation);
  claim.shared_bytes = claim.text.size() - kUuidDigits - 1;
  FTVM_ASSERT(claim.text.size() <= kSlotBytesMax);
  return claim;
}

Result<FileArbiter::Holder> FileArbiter::read_holder(int directory, const Claim& claim) const {
  // O_NONBLOCK: a FIFO in the slot's place must not hang us; reading one fails or is not our text.
  const ScopedFd fd(
      ::openat(directory, claim.name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd && errno == ENOENT) return Holder::kNobody;
  if (!fd) return storage_error("open " + claim.name, errno);
  std::array<char, kSlotBytesMax + 1> buffer{};
  std::size_t size = 0;
  while (size < buffer.size()) {
    const ssize_t got = ::read(fd.get(), buffer.data() + size, buffer.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return storage_error("read " + claim.name, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  const std::string_view text(buffer.data(), size);
  if (text == claim.text) return Holder::kMe;
  const bool well_formed = text.size() == claim.text.size() && text.back() == '\n' &&
                           text.substr(0, claim.shared_bytes) ==
                               std::string_view(claim.text).substr(0, claim.shared_bytes) &&
                           all_hex(text.substr(claim.shared_bytes, kUuidDigits));
  if (well_formed) return Holder::kAnother;
  return Error(ErrorCode::kBadData, claim.name + " is not a slot file of this pair and epoch");
}

Status FileArbiter::link_claim(int directory, const Claim& claim) const {
  const std::string name = FTVM_TRY(private_name(claim.name));
  Status status = write_private(directory, name, claim.text);
  // An EEXIST may be the second arrival of a request whose first reply was lost: no error here.
  if (status && ::linkat(directory, name.c_str(), directory, claim.name.c_str(), 0) != 0 &&
      errno != EEXIST) {
    status = storage_error("link " + claim.name, errno);
  }
  FTVM_KILL_POINT("arbiter.link_to_read");
  // A private file that stays behind is litter, never a claim.
  ::unlinkat(directory, name.c_str(), 0);
  return status;
}

Result<FileArbiter::Holder> FileArbiter::take(int directory, const Claim& claim) const {
  // Whatever fails from here on, the slot may have been taken long ago, by us or by another: the
  // file is read in any case.
  const Status linked = link_claim(directory, claim);
  const int sync_error = ::fsync(directory) == 0 ? 0 : errno;
  const Holder holder = FTVM_TRY(read_holder(directory, claim));
  if (holder == Holder::kAnother) return holder;
  if (holder == Holder::kMe) {
    // A name that a crash of the storage could still undo is no proof. The file itself was synced
    // before it was linked.
    if (sync_error != 0) return storage_error("sync directory", sync_error);
    return holder;
  }
  if (!linked) return linked.error();
  return Error(ErrorCode::kIo, claim.name + " was linked but cannot be found");
}

SlotAnswer FileArbiter::open(const Uuid& pair, Epoch epoch, const Uuid& incarnation) {
  auto attempt = [&]() -> Result<SlotAnswer> {
    const ScopedFd directory = FTVM_TRY(open_directory(directory_));
    const Claim winner = make_claim(kWinnerKind, pair, epoch, incarnation);
    if (FTVM_TRY(read_holder(directory.get(), winner)) != Holder::kNobody) {
      reason_ = winner.name + " is already set: epoch " + std::to_string(epoch.value) + " is over";
      return SlotAnswer::kTaken;
    }
    const Claim slot = make_claim(kOpenKind, pair, epoch, incarnation);
    if (FTVM_TRY(take(directory.get(), slot)) == Holder::kMe) {
      reason_ = slot.name + " holds this incarnation";
      return SlotAnswer::kOpened;
    }
    reason_ = slot.name + " was opened by another primary of this pair";
    return SlotAnswer::kTaken;
  };
  Result<SlotAnswer> answer = attempt();
  if (answer) {
    reason_ = describe() + ": " + reason_;
    return *answer;
  }
  reason_ = answer.error().context(describe()).message();
  return SlotAnswer::kUnreachable;
}

ArbiterAnswer FileArbiter::test_and_set(const Uuid& pair, Epoch epoch, const Uuid& incarnation) {
  auto attempt = [&]() -> Result<ArbiterAnswer> {
    const ScopedFd directory = FTVM_TRY(open_directory(directory_));
    const Claim slot = make_claim(kOpenKind, pair, epoch, incarnation);
    if (FTVM_TRY(read_holder(directory.get(), slot)) == Holder::kNobody) {
      return Error(ErrorCode::kNotFound,
                   slot.name + " does not exist; is this the directory that the primary uses?");
    }
    const Claim winner = make_claim(kWinnerKind, pair, epoch, incarnation);
    if (FTVM_TRY(take(directory.get(), winner)) == Holder::kMe) {
      reason_ = winner.name + " holds this incarnation";
      return ArbiterAnswer::kWon;
    }
    reason_ = winner.name + " holds another incarnation";
    return ArbiterAnswer::kLost;
  };
  Result<ArbiterAnswer> answer = attempt();
  if (answer) {
    reason_ = describe() + ": " + reason_;
    return *answer;
  }
  reason_ = answer.error().context(describe()).message();
  return ArbiterAnswer::kUnknown;
}

}  // namespace ftvm::ftcore
