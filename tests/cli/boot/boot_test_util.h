// What the boots have in common: the guest's images, a session, and the digests that are compared.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/cli/run_ftvm.h"

namespace ftvm::test {

inline const std::string kGuest = FTVM_TEST_GUEST_DIR;

/// Boots, types one command, waits for its answer, powers off.
inline constexpr const char* kSession = R"(
wait "guest:"
send "echo 6 times 7 is $((6*7))\n"
wait "6 times 7 is 42"
wait "guest:"
send "poweroff\n"
)";

class Boot : public ::testing::Test {
 protected:
  /// The command with the guest's images behind it.
  Ran guest(std::vector<std::string> args) {
    for (const std::string& arg : {std::string("--kernel"), kGuest + "/vmlinuz",
                                   std::string("--initramfs"), kGuest + "/initramfs.cpio.gz"}) {
      args.push_back(arg);
    }
    return run_ftvm(folder_, std::move(args));
  }
  /// Records the session under the virtual clock; returns what the guest printed.
  std::string record(const std::string& journal, const std::string& session,
                     std::vector<std::string> more = {}) {
    write_text(folder_.file("session"), session);
    std::vector<std::string> args{
        "record", "--journal", journal, "--script", folder_.file("session"), "--clock", "virtual"};
    args.insert(args.end(), more.begin(), more.end());
    const Ran ran = guest(args);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return ran.out;
  }
  /// "state 0123..." of a replay's last line.
  static std::string state_of(const Ran& ran) { return between(ran.out, "; state ", "\n"); }
  /// Of the End record.
  std::string recorded_state(const std::string& journal) {
    return between(run_ftvm(folder_, {"digest", journal}).out, "all       ", "\n");
  }

  Folder folder_;
};

}  // namespace ftvm::test
