// The connection of a pair: messages as bytes, in order, late by a drawn time, until it breaks. It
// loses what a real one loses: what a dying process had not yet given to its kernel, what was under
// way when the connection was reset. Nothing overtakes, and nothing vanishes from the middle.
//
// Who connects tries again for ever, so a while after a connection has ended there is another one,
// if both processes live. Source: tcp(7); what ZeroMQ adds is docs/formats/wire.md.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "emulator/base/bytes.h"
#include "emulator/base/prng.h"
#include "ftcore/sim/event_queue.h"
#include "ftcore/sim/side.h"
#include "ftcore/sim/sim_process.h"

namespace ftvm::ftcore::sim {

class SimChannel {
 public:
  struct Options {
    /// How long a message may stay with the process that sent it, and dies with it.
    std::int64_t leave_ns_max = 200 * kNsPerUs;
    std::int64_t latency_ns_min = 50 * kNsPerUs;
    std::int64_t latency_ns_max = 500 * kNsPerUs;
    /// Between two connections: up to so long.
    std::int64_t reconnect_ns_max = 100 * kNsPerMs;
    /// Messages on their way to one side; one more is an error of send().
    std::size_t queue_messages_max = 4096;
  };
  /// Lifetime: borrowed. Calls come through the process, so a dead one hears nothing.
  struct End {
    SimProcess* process = nullptr;
    std::function<void(const Bytes&)> on_message;
    std::function<void()> on_closed;
    std::function<void()> on_connected;  // Anew.
  };

  SimChannel(EventQueue& events, Prng random, Options options)
      : events_(events), random_(random), options_(options) {}
  void attach(Side side, End end) { ends_[side] = std::move(end); }

  [[nodiscard]] bool open() const { return open_; }
  /// False: there is no connection, or nobody takes what is on its way.
  bool send(Side from, Bytes message);
  /// An orderly close: what was sent before still arrives.
  void close(Side from);

  // Faults.

  /// A reset: what is under way is lost, and both hear of it.
  void reset();
  /// Nothing arrives at this side before `until`; then everything does.
  void stall(Side to, HostTime until);
  /// A bit of the next message to this side is wrong when it arrives.
  void corrupt_next(Side to) { ways_[to].corrupt = true; }
  /// After the process was killed, or its host was lost.
  void on_death(Side side);

 private:
  struct Flight {
    HostTime leaves;
    HostTime arrives;
    Bytes message;
  };
  /// To one side.
  struct Way {
    std::deque<Flight> flights;
    HostTime last;                           // Arrival of the last one: nothing overtakes it.
    HostTime stalled_until;                  // Nothing arrives before.
    HostTime pumped_at = HostTime::never();  // When the next look is due.
    bool corrupt = false;
    bool close_behind = false;  // The other side is gone behind the last flight.
  };

  void pump(Side to);
  void pump_at(Side to, HostTime when);
  void arrive(Side to, Bytes message);
  void tell_closed(Side to);
  void connect_later();
  void connect();

  EventQueue& events_;
  Prng random_;
  Options options_;
  PerSide<End> ends_;
  PerSide<Way> ways_;
  bool open_ = true;
};

}  // namespace ftvm::ftcore::sim
