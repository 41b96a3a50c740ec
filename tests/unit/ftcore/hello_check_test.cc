// What two nodes must have in common, field by field. What follows a refusal is the sessions' test.
#include "ftcore/protocol/hello_check.h"

#include <gtest/gtest.h>

#include <functional>

namespace ftvm::ftcore {
namespace {

Uuid uuid(std::uint8_t fill) {
  Uuid id;
  id.bytes.fill(fill);
  return id;
}
Hello hello(std::uint8_t incarnation) {
  Hello said;
  said.incarnation = uuid(incarnation);
  said.identity.board = "pc";
  said.arbiter = "file:/shared";
  return said;
}

TEST(HelloCheck, AcceptsATwin) {
  EXPECT_TRUE(check_hello(hello(1), hello(2)).has_value());
}

TEST(HelloCheck, NamesTheFieldThatDiffers) {
  struct Case {
    const char* name;
    std::function<void(Hello&)> change;
  };
  const Case cases[] = {
      {"protocol version", [](Hello& h) { h.protocol_version = 99; }},
      {"incarnation", [](Hello& h) { h.incarnation = {}; }},
      {"itself", [](Hello& h) { h.incarnation = uuid(2); }},
      {"board", [](Hello& h) { h.identity.board = "toaster"; }},
      {"start record", [](Hello& h) { h.start_seq = {7}; }},
      {"start snapshot", [](Hello& h) { h.start_snapshot.words[0] = 1; }},
      {"arbiter", [](Hello& h) { h.arbiter = "file:/elsewhere"; }},
  };
  for (const Case& c : cases) {
    Hello theirs = hello(1);
    c.change(theirs);
    const Status status = check_hello(theirs, hello(2));
    ASSERT_FALSE(status.has_value()) << c.name;
    EXPECT_EQ(status.error().code(), ErrorCode::kMismatch) << c.name;
    EXPECT_NE(status.error().message().find(c.name), std::string::npos) << status.error().message();
  }
}

TEST(HelloCheck, ATimeOfDayIsTakenOrComparedButNeverIgnored) {
  Hello mine = hello(2);
  mine.identity.boot_unix_s = 1'700'000'000;
  Hello theirs = hello(1);
  theirs.takes_time = true;
  EXPECT_TRUE(check_hello(theirs, mine).has_value());
  theirs.identity.board = "toaster";
  EXPECT_FALSE(check_hello(theirs, mine).has_value()) << "the rest is compared all the same";
  theirs = hello(1);
  theirs.identity.boot_unix_s = 1'700'000'001;
  const Status status = check_hello(theirs, mine);
  ASSERT_FALSE(status.has_value());
  EXPECT_NE(status.error().message().find("boot_unix_s is 1700000001 there and 1700000000 here"),
            std::string::npos)
      << status.error().message();
  theirs.identity.boot_unix_s = 1'700'000'000;
  EXPECT_TRUE(check_hello(theirs, mine).has_value());
}

TEST(HelloCheck, LooksAtTheVersionFirst) {
  Hello theirs = hello(1);
  theirs.protocol_version = kProtocolVersion + 1;
  theirs.identity.board = "unreadable in this version";
  EXPECT_NE(check_hello(theirs, hello(2)).error().message().find("protocol version"),
            std::string::npos);
}

TEST(WelcomeCheck, RefusesWhatItCanNotWorkWith) {
  Welcome good;
  good.pair = uuid(1);
  good.session = uuid(2);
  good.incarnation = uuid(3);
  good.epoch = {1};
  EXPECT_TRUE(check_welcome(good).has_value());
  const std::function<void(Welcome&)> changes[] = {
      [](Welcome& w) { w.pair = {}; },        [](Welcome& w) { w.session = {}; },
      [](Welcome& w) { w.incarnation = {}; }, [](Welcome& w) { w.epoch = {}; },
      [](Welcome& w) { w.detection_ms = 1; }, [](Welcome& w) { w.detection_ms = 3'600'000; },
      [](Welcome& w) { w.heartbeat_ms = 0; }, [](Welcome& w) { w.heartbeat_ms = 150; },
  };
  for (const auto& change : changes) {
    Welcome bad = good;
    change(bad);
    EXPECT_EQ(check_welcome(bad).error().code(), ErrorCode::kBadData);
  }
}

TEST(Uuid, IsWrittenAsThirtyTwoDigits) {
  EXPECT_EQ(uuid(0xa5).hex(), "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5");
  EXPECT_TRUE(Uuid{}.is_zero());
}

}  // namespace
}  // namespace ftvm::ftcore
