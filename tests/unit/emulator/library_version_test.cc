// Which versions of the library which engine takes.
#include <gmock/gmock.h>
#include <unicorn/unicorn.h>

#include "emulator/unicorn/unicorn_cpu.h"

namespace ftvm::unicorn {
namespace {

using ::testing::HasSubstr;

std::string refusal(EngineKind engine, unsigned version) {
  const Status checked = check_library_version(engine, version);
  return checked ? "" : checked.error().message();
}

TEST(LibraryVersion, AnOldOneIsRefusedByName) {
  for (const EngineKind engine : {EngineKind::kPortable, EngineKind::kAccelerated}) {
    EXPECT_THAT(refusal(engine, 0x02'01'03'ff), HasSubstr("libunicorn 2.1.3 is too old"));
    EXPECT_EQ(refusal(engine, 0x02'01'04'ff), "");
  }
}

TEST(LibraryVersion, ANewerOneIsForThePortableEngineOnly) {
  for (const unsigned version : {0x02'01'05'00u, 0x02'02'04'00u, 0x03'01'04'00u}) {
    EXPECT_EQ(refusal(EngineKind::kPortable, version), "");
    EXPECT_THAT(refusal(EngineKind::kAccelerated, version),
                HasSubstr("proved on libunicorn 2.1.4, this is libunicorn "));
  }
}

TEST(LibraryVersion, TheOneOfTheseTestsIsForBoth) {
  EXPECT_EQ(refusal(EngineKind::kAccelerated, uc_version(nullptr, nullptr)), "");
}

}  // namespace
}  // namespace ftvm::unicorn
