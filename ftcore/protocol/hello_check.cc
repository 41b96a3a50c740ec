#include "ftcore/protocol/hello_check.h"

#include "replay/identity.h"

namespace ftvm::ftcore {
namespace {

Error mismatch(const std::string& field, const std::string& theirs, const std::string& mine) {
  return Error(ErrorCode::kMismatch,
               field + ": the backup has " + theirs + ", the primary has " + mine);
}
Error bad_welcome(const char* what) {
  return Error(ErrorCode::kBadData, std::string("the primary's welcome: ") + what);
}

}  // namespace

Status check_hello(const Hello& theirs, const Hello& mine) {
  if (theirs.protocol_version != mine.protocol_version) {
    return mismatch("protocol version", std::to_string(theirs.protocol_version),
                    std::to_string(mine.protocol_version));
  }
  if (theirs.incarnation.is_zero()) {
    return Error(ErrorCode::kMismatch, "incarnation: the backup has none");
  }
  if (theirs.incarnation == mine.incarnation) {
    return Error(ErrorCode::kMismatch, "incarnation: the primary is talking to itself");
  }
  replay::MachineIdentity wanted = mine.identity;
  if (theirs.takes_time) wanted.boot_unix_s = theirs.identity.boot_unix_s;
  FTVM_TRY(replay::check_identity(theirs.identity, wanted));
  if (theirs.start_seq != mine.start_seq) {
    return mismatch("start record", std::to_string(theirs.start_seq.value),
                    std::to_string(mine.start_seq.value));
  }
  if (theirs.start_snapshot != mine.start_snapshot) {
    return mismatch("start snapshot", theirs.start_snapshot.hex(), mine.start_snapshot.hex());
  }
  // Two arbiters would both say "won".
  if (theirs.arbiter != mine.arbiter) return mismatch("arbiter", theirs.arbiter, mine.arbiter);
  return {};
}

Status check_welcome(const Welcome& welcome) {
  if (welcome.pair.is_zero()) return bad_welcome("no pair");
  if (welcome.session.is_zero()) return bad_welcome("no session");
  if (welcome.incarnation.is_zero()) return bad_welcome("no incarnation");
  if (welcome.epoch.value == 0) return bad_welcome("epoch 0 is never protected");
  if (welcome.detection_ms < kDetectionMsMin || welcome.detection_ms > kDetectionMsMax) {
    return bad_welcome("detection time out of range");
  }
  if (welcome.heartbeat_ms == 0 || welcome.heartbeat_ms > welcome.detection_ms / 2) {
    return bad_welcome("heartbeat period out of range");
  }
  return {};
}

}  // namespace ftvm::ftcore
