// Both directions of the numbered console: the bytes are given to a server (as clients) and to a
// client (as servers). Whatever they are, nothing may crash, grow without limit, or disturb a
// client in good order.
//
// Input: a sequence of pieces, each one control byte, a length byte and so many bytes. The control
// byte says who gets them, and whether the length and checksum of a frame are put in front.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "devices/host/console_follower.h"
#include "devices/host/numbered_hub.h"
#include "emulator/base/crc32c.h"

namespace {

using namespace ftvm;
using namespace ftvm::devices::host;

constexpr NumberedHub::Connection kGood = 1, kBadFirst = 2;
constexpr std::size_t kBadClients = 3, kNodes = 2;
constexpr std::uint8_t kTargetMask = 0x07, kFramed = 0x08, kLive = 0x10, kReconnect = 0x20,
                       kPublish = 0x40, kTyped = 0x80;

void require(bool condition) {
  if (!condition) std::abort();
}

class Fuzz {
 public:
  Fuzz() : hub_({.pair = "p", .ring_bytes = 4096}), follower_({.names = {"A", "B"}}) {
    hub_.connected(kGood);
    ByteFifo hello;
    encode(ConsoleHello{.client_id = 1, .wanted = 0, .pair = "p"}, hello);
    hub_.received(kGood, hello.view());
    for (std::size_t i = 0; i < kBadClients; ++i) hub_.connected(kBadFirst + i);
    for (std::size_t i = 0; i < kNodes; ++i) follower_.connected(i);
  }

  void piece(std::uint8_t control, ByteView bytes) {
    const Bytes wire = (control & kFramed) != 0 ? framed(bytes) : Bytes(bytes.begin(), bytes.end());
    const std::size_t target = control & kTargetMask;
    if ((control & kLive) != 0) hub_.set_live(Epoch{++epoch_});
    if ((control & kPublish) != 0) publish(bytes);
    if ((control & kTyped) != 0 && bytes.size() <= follower_.typing_room()) follower_.typed(bytes);
    if (target < kBadClients) {
      to_hub(kBadFirst + target, wire, (control & kReconnect) != 0);
    } else {
      to_follower(target % kNodes, wire, (control & kReconnect) != 0);
    }
    good_client_reads();
  }

 private:
  static Bytes framed(ByteView body) {
    Bytes wire(kFrameHeaderBytes);
    store_le(wire.data(), static_cast<std::uint32_t>(body.size()));
    store_le(wire.data() + 4, crc32c(body));
    wire.insert(wire.end(), body.begin(), body.end());
    return wire;
  }
  void publish(ByteView bytes) {
    hub_.publish(published_, bytes);
    published_ += bytes.size();
  }
  void to_hub(NumberedHub::Connection id, ByteView wire, bool reconnect) {
    if (reconnect) {
      hub_.disconnected(id);
      hub_.connected(id);
    }
    hub_.received(id, wire);
    (void)hub_.take_typed();
    // Reads some of it, as a slow client does.
    const std::size_t size = std::min<std::size_t>(hub_.sendable(id).size(), 64);
    hub_.sent(id, size);
    hub_.confirm_input(wire.size());
  }
  void to_follower(std::size_t node, ByteView wire, bool reconnect) {
    if (reconnect || follower_.hang_up(node)) {
      follower_.disconnected(node);
      follower_.connected(node);
    }
    follower_.received(node, wire, HostTime{++now_});
    follower_.on_time(HostTime{now_});
    follower_.screen().clear();
    follower_.shown();
    (void)follower_.take_messages();
    follower_.outbox(node).clear();
  }
  /// It gets all output, whatever the others do (a gap only when it was not live in time).
  void good_client_reads() {
    for (ByteView out = hub_.sendable(kGood); !out.empty(); out = hub_.sendable(kGood)) {
      reader_.push(out);
      hub_.sent(kGood, out.size());
    }
    for (;;) {
      auto next = reader_.next();
      require(next.has_value());
      if (!next->has_value()) break;
      if (const auto* output = std::get_if<ConsoleOutput>(&**next)) {
        seen_ = output->offset + output->bytes.size();
      }
      if (const auto* bye = std::get_if<ConsoleBye>(&**next)) {
        // Only a client that shows its id may take its place.
        require(bye->why == ConsoleBye::Why::kReplaced);
        replaced_ = true;
      }
    }
    require(replaced_ || !hub_.live() || seen_ == published_);
  }

  NumberedHub hub_;
  ConsoleFollower follower_;
  ConsoleFrameReader reader_;
  std::uint64_t epoch_ = 0;
  std::uint64_t published_ = 0;
  std::uint64_t seen_ = 0;
  std::uint64_t now_ = 0;
  bool replaced_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Fuzz fuzz;
  while (size >= 2) {
    const std::size_t length = std::min<std::size_t>(data[1], size - 2);
    fuzz.piece(data[0], {data + 2, length});
    data += 2 + length;
    size -= 2 + length;
  }
  return 0;
}
