// Places in a node's run where a fault can strike exactly, each counted from 1 on its own side.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ftvm::ftcore::sim {

enum class Moment : std::uint8_t {
  kTick,           // The vCPU stands at this tick or beyond, and nobody was told.
  kRecordMade,     // This record was appended; the session has not heard of it.
  kOutputMade,     // The mark of this output is in the session, the output is not.
  kOutputHeld,     // The output is held; what was sent of its mark may arrive or not.
  kMayLeave,       // The gate gave it out; it is not on the wire.
  kLeft,           // It is on the wire, and nothing else has happened.
  kMessageToSend,  // The session has decided to send this message.
  kMessageCame,    // It is in this node's memory, and the session has not seen it.
  kArbiterAsked,   // The question is on its way.
  kArbiterSaid,    // The answer is here, and the session has not heard it.
  kLive,           // It went live, and its machine does not know yet.
};
inline constexpr std::array<std::string_view, 11> kMomentNames{
    "tick", "record_made",     "output_made",  "output_held",   "may_leave",
    "left", "message_to_send", "message_came", "arbiter_asked", "arbiter_said",
    "live"};

constexpr std::string_view moment_name(Moment moment) {
  return kMomentNames[static_cast<std::size_t>(moment)];
}

}  // namespace ftvm::ftcore::sim
