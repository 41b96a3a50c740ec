// Programs nobody would write: random instructions, most of them harmless, some of them absurd, for
// the guest in random.S. A seed always gives the same program.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "emulator/base/bytes.h"
#include "emulator/base/prng.h"

namespace ftvm::test {

class RandomProgram {
 public:
  static constexpr std::size_t kBytes = 4096;  // PROGRAM_BYTES of random.S.

  RandomProgram(std::uint64_t seed, std::uint64_t program_at) : random_(seed), at_(program_at) {
    while (code_.size() < kBytes) instruction();
    code_.resize(kBytes);
    for (std::size_t at = 1; at + 2 < kBytes; ++at) spare_portable(at);
  }
  [[nodiscard]] const Bytes& code() const { return code_; }

 private:
  static constexpr std::uint64_t kPage = 4096;
  static constexpr std::uint64_t kWindow = 0x40000000;
  static constexpr std::uint64_t kAlias = kWindow + 6 * kPage;  // Of the program.

  /// The portable engine dies of a bit test of a register with a LOCK prefix (portable_cpu.h).
  void spare_portable(std::size_t at) {
    if (code_[at] != 0x0f) return;
    const bool bit_test = code_[at + 1] == 0xba || (code_[at + 1] & 0xe7) == 0xa3;
    if (!bit_test || code_[at + 2] < 0xc0) return;
    for (std::size_t i = at - std::min<std::size_t>(at, 14); i < at; ++i) {
      if (code_[i] == 0xf0) code_[i] = 0x3e;
    }
  }

  std::uint8_t byte() { return static_cast<std::uint8_t>(random_.next()); }
  bool one_in(std::uint64_t n) { return random_.below(n) == 0; }
  std::uint8_t pick(std::initializer_list<int> values) {
    return static_cast<std::uint8_t>(values.begin()[random_.below(values.size())]);
  }
  void emit(std::initializer_list<int> bytes) {
    for (const int b : bytes) code_.push_back(static_cast<std::uint8_t>(b));
  }
  void emit32(std::uint64_t value) { ByteWriter(code_).put(static_cast<std::uint32_t>(value)); }
  void emit64(std::uint64_t value) { ByteWriter(code_).put(value); }

  /// RBX, RSI or RDI: an address of some kind.
  void address() {
    emit({0x48, pick({0xbb, 0xbe, 0xbf})});
    switch (random_.below(8)) {
      case 0:  // Near the end of a page of the window.
        return emit64(kWindow + kPage * (1 + random_.below(8)) - random_.below(16));
      case 1:
        return emit64(kAlias + random_.below(kBytes));
      case 2:
        return emit64(at_ + random_.below(kBytes));  // The program.
      case 3:
        return emit64(at_ + code_.size() + 8 + random_.below(32));  // What comes next.
      case 4:
        return one_in(2) ? emit64(random_.next()) : emit64(0xe0000000 + random_.below(4096));
      default:
        return emit64(kWindow + random_.below(8 * kPage));
    }
  }
  void count() {
    emit({0xb9});
    emit32(one_in(8) ? random_.below(300) : random_.below(6));
  }
  /// ModRM for [rbx], [rsi], [rdi], with a small displacement or without, or for a register.
  void modrm(unsigned reg) {
    const unsigned base = pick({3, 6, 7});
    const unsigned mode = pick({0, 1, 3});
    emit({static_cast<int>(mode << 6 | (reg & 7) << 3 | base)});
    if (mode == 1) emit({byte()});
  }

  void instruction() {
    switch (random_.below(24)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return arithmetic();
      case 4:
      case 5:
        return address();
      case 6:
      case 7:
        return memory();
      case 8:
        return string();
      case 9:
      case 10:
        return jump();
      case 11:
        return stack();
      case 12:
        return flags();
      case 13:
        return change_code();
      case 14:
        return floating();
      case 15:
        return system();
      case 16:
        return trap();
      case 17:
        emit({byte(), byte(), byte()});
        return;
      default:
        return plain();
    }
  }

  void arithmetic() {
    if (one_in(2)) emit({pick({0x48, 0x66, 0x41, 0x44, 0x4c, 0x67})});
    emit({static_cast<int>(random_.below(8) << 3 | random_.below(4))});
    modrm(static_cast<unsigned>(random_.below(8)));
  }
  void memory() {
    if (one_in(3)) emit({pick({0xf0, 0x66, 0x48, 0xf2, 0xf3})});
    switch (random_.below(7)) {
      case 0:
        emit({pick({0x88, 0x89, 0x8a, 0x8b, 0x86, 0x87})});
        break;
      case 1:
        emit({0x0f, pick({0xb0, 0xb1, 0xc0, 0xc1, 0xab, 0xb3, 0xbb, 0xaf, 0xb6, 0xbe})});
        break;
      case 2:
        emit({0xff});
        return modrm(pick({0, 1, 6}));
      case 3:
        emit({0x80});
        modrm(static_cast<unsigned>(random_.below(8)));
        return emit({byte()});
      case 4:
        emit({0x0f, pick({0x10, 0x11, 0x28, 0x29, 0x6e, 0x7e, 0x6f, 0x7f, 0xc3})});
        break;
      case 5:
        emit({0xf7});
        return modrm(pick({2, 3, 4, 5, 6, 7}));
      default:
        emit({0xc7});
        modrm(0);
        return emit32(random_.next());
    }
    modrm(static_cast<unsigned>(random_.below(8)));
  }
  void string() {
    address();
    count();
    if (one_in(3)) emit({pick({0xfc, 0xfd, 0x67, 0x66, 0x48})});
    emit({pick({0xf2, 0xf3, 0xf3}),
          pick({0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xae, 0xaf, 0x6e})});
    emit({0xfc});
  }
  void jump() {
    switch (random_.below(6)) {
      case 0:
        count();
        return emit({pick({0xe0, 0xe1, 0xe2, 0xe2}), 0xfe - static_cast<int>(random_.below(20))});
      case 1:
        return emit({0xe3, static_cast<int>(random_.below(16))});
      case 2:
        emit({0x0f, static_cast<int>(0x80 + random_.below(16))});
        return emit32(random_.below(64));
      case 3:
        emit({pick({0xe8, 0xe9})});
        return emit32(random_.below(128) - 32);
      case 4:
        address();
        return emit({0xff, pick({0xd3, 0xe3, 0xd6, 0xe7})});
      default:
        return emit(
            {static_cast<int>(0x70 + random_.below(16)), static_cast<int>(random_.below(40))});
    }
  }
  void stack() {
    switch (random_.below(6)) {
      case 0:
        return emit({0x9c, 0x58});  // PUSHF, POP RAX.
      case 1:
        address();
        return emit({0x48, 0x89, 0xdc});  // MOV RSP, RBX.
      case 2:
        return emit({0x48, 0x89, 0xec});  // MOV RSP, RBP.
      case 3:
        return emit({pick({0xc3, 0xc9, 0xc8}), byte(), byte(), byte()});
      default:
        return emit({static_cast<int>(0x50 + random_.below(16))});
    }
  }
  void flags() {
    switch (random_.below(5)) {
      case 0:  // Single steps from here on.
        return emit({0x9c, 0x81, 0x0c, 0x24, 0x00, 0x01, 0x00, 0x00, 0x9d});
      case 1:
        return emit({0x9c, 0x80, 0x24, 0x24, byte(), 0x9d});
      case 2:
        return emit({0x8c, 0xd0, 0x8e, 0xd0});  // MOV EAX, SS; MOV SS, EAX.
      default:
        return emit({pick({0xf5, 0xf8, 0xf9, 0xfc, 0xfd, 0x9e, 0x9f, 0xfa, 0xfb})});
    }
  }
  /// A store to an instruction near by, some of them behind it, some before.
  void change_code() {
    const std::uint64_t target =
        at_ + (one_in(4) ? 4096 : 0) + code_.size() + random_.below(64) - 24;
    emit({0x48, 0xbb});
    emit64(one_in(3) ? target - at_ + kAlias : target);
    if (one_in(2)) {
      emit({0xc6, 0x03, pick({0x90, 0xf8, 0x40, 0xcc, 0xf3, 0x0f})});
    } else {
      emit({0x48, 0x89, 0x03});
    }
  }
  void floating() {
    if (one_in(2)) return emit({static_cast<int>(0xd8 + random_.below(8)), byte() | 0xc0});
    emit({static_cast<int>(0xd8 + random_.below(8))});
    modrm(static_cast<unsigned>(random_.below(8)));
  }
  void system() {
    switch (random_.below(8)) {
      case 0:
        return emit({pick({0xe4, 0xe5, 0xe6, 0xe7}), pick({0x80, 0xe9, 0xe9, 0x81})});
      case 1:
        return emit({0x0f, 0xa2});
      case 2:
        return emit({0x0f, 0x31});
      case 3:
        return emit({0x48, 0x0f, 0x05});
      case 4:
        return emit({0x0f, 0x05});
      case 5:
        return emit({0xb9, 0x10, 0, 0, 0, 0x0f, 0x32});
      case 6:
        return emit({0x0f, 0xae, 0x07 | static_cast<int>(random_.below(2)) << 3});
      default:
        return emit({0x0f, 0x01, byte()});
    }
  }
  void trap() {
    switch (random_.below(5)) {
      case 0:
        return emit({0xcc});
      case 1:
        return emit({0xcd, pick({0x80, 0x80, 3, 0x20})});
      case 2:
        return emit({0x0f, 0x0b});
      case 3:
        return emit({0xf3, 0x90});
      default:
        return emit({0xf4});
    }
  }
  void plain() {
    switch (random_.below(6)) {
      case 0:
        emit({static_cast<int>(0xb8 + random_.below(8))});
        return emit32(random_.next());
      case 1:
        return emit({0xc1, static_cast<int>(0xc0 + random_.below(64)), byte()});
      case 2:
        return emit({0x0f, static_cast<int>(0x40 + random_.below(16)), byte() | 0xc0});
      case 3:
        return emit({0x0f, static_cast<int>(0x90 + random_.below(16)), byte() | 0xc0});
      case 4:
        return emit({0x66, 0x0f, pick({0x6f, 0xef, 0xfe, 0xd4, 0x70}), byte() | 0xc0});
      default:
        return emit({0x90});
    }
  }

  Prng random_;
  std::uint64_t at_;
  Bytes code_;
};

}  // namespace ftvm::test
