#include "replay/journal_writer.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/file.h"
#include "replay/compress.h"
#include "replay/header_codec.h"
#include "replay/record_check.h"

namespace ftvm::replay {
namespace {

constexpr mode_t kMode = 0600;  // A journal holds the entropy seed and all that was typed.

/// The disk is asked for room in steps of this size.
constexpr std::uint64_t kReserveStepBytes = 256 << 10;

/// Room that only the end of the journal may use: a batch with the End record alone, and the end
/// frame.
constexpr std::uint64_t kEndRoomBytes = 256;
static_assert(2 * kFrameOverheadBytes + kBatchOverheadMax + 64 + kJournalEndBytes <= kEndRoomBytes);

int fallocate_retried(int fd, std::uint64_t from, std::uint64_t to) {
  int result = -1;
  do {
    result = ::fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
                         static_cast<off_t>(to - from));
  } while (result != 0 && errno == EINTR);
  return result;
}

/// A write over the process's limit for file sizes fails like any other; for us it is a full disk.
bool over_file_size_limit(std::uint64_t size_bytes) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
  return size_bytes > limit.rlim_cur;
}

/// Special files (/dev/full, a pipe) cannot be synced; that is no failure.
Status sync(int fd) {
  if (::fsync(fd) == 0 || errno == EINVAL || errno == EROFS) return {};
  return error_from_errno("sync");
}

}  // namespace

JournalWriter::JournalWriter(const Options& options, const JournalHeader& header, ScopedFd fd)
    : options_(options),
      fd_(std::move(fd)),
      last_seq_(header.start_seq),
      last_tick_(header.start),
      written_seq_(header.start_seq),
      written_tick_(header.start) {}

Result<std::unique_ptr<JournalWriter>> JournalWriter::create(const Options& options,
                                                             const JournalHeader& header) {
  const int how = O_WRONLY | O_CREAT | O_CLOEXEC | (options.overwrite ? O_TRUNC : O_EXCL);
  ScopedFd fd(::open(options.path.c_str(), how, kMode));
  if (!fd && errno == EEXIST) {
    return Error(ErrorCode::kUsage, options.path + ": the file exists and is not overwritten");
  }
  if (!fd) return error_from_errno("create " + options.path);
  struct stat what {};
  const bool regular = ::fstat(fd.get(), &what) == 0 && S_ISREG(what.st_mode);
  // An overwritten file may have been readable by others.
  if (regular && ::fchmod(fd.get(), kMode) != 0) return error_from_errno("chmod " + options.path);
  std::unique_ptr<JournalWriter> writer(new JournalWriter(options, header, std::move(fd)));
  const Bytes payload = encode_header(header);
  FTVM_TRY(writer->reserve(payload.size() + kFrameOverheadBytes + kEndRoomBytes));
  FTVM_TRY(writer->write_frame(FrameType::kJournalHeader, payload, 0));
  return writer;
}

JournalWriter::~JournalWriter() {
  if (!closed_) (void)end();
}

Error JournalWriter::fail(Error error) {
  error.context(options_.path);
  failed_ = error;
  return error;
}

Status JournalWriter::reserve(std::uint64_t bytes) {
  const std::uint64_t need = size_bytes_ + bytes;
  if (options_.bytes_max != 0 && need > options_.bytes_max) {
    return Error(ErrorCode::kNoSpace, options_.path +
                                          ": the journal would grow over its limit of " +
                                          std::to_string(options_.bytes_max) + " bytes");
  }
  if (!can_reserve_ || need <= reserved_bytes_) return {};
  const std::uint64_t from = std::max(reserved_bytes_, size_bytes_);
  std::uint64_t to = need + kReserveStepBytes;
  int result = fallocate_retried(fd_.get(), from, to);
  if (result != 0 && (errno == ENOSPC || errno == EDQUOT)) {
    to = need;
    result = fallocate_retried(fd_.get(), from, to);
  }
  if (result == 0) {
    reserved_bytes_ = to;
    return {};
  }
  if (errno == ENOSPC || errno == EDQUOT) return error_from_errno(options_.path);
  can_reserve_ = false;  // Not offered here: a full disk will show when writing.
  return {};
}

Status JournalWriter::append(const Record& record) {
  FTVM_ASSERT(!closed_);
  FTVM_ASSERT(!end_state_);
  // First: the record whose batch could not be written was counted here and refused to the caller.
  if (failed_) return *failed_;
  FTVM_ASSERT(record.seq == last_seq_.next());
  FTVM_ASSERT(record.at >= last_tick_);
  Status fit = check_record(record);
  if (!fit) {
    return std::move(fit.error().context("record " + std::to_string(record.seq.value)));
  }
  const auto* end = std::get_if<End>(&record.body);
  const std::size_t batch_bytes = batch_bytes_ + encoded_bytes_max(record);
  // An End may use the room that is kept for it, so only the end frame is asked for on top.
  const std::uint64_t after =
      end != nullptr ? kFrameOverheadBytes + kJournalEndBytes : kEndRoomBytes;
  FTVM_TRY(reserve(kFrameOverheadBytes + kBatchOverheadMax + batch_bytes + after));
  batch_.push_back(record);
  batch_bytes_ = batch_bytes;
  last_seq_ = record.seq;
  last_tick_ = record.at;
  ++record_count_;
  if (end != nullptr) end_state_ = end->state;
  const bool full = batch_bytes_ >= kBatchBytes || batch_.size() == kBatchRecordsMax;
  if (full || std::holds_alternative<DigestMark>(record.body)) return flush();
  return {};
}

Status JournalWriter::flush() {
  if (failed_) return *failed_;
  if (batch_.empty()) return {};
  Bytes payload = encode_records(batch_);
  std::uint8_t flags = 0;
  batch_.clear();
  batch_bytes_ = 0;
  if (options_.compress) {
    Bytes packed = compress(payload);
    if (packed.size() < payload.size()) {
      payload = std::move(packed);
      flags = kFrameZstd;
    }
  }
  FTVM_TRY(write_frame(FrameType::kRecords, payload, flags));
  written_seq_ = last_seq_;
  written_tick_ = last_tick_;
  return {};
}

Status JournalWriter::write_frame(FrameType type, ByteView payload, std::uint8_t flags) {
  Bytes frame;
  append_frame(frame, type, payload, flags);
  Status written = write_all(fd_.get(), frame);
  if (written) {
    size_bytes_ += frame.size();
    return {};
  }
  // Part of the frame may be there. Cutting needs no room, so the file is whole again.
  const auto whole = static_cast<off_t>(size_bytes_);
  if (::ftruncate(fd_.get(), whole) == 0) (void)::lseek(fd_.get(), whole, SEEK_SET);
  if (written.error().code() == ErrorCode::kIo &&
      over_file_size_limit(size_bytes_ + frame.size())) {
    return fail(Error(ErrorCode::kNoSpace, "the limit for file sizes (ulimit -f) is reached"));
  }
  return fail(written.error());
}

Status JournalWriter::end() {
  if (closed_) return failed_ ? Status(*failed_) : Status();
  closed_ = true;
  FTVM_TRY(flush());
  if (end_state_) {
    const JournalEnd end{record_count_, last_seq_, last_tick_, *end_state_};
    FTVM_TRY(write_frame(FrameType::kJournalEnd, encode_end(end), 0));
  }
  // Gives back what was reserved and not used. A special file has nothing to give.
  if (can_reserve_ && ::ftruncate(fd_.get(), static_cast<off_t>(size_bytes_)) != 0) {
    return fail(error_from_errno("truncate"));
  }
  Status synced = sync(fd_.get());
  if (!synced) return fail(synced.error());
  return {};
}

}  // namespace ftvm::replay
