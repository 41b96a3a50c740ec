// Linux with the most RAM that a machine can have.
#include <gmock/gmock.h>

#include "tests/cli/boot/boot_test_util.h"

namespace ftvm::test {
namespace {

/// Fills a file in RAM beyond 2 GiB and reads its end.
constexpr const char* kFill = R"(
wait "guest:"
send "grep MemTotal /proc/meminfo\n"
wait "kB"
wait "guest:"
send "mkdir /mnt; mount -t tmpfs -o size=2200m none /mnt; dd if=/dev/zero of=/mnt/file bs=1M count=2100\n"
wait "2100+0 records out"
wait "guest:"
send "echo the end >> /mnt/file; stat -c %s /mnt/file; tail -c 8 /mnt/file | md5sum\n"
wait "  -"
wait "guest:"
send "poweroff\n"
)";

TEST_F(Boot, ThreeGibibytesOfRamAreThere) {
  const std::string printed = record(folder_.file("large.ftj"), kFill, {"--ram", "3072"});
  EXPECT_GT(std::stoull(between(printed, "MemTotal:", "kB")), 2'950'000u);
  EXPECT_THAT(printed, ::testing::HasSubstr("\n2202009608\r"));
  EXPECT_THAT(printed, ::testing::HasSubstr("622907ec0b3124f23e40a5914cd66daa  -"));
}

}  // namespace
}  // namespace ftvm::test
