#include "devices/host/numbered_protocol.h"

#include <limits>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/crc32c.h"

namespace ftvm::devices::host {
namespace {

/// Wire format: append only.
enum class Type : std::uint8_t {
  kHello = 1,
  kTyped = 2,
  kShown = 3,
  kNode = 4,
  kOutput = 5,
  kGap = 6,
  kAck = 7,
  kRefusal = 8,
  kEnd = 9,
  kBye = 10,
  kKeyboard = 11,
};

constexpr std::uint64_t kOldest = std::numeric_limits<std::uint64_t>::max();  // Of a hello.
constexpr std::size_t kByeBytesMax = 256;
/// No console prints that much; offsets below it never overflow.
constexpr std::uint64_t kOffsetMax = std::uint64_t{1} << 62;
// Type, epoch and offset stand before the bytes of the longest messages.
static_assert(1 + 8 + 8 + kPieceBytesMax <= kFrameBodyBytesMax);

Error bad(const char* what) {
  return Error(ErrorCode::kBadData, std::string("console: ") + what);
}

/// Writes the body of each message; Decoder below reads the same fields in the same order.
class Encoder {
 public:
  explicit Encoder(Bytes& body) : body_(body), out_(body) {}

  void operator()(const ConsoleHello& m) {
    opening(Type::kHello);
    out_.put(m.client_id);
    out_.put(m.wanted.value_or(kOldest));
    text(m.pair, kPairNameBytesMax);
  }
  void operator()(const ConsoleKeyboard&) { type(Type::kKeyboard); }
  void operator()(const ConsoleTyped& m) {
    type(Type::kTyped);
    out_.put(m.offset);
    piece(m.bytes);
  }
  void operator()(const ConsoleShown& m) {
    type(Type::kShown);
    out_.put(m.next);
  }
  void operator()(const ConsoleNode& m) {
    opening(Type::kNode);
    out_.put(static_cast<std::uint8_t>(m.role));
    out_.put(m.epoch.value);
    out_.put(m.input_confirmed);
    out_.put(m.input_next);
    text(m.pair, kPairNameBytesMax);
  }
  void operator()(const ConsoleOutput& m) {
    type(Type::kOutput);
    out_.put(m.epoch.value);
    out_.put(m.offset);
    piece(m.bytes);
  }
  void operator()(const ConsoleGap& m) {
    type(Type::kGap);
    out_.put(m.epoch.value);
    out_.put(m.from);
    out_.put(m.to);
  }
  void operator()(const ConsoleAck& m) {
    type(Type::kAck);
    out_.put(m.confirmed);
    out_.put(m.next);
  }
  void operator()(const ConsoleRefusal& m) {
    type(Type::kRefusal);
    out_.put(static_cast<std::uint8_t>(m.why));
    out_.put(m.next);
  }
  void operator()(const ConsoleEnd& m) {
    type(Type::kEnd);
    out_.put(m.epoch.value);
    out_.put(static_cast<std::uint8_t>(m.reason));
    out_.put(m.output_end);
  }
  void operator()(const ConsoleBye& m) {
    type(Type::kBye);
    out_.put(static_cast<std::uint8_t>(m.why));
    text(m.text.substr(0, kByeBytesMax), kByeBytesMax);
  }

 private:
  void type(Type value) { out_.put(static_cast<std::uint8_t>(value)); }
  void opening(Type value) {
    type(value);
    out_.put(kNumberedMagic);
    out_.put(kNumberedVersion);
  }
  void piece(const Bytes& bytes) {
    FTVM_ASSERT(bytes.size() <= kPieceBytesMax);
    out_.put_bytes(bytes);
  }
  void text(const std::string& value, std::size_t size_max) {
    FTVM_ASSERT(value.size() <= size_max);
    body_.insert(body_.end(), value.begin(), value.end());
  }

  Bytes& body_;
  ByteWriter out_;
};

/// Reads fields; any that is missing or out of range makes the whole body bad.
class Decoder {
 public:
  explicit Decoder(ByteView body) : in_(body) {}

  Result<ConsoleMessage> message() {
    const auto type = static_cast<Type>(get<std::uint8_t>());
    if (type == Type::kHello || type == Type::kNode) FTVM_TRY(opening());
    ConsoleMessage m = fields(type);
    if (!good_) return bad("a message of the wrong length or with a field out of range");
    if (in_.remaining() != 0) return bad("bytes after the end of a message");
    return m;
  }

 private:
  template <class T>
  T get() {
    const std::optional<T> value = in_.get<T>();
    good_ = good_ && value.has_value();
    return value.value_or(T{});
  }
  template <class Enum>
  Enum get_enum(Enum last) {
    const auto value = get<std::uint8_t>();
    good_ = good_ && value >= 1 && value <= static_cast<std::uint8_t>(last);
    return static_cast<Enum>(value);
  }
  std::uint64_t get64() { return get<std::uint64_t>(); }
  std::uint64_t get_offset() {
    const std::uint64_t offset = get64();
    good_ = good_ && offset <= kOffsetMax;
    return offset;
  }
  Bytes rest(std::size_t size_max) {
    good_ = good_ && in_.remaining() <= size_max;
    if (!good_) return {};
    const std::optional<ByteView> view = in_.get_bytes(in_.remaining());
    return Bytes(view->begin(), view->end());
  }
  std::string text(std::size_t size_max) {
    const Bytes bytes = rest(size_max);
    std::string value(bytes.begin(), bytes.end());
    // It may be shown on a terminal, where control characters are commands.
    for (char& c : value) c = c < ' ' || c > '~' ? '?' : c;
    return value;
  }

  Status opening() {
    if (get<std::uint32_t>() != kNumberedMagic || !good_) return bad("this is no numbered console");
    const auto version = get<std::uint16_t>();
    if (good_ && version == kNumberedVersion) return {};
    return Error(ErrorCode::kMismatch, "console: protocol version " + std::to_string(version) +
                                           ", not " + std::to_string(kNumberedVersion));
  }

  // Braces evaluate left to right, which is the order of the fields on the wire.
  ConsoleMessage fields(Type type) {
    switch (type) {
      case Type::kHello:
        return hello();
      case Type::kTyped:
        return ConsoleTyped{get_offset(), rest(kPieceBytesMax)};
      case Type::kShown:
        return ConsoleShown{get_offset()};
      case Type::kNode:
        return ConsoleNode{get_enum(NodeRole::kLive), Epoch{get64()}, get_offset(), get_offset(),
                           text(kPairNameBytesMax)};
      case Type::kOutput:
        return ConsoleOutput{Epoch{get64()}, get_offset(), rest(kPieceBytesMax)};
      case Type::kGap:
        return ConsoleGap{Epoch{get64()}, get_offset(), get_offset()};
      case Type::kAck:
        return ConsoleAck{get_offset(), get_offset()};
      case Type::kRefusal:
        return ConsoleRefusal{get_enum(ConsoleRefusal::Why::kFull), get_offset()};
      case Type::kEnd:
        return ConsoleEnd{Epoch{get64()}, get_enum(EndReason::kDeadlock), get_offset()};
      case Type::kBye:
        return ConsoleBye{get_enum(ConsoleBye::Why::kReplaced), text(kByeBytesMax)};
      case Type::kKeyboard:
        return ConsoleKeyboard{};
    }
    good_ = false;
    return {};
  }
  ConsoleHello hello() {
    ConsoleHello m;
    m.client_id = get64();
    const std::uint64_t wanted = get64();
    if (wanted != kOldest) m.wanted = wanted;
    good_ = good_ && (wanted == kOldest || wanted <= kOffsetMax);
    m.pair = text(kPairNameBytesMax);
    return m;
  }

  ByteReader in_;
  bool good_ = true;
};

}  // namespace

void encode(const ConsoleMessage& message, ByteFifo& out) {
  Bytes body;
  std::visit(Encoder(body), message);
  FTVM_ASSERT(body.size() <= kFrameBodyBytesMax);
  std::uint8_t header[kFrameHeaderBytes];
  store_le(header, static_cast<std::uint32_t>(body.size()));
  store_le(header + 4, crc32c(body));
  out.push(header);
  out.push(body);
}

Result<std::optional<ConsoleMessage>> ConsoleFrameReader::next() {
  if (failed_) return *failed_;
  const ByteView in = buffer_.view();
  if (in.size() < kFrameHeaderBytes) return std::optional<ConsoleMessage>();
  const auto size = load_le<std::uint32_t>(in.data());
  const auto crc = load_le<std::uint32_t>(in.data() + 4);
  if (size == 0 || size > kFrameBodyBytesMax) {
    failed_ = bad("a frame of an impossible length; is this a numbered console?");
    return *failed_;
  }
  if (in.size() - kFrameHeaderBytes < size) return std::optional<ConsoleMessage>();
  const ByteView body = in.subspan(kFrameHeaderBytes, size);
  Result<ConsoleMessage> message =
      crc32c(body) == crc ? Decoder(body).message() : bad("a frame with a wrong checksum");
  if (!message) {
    failed_ = std::move(message).error();
    return *failed_;
  }
  buffer_.pop(kFrameHeaderBytes + size);
  return std::optional<ConsoleMessage>(*std::move(message));
}

}  // namespace ftvm::devices::host
