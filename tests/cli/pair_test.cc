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

TEST_F(CliPair, WhatTheClientHasShownTheBackupForgets) {
  start_pair("l");
  const auto kept = [](const nlohmann::json& status) {
    return status["outputs_forgotten"] > 20 && status["outputs_held"] < 20;
  };
  ASSERT_TRUE(until("backup", kept));
  EXPECT_GT(status("backup")["confirmed"], 20);
  EXPECT_EQ(status("primary")["outputs_forgotten"], 0) << "a primary forgets nothing";

  // With nobody to confirm them the outputs are kept: a takeover repeats them.
  client_->signal(SIGTERM);
  client_->wait();
  const auto held = [](int count) {
    return [count](const nlohmann::json& status) { return status["outputs_held"] > count; };
  };
  ASSERT_TRUE(until("backup", held(20)));
  const auto confirmed = status("primary")["confirmed"];
  ASSERT_TRUE(until("backup", held(60)));
  EXPECT_EQ(status("primary")["confirmed"], confirmed);
  primary_->signal(SIGKILL);
  ASSERT_TRUE(until_role("backup", "lone"));
  EXPECT_GT(status("backup")["outputs_released"], 60);
  start_client();
  ASSERT_TRUE(client_->prints("line 00000001\n")) << "the ring still has it all";
  client_->type("q");
  EXPECT_EQ(backup_->wait().exit, 0);
}

}  // namespace
}  // namespace ftvm::test
