// The lengths that decode.h finds against those that the library finds: the accelerated engine
// notes them while it translates. What ends a block for being invalid has no length that would
// matter.
#include <gtest/gtest.h>

#include <iomanip>
#include <sstream>
#include <string>
#include <vector>

#include "emulator/base/prng.h"
#include "emulator/unicorn/accelerated_cpu.h"
#include "emulator/unicorn/decode.h"
#include "tests/unit/emulator/unicorn_fixture.h"

namespace ftvm::unicorn {
namespace {

constexpr CodeSize kSizes[] = {CodeSize::k64, CodeSize::k32, CodeSize::k16};

std::string hex(ByteView code) {
  std::ostringstream text;
  for (const std::uint8_t byte : code)
    text << std::hex << std::setw(2) << std::setfill('0') << +byte << " ";
  return text.str();
}

/// Translates pieces of code, each somewhere else.
class Library {
 public:
  explicit Library(CodeSize size) : size_(size) {
    const Status created = cpu_.create({.engine = EngineKind::kAccelerated});
    FTVM_ASSERT(created.has_value());
    test::enter(size_, at_, memory_, cpu_);
  }

  /// Compares a block that begins with `code`.
  void measure(ByteView code) {
    if (at_ + 2 * kRoomBytes > memory_.size_bytes() || ++measured_ > kTranslationsMax) start_over();
    at_ += kRoomBytes;
    std::uint8_t* bytes = memory_.data() + at_;
    constexpr std::uint8_t kNop = 0x90, kRet = 0xc3;
    std::fill(bytes, bytes + kRoomBytes, kNop);
    std::copy(code.begin(), code.end(), bytes);
    bytes[code.size() + kInstructionBytesMax] = kRet;
    const Bytes lengths = cpu_.translate(at_);
    ASSERT_FALSE(lengths.empty()) << hex(code);
    std::size_t offset = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i, offset += lengths[i - 1]) {
      const ByteView here(bytes + offset, kInstructionBytesMax);
      if (i + 1 == lengths.size() && !ends_blocks(here)) break;
      ++compared_;
      ASSERT_EQ(instruction_length(here, size_), lengths[i])
          << "instruction " << i << " of " << hex({bytes, kRoomBytes}) << "in code of size "
          << static_cast<int>(size_);
    }
  }
  [[nodiscard]] std::uint64_t compared() const { return compared_; }

 private:
  static constexpr std::uint64_t kRoomBytes = 64, kBegin = 0x100000;
  static constexpr std::uint64_t kTranslationsMax = 20'000;  // What the library has room for.

  void start_over() {
    cpu_.reset();
    at_ = kBegin;
    measured_ = 0;
    test::enter(size_, at_, memory_, cpu_);
  }
  /// INT n, whose length counts, and repeated strings: valid, and the last of their block.
  [[nodiscard]] bool ends_blocks(ByteView here) const {
    return here[0] == 0xcc || here[0] == 0xcd || parse_rep_string(here, size_).has_value();
  }

  CodeSize size_;
  test::EmptyBus bus_;
  GuestMemory memory_ = test::small_memory();
  AcceleratedCpu cpu_{memory_, bus_};
  std::uint64_t at_ = kBegin;
  std::uint64_t measured_ = 0;
  std::uint64_t compared_ = 0;
};

TEST(InstructionLength, IsTheLibrarysForEveryOpcodeUnderEveryPrefix) {
  const std::vector<Bytes> prefixes{{},           {0x66},       {0x67},       {0xf0},       {0xf2},
                                    {0xf3},       {0x64},       {0x66, 0xf2}, {0xf0, 0x66}, {0x48},
                                    {0x48, 0x66}, {0x66, 0x48}, {0xf3, 0x4f}, {0x67, 0x41}};
  const std::vector<Bytes> maps{{}, {0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};
  Prng random(1);
  for (const CodeSize size : kSizes) {
    Library library(size);
    for (const Bytes& map : maps) {
      for (unsigned opcode = 0; opcode < 256; ++opcode) {
        for (const Bytes& prefix : prefixes) {
          for (int i = 0; i < 3; ++i) {
            Bytes code = prefix;
            code.insert(code.end(), map.begin(), map.end());
            code.push_back(static_cast<std::uint8_t>(opcode));
            for (int j = 0; j < 3; ++j) code.push_back(static_cast<std::uint8_t>(random.next()));
            library.measure(code);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
    EXPECT_GT(library.compared(), 100'000u);
  }
}

TEST(InstructionLength, IsTheLibrarysForRandomBytes) {
  Prng random(2);
  for (const CodeSize size : kSizes) {
    Library library(size);
    for (int i = 0; i < 20'000; ++i) {
      Bytes code(1 + random.below(24));
      for (std::uint8_t& byte : code) byte = static_cast<std::uint8_t>(random.next());
      library.measure(code);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(CountInstructions, CountsWhatBeginsBeforeAnOffset) {
  const Bytes code{0x90, 0x48, 0x89, 0xc8, 0xb8, 1, 0, 0, 0, 0xc3};  // NOP, MOV, MOV, RET
  EXPECT_EQ(count_instructions(code, 0, CodeSize::k64), 0u);
  EXPECT_EQ(count_instructions(code, 1, CodeSize::k64), 1u);
  EXPECT_EQ(count_instructions(code, 4, CodeSize::k64), 2u);
  EXPECT_EQ(count_instructions(code, 9, CodeSize::k64), 3u);
  EXPECT_EQ(last_instruction_length(code, CodeSize::k64), 1u);
  EXPECT_EQ(last_instruction_length(ByteView(code).first(9), CodeSize::k64), 5u);
}

TEST(RepString, IsFoundBehindAnyPrefix) {
  const auto rep = parse_rep_string(Bytes{0x66, 0xf3, 0x48, 0xa5}, CodeSize::k64);
  ASSERT_TRUE(rep.has_value());
  EXPECT_EQ(rep->length_bytes, 4u);
  EXPECT_FALSE(rep->compares);
  EXPECT_EQ(rep->count_mask, ~0ull);
  EXPECT_FALSE(parse_rep_string(Bytes{0xa5}, CodeSize::k64));
  EXPECT_FALSE(parse_rep_string(Bytes{0xf3, 0x90}, CodeSize::k64));
  const auto scan = parse_rep_string(Bytes{0xf3, 0xf2, 0x67, 0xae}, CodeSize::k32);
  ASSERT_TRUE(scan.has_value());
  EXPECT_TRUE(scan->compares);
  EXPECT_FALSE(scan->while_equal);  // REPNE wins.
  EXPECT_EQ(scan->count_mask, 0xffffu);
}

TEST(PortAccess, KnowsSizeAndPort) {
  EXPECT_EQ(parse_port_access(Bytes{0xe6, 0x80}, CodeSize::k64)->port, 0x80);
  EXPECT_EQ(parse_port_access(Bytes{0x66, 0xef}, CodeSize::k64)->size_bytes, 2u);
  EXPECT_EQ(parse_port_access(Bytes{0xef}, CodeSize::k16)->size_bytes, 2u);
  EXPECT_TRUE(parse_port_access(Bytes{0xf3, 0x6e}, CodeSize::k64)->repeated);
  EXPECT_FALSE(parse_port_access(Bytes{0x90}, CodeSize::k64));
}

TEST(StandIn, IsFoundOnlyWhereAnInstructionBegins) {
  EXPECT_TRUE(holds_stand_in(Bytes{0x90, 0x0f, 0x32}, CodeSize::k64, false));
  EXPECT_FALSE(holds_stand_in(Bytes{0xb8, 0x0f, 0x32, 0, 0}, CodeSize::k64, false));
  EXPECT_TRUE(holds_stand_in(Bytes{0x90, 0xe6, 0x80}, CodeSize::k64, true));
  EXPECT_FALSE(holds_stand_in(Bytes{0x90, 0xe6, 0x80}, CodeSize::k64, false));
}

TEST(Decode, KnowsWhatMayLeadToItself) {
  for (const Bytes& code :
       {Bytes{0xeb, 0xfe}, Bytes{0xe8, 0xfb, 0xff, 0xff, 0xff}, Bytes{0xe2, 0xfe}, Bytes{0xc3},
        Bytes{0x0f, 0x84, 0, 0, 0, 0}, Bytes{0xff, 0xe0}, Bytes{0x41, 0xff, 0xd0},
        Bytes{0xf3, 0xa4}, Bytes{0x0f, 0x05}, Bytes{0x48, 0xcf}}) {
    EXPECT_TRUE(may_lead_to_itself(code, CodeSize::k64)) << int{code[0]};
  }
  for (const Bytes& code : {Bytes{0x48, 0x01, 0x07}, Bytes{0x50}, Bytes{0xff, 0x30}, Bytes{0xa4},
                            Bytes{0x0f, 0xb0, 0x07}, Bytes{0x90}}) {
    EXPECT_FALSE(may_lead_to_itself(code, CodeSize::k64)) << int{code[0]};
  }
}

TEST(RefusedOpcode, IsABitTestOfARegisterWithLock) {
  EXPECT_EQ(refused_opcode(Bytes{0xf0, 0x0f, 0xbb, 0xde}, CodeSize::k64), 2u);
  EXPECT_EQ(refused_opcode(Bytes{0x66, 0xf0, 0x41, 0x0f, 0xba, 0xe0, 1}, CodeSize::k64), 4u);
  EXPECT_FALSE(refused_opcode(Bytes{0xf0, 0x0f, 0xbb, 0x1e}, CodeSize::k64));
  EXPECT_FALSE(refused_opcode(Bytes{0x0f, 0xbb, 0xde}, CodeSize::k64));
}

}  // namespace
}  // namespace ftvm::unicorn
