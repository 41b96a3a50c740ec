// One peer message of each kind, for tests of the codec, the channel and the fuzz corpus.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ftcore/protocol/message.h"
#include "tests/unit/ftcore/transport_test_util.h"

namespace ftvm::ftcore {

inline replay::MachineIdentity test_identity() {
  replay::MachineIdentity identity;
  identity.ftvm_version = "0.1.0";
  identity.engine_version = "2.1.4";
  identity.ram_bytes = 64u << 20;
  identity.board = "pc ram=64M";
  identity.command_line = "console=ttyS0 panic=-1";
  identity.kernel = {{1, 2}};
  identity.initramfs = {{3, 4}};
  identity.boot_unix_s = -5;
  identity.entropy_seed = 0x0123456789abcdef;
  identity.clock = replay::ClockMode::kHost;
  identity.libm_probe = 99;
  return identity;
}

/// One record of each kind, numbered from 40.
inline std::vector<replay::Record> test_records() {
  const std::vector<std::pair<Endpoint, replay::RecordBody>> bodies{
      {Endpoint::kClock, ClockSync{{5}, 1000}},
      {Endpoint::kConsole, ConsoleBytes{7, {'h', 'i'}}},
      {Endpoint::kNet0, NetFrame{{1, 2, 3}}},
      {Endpoint::kDisk0, DiskDone{9, -5, {}}},
      {Endpoint::kPower, Control::kPowerButton},
      {Endpoint::kConsole, replay::OutputMark{Endpoint::kConsole, 12, 0xfeed}},
      {Endpoint::kPower, replay::DigestMark{3, {{8, 9}}}},
      {Endpoint::kPower, replay::Protected{{4}}},
      {Endpoint::kPower, replay::Alone{{5}}},
      {Endpoint::kPower, replay::End{EndReason::kPowerOff, {{10, 11}}}}};
  std::vector<replay::Record> records;
  for (const auto& [endpoint, body] : bodies) {
    const std::uint64_t n = records.size();
    records.push_back({{40 + n}, {1000 + 10 * n}, endpoint, body});
  }
  return records;
}

/// A message of every kind, twice where there is something to choose.
inline std::vector<Message> test_messages() {
  Hello hello;
  hello.incarnation = test_uuid(4);
  hello.identity = test_identity();
  hello.start_seq = {17};
  hello.start_snapshot = {{5, 6}};
  hello.arbiter = "file:/mnt/shared";
  Welcome welcome;
  welcome.pair = test_uuid(1);
  welcome.session = test_uuid(2);
  welcome.incarnation = test_uuid(3);
  welcome.epoch = {7};
  welcome.heartbeat_key.fill(0xa5);
  welcome.heartbeat_port = 65535;
  welcome.boot_unix_s = 1'700'000'000;
  std::vector<Message> messages;
  messages.push_back({Uuid{}, Uuid{}, Epoch{}, hello});
  hello.takes_time = true;
  hello.identity.boot_unix_s = 0;
  messages.push_back({Uuid{}, Uuid{}, Epoch{}, hello});
  messages.push_back({Uuid{}, Uuid{}, Epoch{}, Refuse{"the kernels differ: ü"}});
  const auto add = [&messages](auto body) {
    messages.push_back({test_uuid(1), test_uuid(2), Epoch{7}, std::move(body)});
  };
  add(welcome);
  add(Joined{40'000});
  add(Refuse{"no"});
  add(Records{test_records()});
  add(Progress{{123'456'789}, {41}, 60'000'000});
  add(Progress{Tick::never(), {}});
  add(Ack{{41}, {1010}, 1u << 20, 30'500, 45'000});
  add(Keepalive{false});
  add(Keepalive{true});
  add(Bye{""});
  add(HigherEpoch{{8}});
  add(Confirmed{{40}});
  return messages;
}

}  // namespace ftvm::ftcore
