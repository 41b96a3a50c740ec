// Saving, loading and printing of model state.
#include "emulator/state.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace ftvm {
namespace {

enum class Mode : std::uint16_t { kIdle = 1, kBusy = 0x1234 };

/// One field of each kind that models use.
struct Model {
  std::uint8_t byte = 0;
  bool flag = false;
  std::int16_t negative = 0;
  Mode mode = Mode::kIdle;
  std::uint64_t wide = 0;
  Tick tick;
  GuestTime time;
  std::array<std::uint8_t, 3> bytes{};
  Bytes queue;

  bool operator==(const Model&) const = default;

  void visit_state(StateVisitor& v) {
    v.enter("model");
    v.field("byte", byte);
    v.field("flag", flag);
    v.field("negative", negative);
    v.field("mode", mode);
    v.enter("inner");
    v.field("wide", wide);
    v.field("tick", tick);
    v.leave();
    v.field("time", time);
    v.field("bytes", bytes);
    v.blob("queue", queue, 4);
    v.check("flag", !flag || byte != 0);
    v.leave();
  }
};

constexpr std::uint64_t kWide = 0x0102030405060708;
Model sample() {
  return {.byte = 0xab,
          .flag = true,
          .negative = -2,
          .mode = Mode::kBusy,
          .wide = kWide,
          .tick = Tick{5},
          .time = GuestTime::never(),
          .bytes = {1, 2, 3},
          .queue = {9, 8}};
}

Bytes save(Model model) {
  Bytes out;
  StateSaver saver(out);
  model.visit_state(saver);
  return out;
}
Status load(ByteView bytes, Model& model) {
  StateLoader loader(bytes);
  model.visit_state(loader);
  return loader.finish();
}

TEST(StateSaver, WritesFieldsLittleEndianAtTheirSizes) {
  const Bytes expected{0xab,                                            // byte
                       1,                                               // flag
                       0xfe, 0xff,                                      // negative
                       0x34, 0x12,                                      // mode
                       8,    7,    6,    5,    4,    3,    2,    1,     // wide
                       5,    0,    0,    0,    0,    0,    0,    0,     // tick
                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  // time
                       1,    2,    3,                                   // bytes
                       2,    0,    0,    0,    9,    8};                // queue
  EXPECT_EQ(save(sample()), expected);
}

TEST(StateLoader, RestoresWhatWasSaved) {
  Model model;
  const Status status = load(save(sample()), model);
  ASSERT_TRUE(status) << status.error().message();
  EXPECT_EQ(model, sample());
}

TEST(StateLoader, RefusesEveryProperPrefix) {
  const Bytes whole = save(sample());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Model model;
    const Status status = load(ByteView(whole).first(size), model);
    ASSERT_FALSE(status) << size;
    EXPECT_EQ(status.error().code(), ErrorCode::kBadData);
  }
}

TEST(StateLoader, RefusesBytesLeftOver) {
  Bytes longer = save(sample());
  longer.push_back(0);
  Model model;
  const Status status = load(longer, model);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(), "state is too long: 1 bytes left over");
}

TEST(StateLoader, RefusesABlobOverItsBoundWithoutAllocatingIt) {
  Bytes bytes = save(sample());
  const std::size_t length_at = bytes.size() - 6;
  for (std::size_t i = 0; i < 4; ++i) bytes[length_at + i] = 0xff;
  Model model;
  const Status status = load(bytes, model);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(), "model.queue: longer than it may be");
  EXPECT_TRUE(model.queue.empty());
}

TEST(StateLoader, RefusesABlobLongerThanTheRest) {
  Bytes bytes = save(sample());
  bytes[bytes.size() - 6] = 4;
  Model model;
  EXPECT_EQ(load(bytes, model).error().message(), "model.queue: state is too short");
}

TEST(StateLoader, RefusesValuesThatTheModelCannotHold) {
  Model impossible = sample();
  impossible.byte = 0;
  Model model;
  const Status status = load(save(impossible), model);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kBadData);
  EXPECT_EQ(status.error().message(), "model.flag: value out of range");
}

TEST(StateLoader, NamesTheFirstFieldThatFailedAndKeepsTheRest) {
  const Bytes whole = save(sample());
  Model model;
  model.time = GuestTime{77};
  const Status status = load(ByteView(whole).first(10), model);  // Cut inside "wide".
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(), "model.inner.wide: state is too short");
  EXPECT_EQ(model.byte, 0xab);
  EXPECT_EQ(model.time, GuestTime{77});
}

TEST(StatePrinter, ListsNestedNamesAndHexadecimalValues) {
  Model model = sample();
  StatePrinter printer;
  model.visit_state(printer);
  const auto& lines = printer.lines();
  ASSERT_EQ(lines.size(), 11u);
  EXPECT_EQ(lines[0].name, "model.byte");
  EXPECT_EQ(lines[0].value, "0xab");
  EXPECT_EQ(lines[2].value, "0xfffe");
  EXPECT_EQ(lines[4].name, "model.inner.wide");
  EXPECT_EQ(lines[4].value, "0x0102030405060708");
  EXPECT_EQ(lines[6].name, "model.time");
  EXPECT_EQ(lines[10].name, "model.queue");
  EXPECT_EQ(lines[10].value, "0908");
}

TEST(StatePrinter, ShowsThatLongBlobsDiffer) {
  Bytes a(1000, 1);
  Bytes b(1000, 1);
  b.back() = 2;
  StatePrinter printer;
  printer.blob("ram", a, 1000);
  printer.blob("ram", b, 1000);
  EXPECT_TRUE(printer.lines()[0].value.starts_with("1000 bytes, xxh128 "));
  EXPECT_NE(printer.lines()[0].value, printer.lines()[1].value);
}

TEST(StateSaverDeathTest, ABlobOverItsBoundIsOurBug) {
  Model model = sample();
  model.queue.resize(5);
  EXPECT_DEATH(save(model), "max_bytes");
}

}  // namespace
}  // namespace ftvm
