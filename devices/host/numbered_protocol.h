// Messages of the numbered console: the console that a failover does not interrupt. Every byte has
// an offset in its direction, so each side can say what it has and the other can repeat the rest.
//
// A frame is: length of the body (32 bits, little-endian), CRC-32C of the body (32), body. A body
// is one type byte and fixed fields in little-endian, then the rest of the frame as bytes or text.
// Both sides open with a message that carries kNumberedMagic and kNumberedVersion. The byte-by-byte
// description is docs/formats/console.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "devices/host/byte_fifo.h"
#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "emulator/base/units.h"
#include "emulator/world.h"

namespace ftvm::devices::host {

inline constexpr std::uint32_t kNumberedMagic = 0x434e5446;  // "FTNC" in memory.
inline constexpr std::uint16_t kNumberedVersion = 1;
inline constexpr std::size_t kFrameHeaderBytes = 8;
inline constexpr std::size_t kFrameBodyBytesMax = 32 << 10;
/// Console bytes in one message.
inline constexpr std::size_t kPieceBytesMax = 16 << 10;
inline constexpr std::size_t kPairNameBytesMax = 128;

// ------------------------------------------------------------------------ client to server

/// First of all. `wanted` is the output offset to start at; nothing means the oldest there is.
/// `pair` names the machine; empty means any.
struct ConsoleHello {
  std::uint64_t client_id = 0;  // Random for each run of a client; the same on all its connections.
  std::optional<std::uint64_t> wanted = {};
  std::string pair = {};
  bool operator==(const ConsoleHello&) const = default;
};
/// Asks for the keyboard: answered by an ack, which says where the typed bytes go on, or by a
/// refusal. A stream of offsets can have only one writer at a time.
struct ConsoleKeyboard {
  bool operator==(const ConsoleKeyboard&) const = default;
};
/// Typed bytes of the client that has the keyboard.
struct ConsoleTyped {
  std::uint64_t offset = 0;
  Bytes bytes = {};
  bool operator==(const ConsoleTyped&) const = default;
};
/// All output before `next` was shown.
struct ConsoleShown {
  std::uint64_t next = 0;
  bool operator==(const ConsoleShown&) const = default;
};

// ------------------------------------------------------------------------ server to client

enum class NodeRole : std::uint8_t { kStandby = 1, kLive = 2 };

/// Answer to the hello, and again when the role changes.
struct ConsoleNode {
  NodeRole role = NodeRole::kStandby;
  Epoch epoch = {};
  std::uint64_t input_confirmed = 0;  // Bytes before it survive this node.
  std::uint64_t input_next = 0;       // Bytes before it need not be sent to this node again.
  std::string pair = {};
  bool operator==(const ConsoleNode&) const = default;
};
struct ConsoleOutput {
  Epoch epoch = {};
  std::uint64_t offset = 0;
  Bytes bytes = {};
  bool operator==(const ConsoleOutput&) const = default;
};
/// Output from `from` to before `to` is gone.
struct ConsoleGap {
  Epoch epoch = {};
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  bool operator==(const ConsoleGap&) const = default;
};
struct ConsoleAck {
  std::uint64_t confirmed = 0;
  std::uint64_t next = 0;
  bool operator==(const ConsoleAck&) const = default;
};
/// Typed bytes were not taken.
struct ConsoleRefusal {
  enum class Why : std::uint8_t {
    kStandby = 1,  // This node is not live.
    kBusy = 2,     // Another client has the keyboard (or this one has not asked).
    kGap = 3,      // Bytes between `next` and the offset are missing.
    kFull = 4,     // Send again from `next` after the next ack.
  };
  Why why = Why::kStandby;
  std::uint64_t next = 0;
  bool operator==(const ConsoleRefusal&) const = default;
};
/// The run has ended here, and all of its output was sent.
struct ConsoleEnd {
  Epoch epoch = {};
  EndReason reason = EndReason::kStopped;
  std::uint64_t output_end = 0;
  bool operator==(const ConsoleEnd&) const = default;
};
/// The connection is closed, and why; for people.
struct ConsoleBye {
  enum class Why : std::uint8_t {
    kVersion = 1,   // Another version of the protocol.
    kPair = 2,      // Another machine than the client wants.
    kProtocol = 3,  // The client's bytes make no sense.
    kFull = 4,      // Too many clients.
    kSlow = 5,      // The client does not read.
    kReplaced = 6,  // The same client has connected again.
  };
  Why why = Why::kProtocol;
  std::string text = {};
  bool operator==(const ConsoleBye&) const = default;
};

using ConsoleMessage =
    std::variant<ConsoleHello, ConsoleTyped, ConsoleShown, ConsoleNode, ConsoleOutput, ConsoleGap,
                 ConsoleAck, ConsoleRefusal, ConsoleEnd, ConsoleBye, ConsoleKeyboard>;

/// Appends one frame. Precondition: bytes and texts are within their limits.
void encode(const ConsoleMessage& message, ByteFifo& out);

/// Cuts a byte stream into messages. After an error it gives the same error for ever.
class ConsoleFrameReader {
 public:
  /// The caller takes messages until there are none before it pushes more, so the buffer never
  /// holds more than one frame and one piece.
  void push(ByteView bytes) { buffer_.push(bytes); }
  /// The next whole message, or nothing yet.
  /// Errors: kBadData; kMismatch for another version of the protocol.
  Result<std::optional<ConsoleMessage>> next();

 private:
  ByteFifo buffer_;
  std::optional<Error> failed_;
};

}  // namespace ftvm::devices::host
