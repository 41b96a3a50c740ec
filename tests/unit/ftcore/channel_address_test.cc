// Addresses as users write them, and the key that lets one leave the machine.
#include "ftcore/transport/channel_address.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <map>
#include <string>

#include "ftcore/transport/secret.h"
#include "tests/unit/ftcore/transport_test_util.h"

namespace ftvm::ftcore {
namespace {

SecretKey test_secret(std::uint8_t fill) {
  SecretKey key;
  key.bytes.fill(fill);
  return key;
}

TEST(PairKey, BothSidesAndEveryKeyHaveTheirOwnPairOfKeys) {
  std::map<std::array<std::uint8_t, 32>, int> seen;
  for (const std::uint8_t fill : {std::uint8_t{1}, std::uint8_t{2}}) {
    for (const CurveSide side : {CurveSide::kServer, CurveSide::kClient}) {
      const CurveKeys keys = derive_curve_keys(test_secret(fill), side);
      EXPECT_EQ(keys.public_key, derive_curve_keys(test_secret(fill), side).public_key);
      ++seen[keys.public_key];
      ++seen[keys.secret_key.bytes];
    }
  }
  EXPECT_EQ(seen.size(), 8u);
}

TEST(KeyFile, IsMadeForTheOwnerAloneAndReadBack) {
  TempDir folder;
  const std::string path = folder.file("key");
  ASSERT_TRUE(create_pair_key_file(path).has_value());
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto key = load_pair_key(path);
  ASSERT_TRUE(key.has_value()) << key.error().message();
  EXPECT_NE(key->bytes, SecretKey().bytes);
  EXPECT_EQ(read_text(path).size(), 65u);

  const Status again = create_pair_key_file(path);
  EXPECT_EQ(again.error().code(), ErrorCode::kUsage);
  EXPECT_EQ(load_pair_key(path)->bytes, key->bytes) << "an old key must not be overwritten";
  ASSERT_TRUE(create_pair_key_file(folder.file("other")).has_value());
  EXPECT_NE(load_pair_key(folder.file("other"))->bytes, key->bytes);
}

TEST(KeyFile, AnythingElseIsRefusedByName) {
  TempDir folder;
  const std::string path = folder.file("key");
  EXPECT_EQ(load_pair_key(path).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(create_pair_key_file(folder.file("no/key")).error().code(), ErrorCode::kNotFound);
  const std::string digits(64, 'a');
  write_text(path, digits);
  ::chmod(path.c_str(), 0640);
  EXPECT_NE(load_pair_key(path).error().message().find("chmod 600"), std::string::npos);
  ::chmod(path.c_str(), 0600);
  EXPECT_TRUE(load_pair_key(path).has_value());
  for (const std::string& text :
       {std::string(), digits.substr(1), digits + "a", digits + "\n\n", digits.substr(1) + "g",
        digits.substr(1) + "\n", std::string(100'000, 'a')}) {
    write_text(path, text);
    const auto key = load_pair_key(path);
    ASSERT_FALSE(key.has_value()) << text.size();
    EXPECT_EQ(key.error().code(), ErrorCode::kUsage);
    EXPECT_NE(key.error().message().find("64 hex digits"), std::string::npos);
  }
}

// --------------------------------------------------------------------------------- addresses

TEST(ChannelAddress, ReadsWhatUsersWrite) {
  const std::map<std::string, std::string> cases{
      {"127.0.0.1:7000", "tcp://127.0.0.1:7000"},
      {"tcp://10.0.0.1:1", "tcp://10.0.0.1:1"},
      {"[::1]:7000", "tcp://[::1]:7000"},
      {"localhost:7", "tcp://127.0.0.1:7"},
      {"*:0", "tcp://0.0.0.0:0"},
      {"host-a.example_1:65535", "tcp://host-a.example_1:65535"},
      {"ipc:///run/x", "ipc:///run/x"}};
  for (const auto& [text, canonical] : cases) {
    const auto address = parse_channel_address(text);
    ASSERT_TRUE(address.has_value()) << address.error().message();
    EXPECT_EQ(address->text(), canonical);
    EXPECT_EQ(*parse_channel_address(canonical), *address);
  }
}

TEST(ChannelAddress, RefusesTheRest) {
  for (const std::string text :
       {"",           "host",      ":1",         "host:",       "host:x",
        "host:65536", "host:-1",   "host: 1",    "ho st:1",     "::1:1",
        "[::1:1",     "[host]:1",  "[]:1",       "ipc://",      "ipc://@abstract",
        "ipc://*",    "udp://x:1", "inproc://x", "tcp://a;b:1", "host:1x"}) {
    const auto address = parse_channel_address(text);
    ASSERT_FALSE(address.has_value()) << text;
    EXPECT_EQ(address.error().code(), ErrorCode::kUsage);
  }
  EXPECT_FALSE(parse_channel_address("ipc://" + std::string(200, 'x')).has_value());
}

TEST(ChannelAddress, OnlyThisMachineIsAllowedWithoutAKey) {
  for (const char* text : {"127.0.0.1:1", "127.255.0.9:1", "[::1]:1", "ipc:///x", "localhost:1"}) {
    EXPECT_TRUE(check_exposure(*parse_channel_address(text), false, false).has_value()) << text;
  }
  for (const char* text : {"*:1", "0.0.0.0:1", "10.0.0.1:1", "128.0.0.1:1", "[::]:1", "[fe80::1]:1",
                           "[::ffff:10.0.0.1]:1", "loopback.example:1"}) {
    const ChannelAddress address = *parse_channel_address(text);
    const Status status = check_exposure(address, false, false);
    ASSERT_FALSE(status.has_value()) << text;
    EXPECT_EQ(status.error().code(), ErrorCode::kUsage);
    EXPECT_NE(status.error().message().find("--insecure"), std::string::npos);
    EXPECT_TRUE(check_exposure(address, true, false).has_value());
    EXPECT_TRUE(check_exposure(address, false, true).has_value());
  }
}

}  // namespace
}  // namespace ftvm::ftcore
