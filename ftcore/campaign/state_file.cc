#include "ftcore/campaign/state_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "emulator/base/digest.h"
#include "emulator/base/file.h"
#include "ftcore/campaign/plan_codec.h"
#include "ftcore/campaign/tally_codec.h"

namespace ftvm::ftcore::campaign {
namespace {

constexpr std::size_t kStateBytesMax = std::size_t{1} << 30;
constexpr std::string_view kFormat = "ftvm campaign 1";
constexpr std::string_view kShard = ", shard ";

Status write_line(int fd, const std::string& line) {
  const std::string whole = line + "\n";
  return write_all(fd, {reinterpret_cast<const std::uint8_t*>(whole.data()), whole.size()});
}

/// "BLOCK TALLY".
Status parse_line(std::string_view line, State* state) {
  const std::size_t space = line.find(' ');
  std::uint64_t block = 0;
  const char* end = line.data() + std::min(space, line.size());
  const auto [stopped, error] = std::from_chars(line.data(), end, block);
  if (space == std::string_view::npos || error != std::errc() || stopped != end) {
    return Error(ErrorCode::kBadData, "not the line of a block");
  }
  Tally tally = FTVM_TRY(parse_tally(line.substr(space + 1)));
  if (!state->tallies.emplace(block, std::move(tally)).second) {
    return Error(ErrorCode::kBadData, "block " + std::to_string(block) + " is there twice");
  }
  return {};
}

/// Of a heading; that of the whole campaign when it names none.
Shard shard_of(std::string_view heading) {
  const std::size_t at = heading.rfind(kShard);
  if (at == std::string_view::npos) return {};
  const std::string_view from = heading.substr(at + kShard.size());
  const Result<Shard> shard = parse_shard(from.substr(0, from.find(',')));
  return shard ? *shard : Shard{};
}

}  // namespace

std::string state_heading(const Plan& plan, Shard shard, bool program) {
  const std::string text = plan_text(plan);
  const Digest digest =
      digest_of({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  return std::string(kFormat) + ", ftvm " FTVM_VERSION ", plan " + digest.hex() +
         std::string(kShard) + shard.text() + (program ? ", rig" : "");
}

Result<State> parse_state(std::string_view text, const std::string& heading) {
  State state;
  std::size_t line = 0;
  for (;;) {
    const std::size_t end = text.find('\n', state.whole_bytes);
    if (end == std::string_view::npos) break;
    const std::string_view whole = text.substr(state.whole_bytes, end - state.whole_bytes);
    state.whole_bytes = end + 1;
    if (++line == 1) {
      if (whole == heading) continue;
      return Error(ErrorCode::kMismatch, "this is '" + std::string(whole.substr(0, 200)) +
                                             "', and not '" + heading + "'");
    }
    Status parsed = parse_line(whole, &state);
    if (!parsed) return parsed.error().context("line " + std::to_string(line));
  }
  if (line == 0) return Error(ErrorCode::kBadData, "has no heading");
  return state;
}

Result<State> read_any_shard(const std::string& path, const Plan& plan, bool program) {
  const Bytes bytes = FTVM_TRY(read_file(path, kStateBytesMax));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const Shard shard = shard_of(text.substr(0, text.find('\n')));
  Result<State> state = parse_state(text, state_heading(plan, shard, program));
  if (!state) return state.error().context(path);
  return state;
}

Result<StateFile> StateFile::create(const std::string& path, const std::string& heading,
                                    bool overwrite) {
  const int mode = overwrite ? O_TRUNC : O_EXCL;
  ScopedFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | mode, 0644));
  if (!fd && errno == EEXIST) {
    return Error(ErrorCode::kUsage, path +
                                        ": a campaign was begun here; go on with --resume, or "
                                        "begin anew with --overwrite");
  }
  if (!fd) return error_from_errno(path);
  Status written = write_line(fd.get(), heading);
  if (!written) return written.error().context(path);
  return StateFile(std::move(fd));
}

Result<StateFile> StateFile::resume(const std::string& path, const std::string& heading,
                                    std::map<std::uint64_t, Tally>* tallies) {
  const Bytes bytes = FTVM_TRY(read_file(path, kStateBytesMax));
  Result<State> state =
      parse_state({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, heading);
  if (!state) return state.error().context(path);
  *tallies = std::move(state->tallies);
  ScopedFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_APPEND));
  if (!fd) return error_from_errno(path);
  // What was not written whole goes: the next line begins at the beginning of one.
  if (::ftruncate(fd.get(), static_cast<off_t>(state->whole_bytes)) != 0) {
    return error_from_errno(path);
  }
  return StateFile(std::move(fd));
}

Status StateFile::append(std::uint64_t block, const Tally& tally) {
  return write_line(fd_.get(), std::to_string(block) + " " + tally_json(tally));
}

}  // namespace ftvm::ftcore::campaign
