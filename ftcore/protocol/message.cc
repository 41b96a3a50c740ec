#include "ftcore/protocol/message.h"

#include "emulator/base/hex.h"

namespace ftvm::ftcore {

std::string Uuid::hex() const {
  return ftvm::hex(bytes);
}

}  // namespace ftvm::ftcore
