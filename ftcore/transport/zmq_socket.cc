#include "ftcore/transport/zmq_socket.h"

#include <cerrno>
#include <string_view>
#include <utility>
#include <zmq.hpp>

#include "emulator/base/assert.h"
#include "emulator/base/thread_sanitizer.h"

#ifdef FTVM_THREAD_SANITIZER
// libzmq is not instrumented: what it hands from thread to thread through its lock-free mailboxes
// is taken for a race. Reports with a frame of it are dropped; ours share nothing through it.
// NOLINTBEGIN(*-reserved-identifier)
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libzmq.so\nrace:libzmq.so\n";
}
// NOLINTEND(*-reserved-identifier)
#endif

namespace ftvm::ftcore {
namespace {

constexpr const char* kMonitorName = "inproc://monitor";
constexpr int kMonitorEvents =
    ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
    ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
    ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_CLOSED;
/// Two frames each. The library's thread waits when nobody takes them for so long.
constexpr int kMonitorQueueMax = 10'000;
constexpr int kHandshakeMs = 5000;
constexpr int kConnectMs = 2000;
/// The library reconnects after an hour: never, because our attempts come first. To forbid it (-1)
/// would be worse: the library then ends a lost connection together with what it had delivered.
constexpr int kReconnectMs = 3'600'000;
/// Of a note's first frame: a 16-bit event and a 32-bit value.
constexpr std::size_t kNoteBytes = 6;

std::string url_of(const ChannelAddress& address) {
  if (address.kind == ChannelAddress::Kind::kTcp && address.port == 0) {
    const std::string text = address.text();
    return text.substr(0, text.size() - 1) + "*";
  }
  return address.text();
}

Error socket_error(std::string_view verb, const ChannelAddress& address, int error_number) {
  const std::string where = std::string(verb) + " " + address.text();
  switch (error_number) {
    case EADDRINUSE:
      return Error(ErrorCode::kIo, where + ": the port is taken by another process");
    case EADDRNOTAVAIL:
    case ENODEV:
      return Error(ErrorCode::kUsage, where + ": this machine has no such address");
    case EACCES:
      return Error(ErrorCode::kIo, where + ": not permitted to this user");
    case EINVAL:
    case EPROTONOSUPPORT:
      return Error(ErrorCode::kUsage, where + ": not an address ZeroMQ understands");
    default:
      return Error(ErrorCode::kIo, where + ": " + zmq_strerror(error_number));
  }
}

std::string property_or_empty(zmq::message_t& message, const char* name) {
  const char* value = zmq_msg_gets(message.handle(), name);
  return value == nullptr ? "" : value;
}

SocketNote to_note(int event, int value) {
  SocketNote note;
  switch (event) {
    case ZMQ_EVENT_ACCEPTED:
      note.kind = SocketNote::Kind::kAccepted;
      note.fd = value;
      break;
    case ZMQ_EVENT_DISCONNECTED:
      note.kind = SocketNote::Kind::kDisconnected;
      note.fd = value;
      break;
    case ZMQ_EVENT_CLOSED:
      note.kind = SocketNote::Kind::kConnectFailed;
      break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
      note.kind = SocketNote::Kind::kHandshaken;
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
      note.kind = SocketNote::Kind::kHandshakeFailed;
      note.reason =
          "the connection ended during the handshake; do both nodes have the same --key, "
          "and is the other side ftvm?";
      break;
    default:
      note.kind = SocketNote::Kind::kHandshakeFailed;
      note.reason = "the handshake failed (code " + std::to_string(value) +
                    "); do both nodes have the same --key?";
      break;
  }
  return note;
}

}  // namespace

/// Functions may throw zmq::error_t; ZmqSocket catches.
class ZmqSocket::Impl {
 public:
  Impl(ChannelAddress address, bool listening)
      : address_(std::move(address)),
        listening_(listening),
        socket_(context_, listening ? zmq::socket_type::router : zmq::socket_type::dealer),
        monitor_(context_, zmq::socket_type::pair) {}
  ~Impl() {
    // The library's thread must not wait for a reader of notes that is about to go.
    zmq_socket_monitor(socket_.handle(), nullptr, 0);
  }

  void configure(const ZmqSocketOptions& options);
  void start();
  std::optional<RawMessage> take_message();
  std::optional<SocketNote> take_note();
  Status send(const std::string& routing_id, ByteView bytes);
  void reconnect();
  [[nodiscard]] std::array<int, 2> descriptors() const;
  [[nodiscard]] bool has_input() const;
  [[nodiscard]] const ChannelAddress& address() const { return address_; }

 private:
  void configure_curve(const SecretKey& pair_key);

  ChannelAddress address_;
  const bool listening_;
  zmq::context_t context_{1};
  zmq::socket_t socket_;
  zmq::socket_t monitor_;
};

void ZmqSocket::Impl::configure(const ZmqSocketOptions& options) {
  socket_.set(zmq::sockopt::linger, options.linger_ms);
  socket_.set(zmq::sockopt::tcp_keepalive, 0);
  socket_.set(zmq::sockopt::ipv6, address_.is_ipv6());
  socket_.set(zmq::sockopt::sndhwm, options.send_queue_messages_max);
  socket_.set(zmq::sockopt::rcvhwm, options.receive_queue_messages_max);
  socket_.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(options.message_bytes_max));
  socket_.set(zmq::sockopt::handshake_ivl, kHandshakeMs);
  if (listening_) {
    socket_.set(zmq::sockopt::router_mandatory, true);
  } else {
    socket_.set(zmq::sockopt::connect_timeout, kConnectMs);
    socket_.set(zmq::sockopt::reconnect_ivl, kReconnectMs);
  }
  if (options.key) configure_curve(*options.key);
}

void ZmqSocket::Impl::configure_curve(const SecretKey& pair_key) {
  const CurveKeys server = derive_curve_keys(pair_key, CurveSide::kServer);
  const CurveKeys client = derive_curve_keys(pair_key, CurveSide::kClient);
  const CurveKeys& mine = listening_ ? server : client;
  socket_.set(zmq::sockopt::curve_server, listening_);
  if (!listening_) socket_.set(zmq::sockopt::curve_serverkey, zmq::buffer(server.public_key));
  socket_.set(zmq::sockopt::curve_publickey, zmq::buffer(mine.public_key));
  socket_.set(zmq::sockopt::curve_secretkey, zmq::buffer(mine.secret_key.bytes));
}

void ZmqSocket::Impl::start() {
  monitor_.set(zmq::sockopt::linger, 0);
  monitor_.set(zmq::sockopt::rcvhwm, kMonitorQueueMax);
  if (zmq_socket_monitor(socket_.handle(), kMonitorName, kMonitorEvents) != 0) throw zmq::error_t();
  monitor_.connect(kMonitorName);
  if (!listening_) {
    socket_.connect(url_of(address_));
    return;
  }
  socket_.bind(url_of(address_));
  if (address_.kind == ChannelAddress::Kind::kTcp && address_.port == 0) {
    const Result<ChannelAddress> bound =
        parse_channel_address(socket_.get(zmq::sockopt::last_endpoint));
    FTVM_ASSERT(bound.has_value());
    address_.port = bound->port;
  }
}

/// The next message of the form we send; others are taken and thrown away.
std::optional<RawMessage> ZmqSocket::Impl::take_message() {
  const std::size_t parts_expected = listening_ ? 2 : 1;
  for (;;) {
    RawMessage message;
    std::size_t parts = 0;
    for (bool more = true; more; ++parts) {
      zmq::message_t part;
      // The library has a message only when it has all its parts.
      if (!socket_.recv(part, zmq::recv_flags::dontwait)) return std::nullopt;
      more = part.more();
      const auto* data = part.data<std::uint8_t>();
      if (listening_ && parts == 0) {
        message.routing_id.assign(data, data + part.size());
      } else if (parts < parts_expected) {
        message.bytes.assign(data, data + part.size());
        message.fd = zmq_msg_get(part.handle(), ZMQ_SRCFD);
        // For a Unix socket it would be user and process numbers.
        const bool tcp = address_.kind == ChannelAddress::Kind::kTcp;
        message.peer_address = tcp ? property_or_empty(part, "Peer-Address") : "";
      }
    }
    if (parts == parts_expected) return message;
  }
}

std::optional<SocketNote> ZmqSocket::Impl::take_note() {
  zmq::message_t what;
  zmq::message_t where;
  if (!monitor_.recv(what, zmq::recv_flags::dontwait)) return std::nullopt;
  const bool whole = monitor_.recv(where, zmq::recv_flags::dontwait).has_value();
  FTVM_ASSERT(whole);
  FTVM_ASSERT(what.size() == kNoteBytes);
  // In the byte order of this machine, which is little-endian: so are all hosts of ftvm.
  const auto* bytes = what.data<std::uint8_t>();
  return to_note(load_le<std::uint16_t>(bytes),
                 static_cast<int>(load_le<std::uint32_t>(bytes + 2)));
}

Status ZmqSocket::Impl::send(const std::string& routing_id, ByteView bytes) {
  const Error full(ErrorCode::kIo, "the send queue is full: the peer does not read");
  FTVM_ASSERT(routing_id.empty() != listening_);
  if (listening_) {
    const auto flags = zmq::send_flags::dontwait | zmq::send_flags::sndmore;
    if (!socket_.send(zmq::buffer(routing_id), flags)) return full;
  }
  const auto body = zmq::buffer(bytes.data(), bytes.size());
  if (!socket_.send(body, zmq::send_flags::dontwait)) return full;
  return {};
}

void ZmqSocket::Impl::reconnect() {
  FTVM_ASSERT(!listening_);
  try {
    socket_.disconnect(url_of(address_));
  } catch (const zmq::error_t& error) {
    if (error.num() != ENOENT) throw;  // The library has forgotten it already.
  }
  socket_.connect(url_of(address_));
}

std::array<int, 2> ZmqSocket::Impl::descriptors() const {
  return {socket_.get(zmq::sockopt::fd), monitor_.get(zmq::sockopt::fd)};
}

bool ZmqSocket::Impl::has_input() const {
  // Both are asked, because asking is also what makes the library do its work.
  const bool message = (socket_.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0;
  const bool note = (monitor_.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0;
  return message || note;
}

// ------------------------------------------------------------------- the wrapper that catches

namespace {

/// The calls within can fail only when the library's context ends, and ours ends with the socket.
template <class Call>
auto must(Call&& call) {
  try {
    return call();
  } catch (const zmq::error_t& error) {
    assert_failed(error.what(), __FILE__, __LINE__);
  }
}

}  // namespace

ZmqSocket::ZmqSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ZmqSocket::~ZmqSocket() = default;

Result<std::unique_ptr<ZmqSocket>> ZmqSocket::open(const ZmqSocketOptions& options) {
  FTVM_ASSERT(options.send_queue_messages_max > 0);     // 0 would mean "no limit" below,
  FTVM_ASSERT(options.receive_queue_messages_max > 0);  // and there is always one.
  if (options.key && zmq_has("curve") == 0) {
    return Error(ErrorCode::kUnsupported,
                 "this libzmq was built without CURVE; no key can be used");
  }
  try {
    auto impl = std::make_unique<Impl>(options.address, options.listening);
    impl->configure(options);
    impl->start();
    return std::unique_ptr<ZmqSocket>(new ZmqSocket(std::move(impl)));
  } catch (const zmq::error_t& error) {
    const char* verb = options.listening ? "listen on" : "connect to";
    return socket_error(verb, options.address, error.num());
  }
}

std::array<int, 2> ZmqSocket::descriptors() const {
  return must([this] { return impl_->descriptors(); });
}
bool ZmqSocket::has_input() const {
  return must([this] { return impl_->has_input(); });
}
std::optional<RawMessage> ZmqSocket::take_message() {
  return must([this] { return impl_->take_message(); });
}
std::optional<SocketNote> ZmqSocket::take_note() {
  return must([this] { return impl_->take_note(); });
}
void ZmqSocket::reconnect() {
  must([this] { impl_->reconnect(); });
}
const ChannelAddress& ZmqSocket::address() const {
  return impl_->address();
}

Status ZmqSocket::send(const std::string& routing_id, ByteView bytes) {
  try {
    return impl_->send(routing_id, bytes);
  } catch (const zmq::error_t& error) {
    if (error.num() == EHOSTUNREACH) return Error(ErrorCode::kClosed, "the peer is gone");
    return Error(ErrorCode::kIo, std::string("send: ") + error.what());
  }
}

}  // namespace ftvm::ftcore
