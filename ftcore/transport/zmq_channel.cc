#include "ftcore/transport/zmq_channel.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "emulator/base/assert.h"
#include "ftcore/transport/control_path.h"
#include "ftcore/transport/wire_codec.h"

namespace ftvm::ftcore {
namespace {

/// Received and not yet taken, per connection; beyond that TCP holds the sender back.
constexpr int kListenReceiveQueueMax = 256;
constexpr int kConnectReceiveQueueMax = 1024;
/// Messages taken in one go: a few while nothing special happens, and all there can be when a
/// connection has ended, because its end is told after its last message.
constexpr std::size_t kBatchMessagesMax = 16;
constexpr std::size_t kDrainMessagesMax = std::size_t{4} * kConnectReceiveQueueMax;
constexpr int kGatherRoundsMax = 8;
/// Pause after an attempt to connect that failed, and patience with one that says nothing (the
/// socket's own limits of connecting and handshaking are shorter).
constexpr std::uint32_t kPauseMs = 200;
constexpr std::uint32_t kAttemptMs = 10'000;

ChannelEvent make_event(ChannelEvent::Kind kind, PeerId peer) {
  ChannelEvent event;
  event.kind = kind;
  event.peer = peer;
  return event;
}

Status check_options(const ZmqChannelOptions& options, bool listening) {
  FTVM_TRY(check_exposure(options.address, options.key.has_value(), options.insecure));
  const bool tcp = options.address.kind == ChannelAddress::Kind::kTcp;
  if (!listening && tcp && options.address.port == 0) {
    return Error(ErrorCode::kUsage, options.address.text() + ": port 0 cannot be connected to");
  }
  return {};
}

}  // namespace

ZmqChannel::ZmqChannel(std::unique_ptr<ZmqSocket> socket, bool listening)
    : socket_(std::move(socket)), listening_(listening) {}

ZmqChannel::~ZmqChannel() = default;

const ChannelAddress& ZmqChannel::address() const {
  return socket_->address();
}

Status ZmqChannel::open_descriptors() {
  wakeup_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!wakeup_ || !timer_ || !epoll_) return error_from_errno("create a descriptor");
  const auto [messages, notes] = socket_->descriptors();
  for (const int fd : {wakeup_.get(), timer_.get(), messages, notes}) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return error_from_errno("epoll");
  }
  if (!listening_) arm_timer(kAttemptMs);
  update_wakeup();
  return {};
}

/// All zero disarms.
void ZmqChannel::arm_timer(std::uint32_t ms) {
  itimerspec spec{};
  spec.it_value.tv_sec = ms / 1000;
  spec.it_value.tv_nsec = static_cast<long>(ms % 1000) * 1'000'000;
  const int done = ::timerfd_settime(timer_.get(), 0, &spec, nullptr);
  FTVM_ASSERT(done == 0);
}

/// When it is time for that, and there is no connection.
void ZmqChannel::try_again() {
  std::uint64_t expirations = 0;
  if (::read(timer_.get(), &expirations, sizeof expirations) != sizeof expirations) return;
  if (listening_ || server_ != PeerId{}) return;
  socket_->reconnect();
  arm_timer(kAttemptMs);
}

/// Moves what the socket has into events_. A connection's end is settled only when its messages
/// have been taken, and its messages only when the notes about its start have been.
void ZmqChannel::gather() {
  std::vector<RawMessage> messages;
  std::vector<SocketNote> notes;
  std::size_t count_max = kBatchMessagesMax;
  bool lost = true;
  for (int round = 0; lost && round < kGatherRoundsMax; ++round) {
    for (std::size_t taken = 0; taken < count_max; ++taken) {
      std::optional<RawMessage> message = socket_->take_message();
      if (!message) break;
      messages.push_back(std::move(*message));
    }
    lost = false;
    while (std::optional<SocketNote> note = socket_->take_note()) {
      lost = lost || note->kind == SocketNote::Kind::kDisconnected;
      notes.push_back(std::move(*note));
    }
    count_max = kDrainMessagesMax;
  }
  for (const SocketNote& note : notes) {
    if (note.kind != SocketNote::Kind::kHandshakeFailed) continue;
    ChannelEvent event = make_event(ChannelEvent::Kind::kHandshakeFailed, {});
    event.reason = note.reason;
    events_.push_back(std::move(event));
  }
  if (listening_) {
    peers_.settle(std::move(messages), notes, events_);
  } else {
    settle_connecting(std::move(messages), notes);
  }
}

/// The server speaks only when spoken to, and we speak only after kConnected: whatever came before
/// the notes of this round belongs to the connection that was there before them.
void ZmqChannel::settle_connecting(std::vector<RawMessage> messages,
                                   const std::vector<SocketNote>& notes) {
  if (server_ != PeerId{}) {
    for (RawMessage& message : messages) {
      ChannelEvent event = make_event(ChannelEvent::Kind::kMessage, server_);
      event.bytes = std::move(message.bytes);
      event.peer_address = std::move(message.peer_address);
      events_.push_back(std::move(event));
    }
  }
  for (const SocketNote& note : notes) {
    const bool handshaken = note.kind == SocketNote::Kind::kHandshaken;
    const bool lost = note.kind == SocketNote::Kind::kDisconnected;
    if (server_ != PeerId{} && (lost || handshaken)) {
      events_.push_back(make_event(ChannelEvent::Kind::kDisconnected, server_));
      server_ = {};
    }
    if (server_ == PeerId{}) arm_timer(kPauseMs);
    if (!handshaken) continue;
    arm_timer(0);
    server_ = {++last_server_};
    events_.push_back(make_event(ChannelEvent::Kind::kConnected, server_));
  }
}

/// The library signals a change once, and any call may swallow the signal. So that descriptor() can
/// be polled like any other, what is left over keeps our own eventfd readable.
void ZmqChannel::update_wakeup() {
  const bool input = socket_->has_input();
  const bool ready = input || !events_.empty();
  if (ready == awake_) return;
  std::uint64_t count = 1;
  const ssize_t done = ready ? ::write(wakeup_.get(), &count, sizeof count)
                             : ::read(wakeup_.get(), &count, sizeof count);
  FTVM_ASSERT(done == sizeof count);
  awake_ = ready;
}

std::optional<ChannelEvent> ZmqChannel::pop_event() {
  if (events_.empty()) return std::nullopt;
  std::optional<ChannelEvent> event(std::move(events_.front()));
  events_.pop_front();
  return event;
}

std::optional<ChannelEvent> ZmqChannel::receive() {
  if (events_.empty()) {
    gather();
    try_again();
  }
  std::optional<ChannelEvent> event = pop_event();
  update_wakeup();
  return event;
}

Status ZmqChannel::send(PeerId peer, ByteView bytes) {
  FTVM_ASSERT(bytes.size() <= kWireMessageBytesMax);
  const Error closed(ErrorCode::kClosed, "the peer is gone");
  const std::string* routing_id = listening_ ? peers_.routing_id(peer) : nullptr;
  if (listening_ && routing_id == nullptr) return closed;
  if (!listening_ && (peer == PeerId{} || peer != server_)) return closed;
  Status status = socket_->send(routing_id == nullptr ? std::string() : *routing_id, bytes);
  update_wakeup();
  return status;
}

void ZmqChannel::drop(PeerId peer) {
  if (peer == PeerId{}) return;
  std::erase_if(events_, [peer](const ChannelEvent& event) { return event.peer == peer; });
  if (listening_) {
    peers_.drop(peer);
  } else if (peer == server_) {
    server_ = {};
    socket_->reconnect();
    arm_timer(kAttemptMs);
  }
  update_wakeup();
}

Result<std::unique_ptr<ZmqChannel>> ZmqChannel::open(const ZmqChannelOptions& options,
                                                     bool listening) {
  FTVM_TRY(check_options(options, listening));
  ZmqSocketOptions socket_options;
  socket_options.address = options.address;
  socket_options.listening = listening;
  socket_options.key = options.key;
  socket_options.send_queue_messages_max = options.send_queue_messages_max;
  socket_options.linger_ms = options.linger_ms;
  socket_options.receive_queue_messages_max =
      listening ? kListenReceiveQueueMax : kConnectReceiveQueueMax;
  socket_options.message_bytes_max = listening ? kWireSmallMessageBytesMax : kWireMessageBytesMax;
  ScopedFd lock;
  if (listening && options.address.kind == ChannelAddress::Kind::kIpc) {
    lock = FTVM_TRY(lock_socket_path(options.address.path, "channel"));
  }
  std::unique_ptr<ZmqSocket> socket = FTVM_TRY(ZmqSocket::open(socket_options));
  std::unique_ptr<ZmqChannel> self(new ZmqChannel(std::move(socket), listening));
  self->lock_ = std::move(lock);
  FTVM_TRY(self->open_descriptors());
  return self;
}

Result<std::unique_ptr<ZmqChannel>> ZmqChannel::listen(const ZmqChannelOptions& options) {
  return open(options, true);
}
Result<std::unique_ptr<ZmqChannel>> ZmqChannel::connect(const ZmqChannelOptions& options) {
  return open(options, false);
}

}  // namespace ftvm::ftcore
