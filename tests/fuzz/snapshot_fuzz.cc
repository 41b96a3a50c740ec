// Snapshots from hostile bytes: never a crash, and a file that is refused while it is checked
// leaves the machine as it was. The first byte of the input says which door the rest is pushed
// through.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "replay/frame.h"
#include "replay/snapshot.h"
#include "replay/snapshot_codec.h"
#include "tests/support/fuzz_file.h"
#include "tests/support/toy_image.h"

namespace {

using namespace ftvm;
using namespace ftvm::replay;

void must(bool holds) {
  if (!holds) std::abort();
}

void load(ByteView bytes) {
  const test::MemoryFile file(bytes);
  test::ToyImage image(1);
  image.register_ = 0x1234;
  image.ram_[5] = 6;
  const Digest before = image.digest_all();
  const auto place = load_snapshot(file.path(), image, {});
  if (place) {
    must(place->tick == image.tick());
    return;
  }
  must(!place.error().message().empty());
  const bool late = place.error().message().find("the loaded machine") != std::string::npos ||
                    place.error().message().find("the state says") != std::string::npos;
  must(late || image.digest_all() == before);
}

Bytes preamble(std::uint64_t state_bytes) {
  Bytes file;
  append_frame(
      file, FrameType::kSnapshotPreamble,
      encode_snapshot_preamble(
          {.place = {}, .ram_bytes = kRamChunkBytes, .state_bytes = state_bytes, .identity = {}}));
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  Bytes file;
  switch (data[0] % 4) {
    case 0:
      load(input);
      break;
    case 1:
      load(test::framed(input));
      break;
    case 2:  // A state of the fuzzer's, otherwise whole.
      file = preamble(input.size());
      if (!input.empty()) append_frame(file, FrameType::kSnapshotState, input);
      append_frame(file, FrameType::kSnapshotEnd, encode_snapshot_end({}));
      load(file);
      break;
    default: {  // Frames of the fuzzer's behind a good preamble.
      file = preamble(0);
      const Bytes frames = test::framed(input);
      file.insert(file.end(), frames.begin(), frames.end());
      load(file);
      break;
    }
  }
  return 0;
}
