#include "devices/host/console_escape.h"

namespace ftvm::devices::host {
namespace {

constexpr std::uint8_t kEscape = 0x01;  // Ctrl-A.

}  // namespace

ConsoleEscape::Wish ConsoleEscape::filter(ByteView typed, Bytes& out) {
  Wish wish = Wish::kNone;
  for (const std::uint8_t byte : typed) {
    if (!after_escape_) {
      after_escape_ = byte == kEscape;
      if (!after_escape_) out.push_back(byte);
      continue;
    }
    after_escape_ = false;
    switch (byte) {
      case 'x':
      case 'X':
        return Wish::kQuit;
      case 'h':
      case '?':
        wish = Wish::kHelp;
        break;
      case kEscape:
      case 'a':
        out.push_back(kEscape);
        break;
      default:
        out.push_back(kEscape);
        out.push_back(byte);
    }
  }
  return wish;
}

}  // namespace ftvm::devices::host
