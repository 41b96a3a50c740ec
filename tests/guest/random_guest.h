// The guest of random.S with a program in it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "emulator/base/bytes.h"
#include "emulator/boot/flat_loader.h"
#include "tests/guest/guest_machine.h"
#include "tests/guest/random_program.h"

namespace ftvm::test {

inline constexpr std::uint64_t kRandomGridTicks = 4096;

inline Bytes random_image(std::uint64_t seed) {
  Bytes image = guest_image("random");
  const auto find = [&](const std::string& text) {
    const auto at = std::search(image.begin(), image.end(), text.begin(), text.end());
    EXPECT_NE(at, image.end()) << text;
    return static_cast<std::size_t>(at - image.begin()) + text.size();
  };
  const std::size_t seed_at = find("random: ");
  const std::size_t program_at = (find("program:") + 4095) / 4096 * 4096;
  store_le<std::uint64_t>(&image[seed_at], seed * 77 + 1);
  store_le<std::uint64_t>(&image[seed_at + 8], seed % 3 == 0 ? 1 : 0);  // In the kernel.
  const RandomProgram program(seed, boot::kFlatImageAt + program_at);
  std::copy(program.code().begin(), program.code().end(),
            image.begin() + static_cast<long>(program_at));
  image.resize(1 << 20, 0xcc);  // Behind it, code that ends at once.
  return image;
}

}  // namespace ftvm::test
