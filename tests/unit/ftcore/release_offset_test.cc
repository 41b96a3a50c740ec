// Where in the console's stream a node begins to give out.
#include "ftcore/node/release_offset.h"

#include <gtest/gtest.h>

#include <string_view>

namespace ftvm::ftcore {
namespace {

Output console(std::string_view text) {
  return {.at = {}, .endpoint = Endpoint::kConsole, .bytes = {text.begin(), text.end()}};
}
const Output kDebugOutput{.at = {}, .endpoint = Endpoint::kDebug, .bytes = {1, 2, 3}};

TEST(ReleaseOffset, APrimarysIsWhereItsMachineStood) {
  ReleaseOffset offset(false);
  offset.start(100);
  offset.emitted(console("abc"));
  offset.decided(Release{{console("abc")}});
  EXPECT_EQ(offset.first(), 100u);
}

TEST(ReleaseOffset, ABackupsFirstReleaseEndsWhereItsMachineStands) {
  ReleaseOffset offset(true);
  offset.start(100);
  offset.emitted(console("abcde"));  // Forgotten: the console's client has it.
  offset.emitted(console("fg"));
  offset.emitted(kDebugOutput);  // Not of the stream.
  offset.decided(GoLive{Epoch{1}});
  offset.decided(Release{{console("fg"), kDebugOutput}});
  EXPECT_EQ(offset.first(), 105u);
  // What is decided later begins where that ended.
  offset.emitted(console("h"));
  offset.decided(Release{{console("h")}});
  EXPECT_EQ(offset.first(), 105u);
}

TEST(ReleaseOffset, WhatIsPrintedAfterTheDecisionIsBehindIt) {
  ReleaseOffset offset(true);
  offset.emitted(console("ab"));
  offset.decided(Release{{console("ab")}});
  offset.emitted(console("cd"));
  EXPECT_EQ(offset.first(), 0u);
}

}  // namespace
}  // namespace ftvm::ftcore
