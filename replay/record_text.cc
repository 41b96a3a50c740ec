#include "replay/record_text.h"

#include <array>

#include "emulator/base/hex.h"

namespace ftvm::replay {
namespace {

std::string bytes_text(std::size_t count) {
  return std::to_string(count) + " bytes";
}

// One overload per body.
std::string text(const ClockSync& body) {
  return "base " + std::to_string(body.base.ns) + " ns, " + std::to_string(body.ps_per_tick) +
         " ps per tick";
}
std::string text(const ConsoleBytes& body) {
  return bytes_text(body.bytes.size()) + " at offset " + std::to_string(body.offset);
}
std::string text(const NetFrame& body) {
  return bytes_text(body.bytes.size());
}
std::string text(const DiskDone& body) {
  return "request " + std::to_string(body.request_id) + ", status " + std::to_string(body.status) +
         ", " + bytes_text(body.bytes.size());
}
std::string text(Control body) {
  return body == Control::kResetButton ? "reset button" : "power button";
}
std::string text(const OutputMark& body) {
  return bytes_text(body.length) + ", hash " + hex(body.hash, 16);
}
std::string text(const DigestMark& body) {
  return "slice " + std::to_string(body.slice) + ", digest " + body.digest.hex();
}
std::string text(const Protected& body) {
  return "epoch " + std::to_string(body.epoch.value);
}
std::string text(const Alone& body) {
  return "epoch " + std::to_string(body.epoch.value);
}
std::string text(const End& body) {
  return std::string(end_reason_name(body.reason)) + ", digest " + body.state.hex();
}

}  // namespace

std::string_view endpoint_name(Endpoint endpoint) {
  switch (endpoint) {
    case Endpoint::kConsole:
      return "console";
    case Endpoint::kNet0:
      return "net0";
    case Endpoint::kDisk0:
      return "disk0";
    case Endpoint::kClock:
      return "clock";
    case Endpoint::kPower:
      return "power";
    case Endpoint::kDebug:
      return "debug";
  }
  return "unknown";
}

std::string describe(const Record& record) {
  const std::string body = std::visit([](const auto& what) { return text(what); }, record.body);
  const bool has_endpoint = is_input(record) || std::holds_alternative<OutputMark>(record.body);
  return has_endpoint ? std::string(endpoint_name(record.endpoint)) + ", " + body : body;
}

}  // namespace ftvm::replay
