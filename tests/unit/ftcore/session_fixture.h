// One session under test, with the other side played by the test: messages in, actions out.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ftcore/protocol/backup_session.h"
#include "ftcore/protocol/primary_session.h"

namespace ftvm::ftcore::test {

inline Uuid id_of(std::uint8_t fill) {
  Uuid id;
  id.bytes.fill(fill);
  return id;
}
inline const Uuid kPair = id_of(1), kPrimaryId = id_of(2), kBackupId = id_of(3);
inline constexpr std::uint64_t kRoom = std::uint64_t{16} << 20;

constexpr HostTime at_ms(std::int64_t ms) {
  return {ms * kNsPerMs};
}

inline replay::Record record(std::uint64_t seq, std::uint64_t tick, replay::RecordBody body) {
  return {JournalSeq{seq}, Tick{tick}, Endpoint::kConsole, std::move(body)};
}
inline replay::RecordBody output_mark() {
  return replay::OutputMark{Endpoint::kConsole, 1, 0};
}
inline Output output(std::uint64_t tick) {
  return {.at = Tick{tick}, .endpoint = Endpoint::kConsole, .bytes = {7}};
}

using Body = decltype(Message::body);

/// One body of each kind, as the other side might say it at a quiet moment.
inline std::vector<Body> every_body() {
  Hello hello;
  hello.incarnation = id_of(9);
  Welcome welcome;
  welcome.pair = kPair;
  welcome.session = id_of(5);
  welcome.incarnation = kPrimaryId;
  welcome.epoch = {1};
  return {hello, welcome,     Joined{},   Refuse{"no"},  Records{},  Progress{},
          Ack{}, Keepalive{}, Bye{"bye"}, HigherEpoch{}, Confirmed{}};
}

/// Collects what a session wants done.
class Actions {
 public:
  explicit Actions(std::vector<Action> actions) : actions_(std::move(actions)) {}

  template <class T>
  [[nodiscard]] const T* find() const {
    for (const Action& action : actions_) {
      if (const auto* found = std::get_if<T>(&action)) return found;
    }
    return nullptr;
  }
  /// The first message sent with this body, if any.
  template <class T>
  [[nodiscard]] const T* sent() const {
    for (const Action& action : actions_) {
      const auto* send = std::get_if<Send>(&action);
      if (send == nullptr) continue;
      if (const auto* body = std::get_if<T>(&send->message.body)) return body;
    }
    return nullptr;
  }
  template <class T>
  [[nodiscard]] std::size_t index_of() const {
    for (std::size_t i = 0; i < actions_.size(); ++i) {
      if (std::holds_alternative<T>(actions_[i])) return i;
    }
    return actions_.size();
  }
  [[nodiscard]] std::size_t released() const {
    std::size_t count = 0;
    for (const Action& action : actions_) {
      if (const auto* release = std::get_if<Release>(&action)) count += release->outputs.size();
    }
    return count;
  }
  [[nodiscard]] std::string halt_reason() const {
    const auto* halt = find<Halt>();
    return halt == nullptr ? "" : halt->reason;
  }
  [[nodiscard]] const std::vector<Action>& all() const { return actions_; }

 private:
  std::vector<Action> actions_;
};

/// A primary, with the test as its backup, arbiter and machine.
struct PrimaryFixture {
  std::int64_t ms = 0;
  std::uint64_t seq = 0;
  std::uint64_t tick = 0;
  Uuid session{};
  PrimarySession primary;

  explicit PrimaryFixture(PrimarySession::Options options = defaults())
      : primary(std::move(options), at_ms(0)) {}
  static PrimarySession::Options defaults() {
    PrimarySession::Options options;
    options.pair = kPair;
    options.incarnation = kPrimaryId;
    options.arbiter = "toy";
    return options;
  }
  static PrimarySession::Options alone() {
    PrimarySession::Options options = defaults();
    options.alone = true;
    return options;
  }

  [[nodiscard]] HostTime now() const { return at_ms(ms); }
  Actions poll() { return Actions(primary.poll_actions()); }
  static Message hello(Uuid incarnation = kBackupId) {
    Hello said;
    said.incarnation = incarnation;
    said.arbiter = "toy";
    return {{}, {}, {}, said};
  }
  [[nodiscard]] Message from_backup(Body body) const {
    return {kPair, session, primary.epoch(), std::move(body)};
  }
  Actions say(Body body) {
    primary.on_message(from_backup(std::move(body)), now());
    return poll();
  }
  Actions ack(std::uint64_t accepted, std::uint64_t executed = 0) {
    return say(Ack{{accepted}, {executed}, kRoom});
  }
  Actions append(replay::RecordBody body) {
    primary.on_record(record(++seq, tick, std::move(body)), now());
    return poll();
  }
  Actions emit() {
    primary.on_record(record(++seq, ++tick, output_mark()), now());
    primary.on_output({seq}, output(tick), now());
    return poll();
  }
  Actions end(EndReason reason) {
    primary.on_record(record(++seq, tick, replay::End{reason, {}}), now());
    primary.on_end(reason, now());
    return poll();
  }
  /// Time passes in steps a failure detector believes; whether the backup is heard is up to `life`.
  Actions pass(std::int64_t for_ms, bool life = true) {
    std::vector<Action> all;
    for (const std::int64_t until = ms + for_ms; ms < until;) {
      ++ms;
      if (life) {
        primary.on_message(from_backup(Keepalive{}), now());
        primary.on_heartbeat({session, primary.epoch(), ++beats, Tick{tick}, false}, now());
      }
      primary.on_tick(now());
      for (Action& action : primary.poll_actions()) all.push_back(std::move(action));
    }
    return Actions(std::move(all));
  }
  void welcome_backup() {
    primary.on_message(hello(), now());
    const Actions actions = poll();
    const Welcome* welcome = actions.sent<Welcome>();
    ASSERT_NE(welcome, nullptr);
    session = welcome->session;
  }
  void join() {
    welcome_backup();
    say(Joined{4242});
    ack(0);
  }
  void protect() {
    join();
    primary.on_slot(primary.epoch(), SlotAnswer::kOpened, now());
    append(replay::Protected{primary.epoch()});
    ack(seq);
  }
  void lose_backup() {
    pass(300, false);
    ASSERT_EQ(primary.role(), Role::kArbitrating);
  }
  Actions arbiter(ArbiterAnswer answer) {
    primary.on_arbiter(primary.epoch(), answer, now());
    return poll();
  }

  std::uint64_t beats = 0;
};

/// A backup, with the test as its primary, arbiter and machine.
struct BackupFixture {
  std::int64_t ms = 0;
  std::uint64_t seq = 0;
  std::uint64_t tick = 0;
  std::uint64_t beats = 0;
  Uuid session = id_of(5);
  Epoch epoch{1};
  BackupSession backup;

  explicit BackupFixture(BackupSession::Options options = defaults())
      : backup(std::move(options), at_ms(0)) {}
  static BackupSession::Options defaults() {
    BackupSession::Options options;
    options.incarnation = kBackupId;
    options.arbiter = "toy";
    return options;
  }

  [[nodiscard]] HostTime now() const { return at_ms(ms); }
  Actions poll() { return Actions(backup.poll_actions()); }
  [[nodiscard]] Message from_primary(Body body) const {
    return {kPair, session, epoch, std::move(body)};
  }
  Actions say(Body body) {
    backup.on_message(from_primary(std::move(body)), now());
    return poll();
  }
  Actions send(replay::RecordBody body) {
    return say(Records{{record(++seq, tick, std::move(body))}});
  }
  [[nodiscard]] Welcome welcome() const {
    Welcome said;
    said.pair = kPair;
    said.session = session;
    said.incarnation = kPrimaryId;
    said.epoch = epoch;
    return said;
  }
  Actions pass(std::int64_t for_ms, bool life = true) {
    std::vector<Action> all;
    for (const std::int64_t until = ms + for_ms; ms < until;) {
      ++ms;
      if (life) {
        backup.on_message(from_primary(Keepalive{}), now());
        backup.on_heartbeat({session, epoch, ++beats, Tick{++tick}, false}, now());
      }
      backup.on_tick(now());
      for (Action& action : backup.poll_actions()) all.push_back(std::move(action));
    }
    return Actions(std::move(all));
  }
  void join() { say(welcome()); }
  void protect() {
    join();
    send(replay::Protected{epoch});
    backup.on_executed({tick}, {seq}, now());
    poll();
  }
  void lose_primary() {
    pass(300, false);
    ASSERT_EQ(backup.role(), Role::kArbitrating);
  }
  Actions drained() {
    backup.on_drained(now());
    return poll();
  }
  Actions arbiter(ArbiterAnswer answer) {
    backup.on_arbiter(epoch, answer, now());
    return poll();
  }
  void go_live() {
    lose_primary();
    drained();
    arbiter(ArbiterAnswer::kWon);
    ASSERT_EQ(backup.role(), Role::kLone);
  }
};

}  // namespace ftvm::ftcore::test
