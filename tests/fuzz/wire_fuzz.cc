// Peer messages from hostile bytes. An even first byte: the rest is what came from the socket. An
// odd one: the second byte is a type and the rest a payload, put into a frame with a good CRC,
// which no fuzzer would find by itself.
#include <cstdint>
#include <cstdlib>

#include "ftcore/transport/wire_codec.h"

namespace {

using ftvm::Bytes;
using ftvm::ByteView;

void check(ByteView bytes) {
  const auto message = ftvm::ftcore::decode_message(bytes);
  if (!message) return;
  // What is let in could have been sent, and sending it again changes nothing.
  if (!ftvm::ftcore::check_message(*message)) std::abort();
  const Bytes again = ftvm::ftcore::encode_message(*message);
  const auto back = ftvm::ftcore::decode_message(again);
  if (!back || !(*back == *message)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  if ((data[0] & 1) == 0) {
    check({data + 1, size - 1});
    return 0;
  }
  Bytes framed;
  ftvm::replay::append_frame(framed, static_cast<ftvm::replay::FrameType>(data[1]),
                             {data + 2, size - 2});
  check(framed);
  return 0;
}
