// A node's half of the protocol, whichever it is: what it is told, and what it decides.
//
// Pure: no thread, no clock, no socket. Its owner calls one on_...() at a time, always with the
// host time, then takes poll_actions() and carries them out in order.
//
// Source: Scales, Nelson, Venkitachalam (2010), section 2; ftcore/README.md.
#pragma once

#include <string>
#include <vector>

#include "emulator/base/units.h"
#include "emulator/world.h"
#include "ftcore/protocol/action.h"
#include "ftcore/protocol/message.h"
#include "ftcore/protocol/role.h"
#include "replay/record.h"

namespace ftvm::ftcore {

class Session {
 public:
  virtual ~Session() = default;

  // From the other side. A message comes from any connection; a close is that of the peer.
  virtual void on_message(const Message& message, HostTime now) = 0;
  virtual void on_channel_closed(HostTime now) = 0;
  /// `arrived`: when the heartbeat thread had it.
  virtual void on_heartbeat(const Heartbeat& heartbeat, HostTime arrived) = 0;
  /// At next_due(), and whenever it suits.
  virtual void on_tick(HostTime now) = 0;
  /// When on_tick() has something to do. Any other call may make it earlier.
  [[nodiscard]] virtual HostTime next_due() const = 0;

  // From this side's machine, in the order in which they happen. What only one half is told, the
  // other ignores.
  /// Of a primary: each record as it is appended to the journal.
  virtual void on_record(const replay::Record& /*record*/, HostTime /*now*/) {}
  /// Of a live node: an output whose OutputMark is record `mark`, after on_record of it. Of a
  /// backup: one of its machine's own, equal to its mark.
  virtual void on_output(JournalSeq mark, Output output, HostTime now) = 0;
  /// Of a live node: the vCPU stands at `tick`; everything recorded before that tick was handed to
  /// on_record.
  virtual void on_progress(Tick tick, HostTime now) = 0;
  /// Of a backup: the machine stands at `executed` and has taken, or been compared with, every
  /// record up to `consumed`.
  virtual void on_executed(Tick /*executed*/, JournalSeq /*consumed*/, HostTime /*now*/) {}
  /// Of a backup: answer to Drain.
  virtual void on_drained(HostTime /*now*/) {}
  /// Of a backup: the machine computed something else than its journal says, and where.
  virtual void on_diverged(const std::string& /*text*/, HostTime /*now*/) {}
  /// The run is over, after on_record of its End. A failed node (no End) may say so too; so does a
  /// backup whose run ended before its primary was lost.
  virtual void on_end(EndReason reason, HostTime now) = 0;
  /// Of a primary: somebody who outlives this process has every output up to this mark. Range:
  /// never falls; only outputs that were released.
  virtual void on_confirmed(JournalSeq /*mark*/, HostTime /*now*/) {}

  // Answers to actions. One that was not asked for is ignored.
  virtual void on_slot(Epoch /*epoch*/, SlotAnswer /*answer*/, HostTime /*now*/) {}
  virtual void on_arbiter(Epoch epoch, ArbiterAnswer answer, HostTime now) = 0;

  // From the operator.
  [[nodiscard]] virtual bool can_pause() const = 0;
  virtual void on_pause(bool paused, HostTime now) = 0;
  /// A hand-over has somebody to go to.
  [[nodiscard]] virtual bool can_hand_over() const { return false; }
  /// Give up waiting for the arbiter. Anywhere else a run is ended by its machine: see on_end.
  virtual void on_leave(HostTime now) = 0;

  /// What is to be done, in order; each action is given once.
  virtual std::vector<Action> poll_actions() = 0;

  [[nodiscard]] virtual Role role() const = 0;
  [[nodiscard]] virtual Epoch epoch() const = 0;
  /// The vCPU stands still on purpose: what every heartbeat must say.
  [[nodiscard]] virtual bool paused() const = 0;
  /// Last record of this node's own that outlives it, whatever happens: an input up to there was
  /// taken, and need not be typed again. 0 when there is none.
  [[nodiscard]] virtual JournalSeq kept() const = 0;
};

}  // namespace ftvm::ftcore
