// What the codecs of this room share: a generated message to bytes and back, with the rule that
// bytes this version does not understand are refused. The templates name no protobuf type.
#pragma once

#include <string>
#include <string_view>

#include "emulator/base/assert.h"
#include "emulator/base/bytes.h"
#include "emulator/base/digest.h"
#include "emulator/base/result.h"
#include "replay/frame.h"

namespace ftvm::replay {

template <class Message>
Bytes serialize_message(const Message& message) {
  Bytes out(message.ByteSizeLong());
  FTVM_ASSERT(out.size() <= kFramePayloadMax);
  const bool whole = message.SerializeToArray(out.data(), static_cast<int>(out.size()));
  FTVM_ASSERT(whole);
  return out;
}

/// Errors: kBadData for bytes that are no such message.
template <class Message>
Status parse_message(ByteView payload, std::string_view what, Message* message) {
  if (payload.size() <= kFramePayloadMax &&
      message->ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return {};
  }
  return Error(ErrorCode::kBadData, std::string(what) + " is not valid protobuf");
}

/// A field that this version does not know could change the meaning of those it knows.
/// Errors: kBadData.
template <class Message>
Status check_known(const Message& message, std::string_view what) {
  if (message.GetReflection()->GetUnknownFields(message).empty()) return {};
  return Error(ErrorCode::kBadData, std::string(what) + " has a field this version does not know");
}

inline Bytes bytes_of(std::string_view text) {
  return Bytes(text.begin(), text.end());
}

template <class Message>
void set_digest(Message* message, const Digest& digest) {
  message->set_low(digest.words[0]);
  message->set_high(digest.words[1]);
}
template <class Message>
Digest get_digest(const Message& message) {
  return Digest{{message.low(), message.high()}};
}

}  // namespace ftvm::replay
