// Pairs of real processes with a guest that is ready at once: what their users see.
#include <gmock/gmock.h>

#include "tests/cli/pair_process.h"

namespace ftvm::test {
namespace {

using ::testing::HasSubstr;

using CliPair = PairProcesses;

TEST_F(CliPair, TheConsoleGoesOnWhenThePrimaryIsKilled) {
  start_pair("e");
  client_->type("one.");
  ASSERT_TRUE(client_->prints("one."));
  ASSERT_TRUE(until_role("backup", "backup"));
  primary_->signal(SIGKILL);
  client_->type("two.");
  ASSERT_TRUE(client_->prints("one.two."));
  client_->type("q");
  const Ran backup = backup_->wait();
  EXPECT_EQ(backup.exit, 0) << backup.err;
  EXPECT_THAT(backup.err, HasSubstr("backup ended: power_off"));
  EXPECT_EQ(primary_->wait().exit, 128 + SIGKILL);
}

}  // namespace
}  // namespace ftvm::test
