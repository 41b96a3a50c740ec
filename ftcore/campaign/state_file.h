// What a campaign has done, in a file that it goes on from: a first line that says which campaign
// it is, then a line for each block that is done. Whatever breaks a campaign off costs the blocks
// that were under way, and a line that was not written whole is as good as none.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "emulator/base/result.h"
#include "emulator/base/scoped_fd.h"
#include "ftcore/campaign/plan.h"
#include "ftcore/campaign/shard.h"
#include "ftcore/campaign/tally.h"

namespace ftvm::ftcore::campaign {

/// Which campaign it is: plan, shard, and the program that ran it.
std::string state_heading(const Plan& plan, Shard shard, bool program);

struct State {
  std::map<std::uint64_t, Tally> tallies;  // By block.
  std::size_t whole_bytes = 0;             // Up to the last whole line.
};
/// Errors: kMismatch when it is another campaign's; kBadData with the line.
Result<State> parse_state(std::string_view text, const std::string& heading);

/// What any shard of the campaign has done, in the file of its folder. Errors: kNotFound, kIo, and
/// those of parse_state().
Result<State> read_any_shard(const std::string& path, const Plan& plan, bool program);

class StateFile {
 public:
  /// A new file. Errors: kUsage when it exists and may not be replaced; kNoSpace, kIo.
  static Result<StateFile> create(const std::string& path, const std::string& heading,
                                  bool overwrite);
  /// One that is there; what it holds goes to `tallies`. Errors: kNotFound, kIo, and those of
  /// parse_state().
  static Result<StateFile> resume(const std::string& path, const std::string& heading,
                                  std::map<std::uint64_t, Tally>* tallies);
  /// Errors: kNoSpace, kIo.
  Status append(std::uint64_t block, const Tally& tally);

 private:
  explicit StateFile(ScopedFd fd) : fd_(std::move(fd)) {}
  ScopedFd fd_;
};

}  // namespace ftvm::ftcore::campaign
