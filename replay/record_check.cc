#include "replay/record_check.h"

#include <string>
#include <utility>

#include "emulator/clock.h"
#include "emulator/memory.h"

namespace ftvm::replay {
namespace {

constexpr std::int32_t kErrnoMax = 4095;  // As in Linux: errors are -4095 to -1.

template <class Enum>
std::uint64_t number(Enum value) {
  return static_cast<std::uint64_t>(value);
}

// One overload per body.
Status check_body(const ClockSync& body) {
  FTVM_TRY(check_range("base_ns", body.base.ns, 0, GuestTime::never().ns - 1));
  return check_range("ps_per_tick", body.ps_per_tick, 1, kPsPerTickMax);
}
Status check_body(const ConsoleBytes& body) {
  FTVM_TRY(check_range("length", body.bytes.size(), 0, kConsoleBytesMax));
  return check_range("offset", body.offset, 0, ~std::uint64_t{0} - kConsoleBytesMax);
}
Status check_body(const NetFrame& body) {
  return check_range("length", body.bytes.size(), 0, kNetFrameBytesMax);
}
Status check_body(const DiskDone& body) {
  if (body.status > 0 || body.status < -kErrnoMax) {
    return Error(ErrorCode::kBadData,
                 "status is " + std::to_string(body.status) + ", neither 0 nor a negative errno");
  }
  if (body.status < 0 && !body.bytes.empty()) {
    return Error(ErrorCode::kBadData, "a failed disk request carries data");
  }
  return check_range("length", body.bytes.size(), 0, kDiskDoneBytesMax);
}
Status check_body(const Control& body) {
  return check_range("control", number(body), number(Control::kResetButton),
                     number(Control::kPowerButton));
}
Status check_body(const OutputMark& body) {
  return check_range("length", body.length, 0, kOutputLengthMax);
}
Status check_body(const DigestMark& body) {
  return check_range("slice", body.slice, 0, kRamSlices - 1);
}
Status check_body(const Protected&) {
  return {};
}
Status check_body(const Alone&) {
  return {};
}
Status check_body(const End& body) {
  return check_range("reason", number(body.reason), number(EndReason::kPowerOff),
                     number(EndReason::kDeadlock));
}

}  // namespace

std::size_t carried_bytes(const RecordBody& body) {
  if (const auto* console = std::get_if<ConsoleBytes>(&body)) return console->bytes.size();
  if (const auto* net = std::get_if<NetFrame>(&body)) return net->bytes.size();
  if (const auto* disk = std::get_if<DiskDone>(&body)) return disk->bytes.size();
  return 0;
}

Status check_range(std::string_view field, std::uint64_t value, std::uint64_t low,
                   std::uint64_t high) {
  if (value >= low && value <= high) return {};
  return Error(ErrorCode::kBadData, std::string(field) + " is " + std::to_string(value) +
                                        ", not in " + std::to_string(low) + " to " +
                                        std::to_string(high));
}

Status check_record(const Record& record) {
  FTVM_TRY(check_range("seq", record.seq.value, 1, ~std::uint64_t{0} - 1));
  FTVM_TRY(check_range("tick", record.at.value, 0, Tick::never().value - 1));
  FTVM_TRY(check_range("endpoint", number(record.endpoint), number(Endpoint::kConsole),
                       number(Endpoint::kDebug)));
  return std::visit([](const auto& body) { return check_body(body); }, record.body);
}

}  // namespace ftvm::replay
