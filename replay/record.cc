#include "replay/record.h"

#include <type_traits>

#include "emulator/base/assert.h"

namespace ftvm::replay {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

}  // namespace

bool is_input(const Record& record) {
  return std::visit(
      []<class Body>(const Body&) {
        return std::is_same_v<Body, ClockSync> || std::is_same_v<Body, ConsoleBytes> ||
               std::is_same_v<Body, NetFrame> || std::is_same_v<Body, DiskDone> ||
               std::is_same_v<Body, Control>;
      },
      record.body);
}

Input to_input(const Record& record) {
  FTVM_ASSERT(is_input(record));
  Input input{.at = record.at, .endpoint = record.endpoint, .body = Control::kResetButton};
  std::visit(
      [&input]<class Body>(const Body& body) {
        if constexpr (std::is_constructible_v<decltype(input.body), const Body&>) input.body = body;
      },
      record.body);
  return input;
}

std::string_view record_kind(const Record& record) {
  using std::string_view;
  return std::visit(Overloaded{
                        [](const ClockSync&) -> string_view { return "clock_sync"; },
                        [](const ConsoleBytes&) -> string_view { return "console_bytes"; },
                        [](const NetFrame&) -> string_view { return "net_frame"; },
                        [](const DiskDone&) -> string_view { return "disk_done"; },
                        [](const Control&) -> string_view { return "control"; },
                        [](const OutputMark&) -> string_view { return "output_mark"; },
                        [](const DigestMark&) -> string_view { return "digest_mark"; },
                        [](const Protected&) -> string_view { return "protected"; },
                        [](const Alone&) -> string_view { return "alone"; },
                        [](const End&) -> string_view { return "end"; },
                    },
                    record.body);
}

}  // namespace ftvm::replay
