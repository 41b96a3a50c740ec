#include "ftcore/cli/record_line.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "emulator/base/hex.h"
#include "ftcore/cli/identity_text.h"
#include "replay/journal_codec.h"
#include "replay/record_text.h"

namespace ftvm::cli {
namespace {

using replay::Record;

/// Of the bytes a record carries.
constexpr std::size_t kShownBytesMax = 48;

/// Null for records that carry nothing.
const Bytes* carried(const Record& record) {
  if (const auto* body = std::get_if<ConsoleBytes>(&record.body)) return &body->bytes;
  if (const auto* body = std::get_if<NetFrame>(&record.body)) return &body->bytes;
  if (const auto* body = std::get_if<DiskDone>(&record.body)) return &body->bytes;
  return nullptr;
}

std::optional<JournalSeq> to_seq(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || stop != end || error != std::errc()) return std::nullopt;
  return JournalSeq{value};
}

}  // namespace

std::string record_detail(const Record& record) {
  std::string text = replay::describe(record);
  const Bytes* bytes = carried(record);
  if (bytes == nullptr || bytes->empty()) return text;
  const ByteView shown = ByteView(*bytes).first(std::min(bytes->size(), kShownBytesMax));
  const bool is_text = std::holds_alternative<ConsoleBytes>(record.body);
  text += ", ";
  text += is_text
              ? '"' + one_line({reinterpret_cast<const char*>(shown.data()), shown.size()}) + '"'
              : hex(shown);
  if (shown.size() < bytes->size()) text += "... (xxh128 " + digest_of(*bytes).hex() + ")";
  return text;
}

std::string record_line(const Record& record) {
  char place[64];
  std::snprintf(place, sizeof place, "%8llu %16llu  ",
                static_cast<unsigned long long>(record.seq.value),
                static_cast<unsigned long long>(record.at.value));
  std::string kind(replay::record_kind(record));
  kind.resize(std::max<std::size_t>(kind.size(), 14), ' ');
  return place + kind + record_detail(record);
}

std::string record_json(const Record& record) {
  nlohmann::ordered_json json{{"seq", record.seq.value},
                              {"tick", record.at.value},
                              {"kind", replay::record_kind(record)},
                              {"endpoint", replay::endpoint_name(record.endpoint)},
                              {"text", replay::describe(record)}};
  if (const Bytes* bytes = carried(record)) json["bytes"] = hex(*bytes);
  return json.dump();
}

std::size_t encoded_bytes(const Record& record) {
  // What it adds to a batch that holds another record already.
  std::array<Record, 2> pair{Record{{1}, record.at, Endpoint::kPower, Control::kPowerButton},
                             record};
  pair[1].seq = {2};
  return replay::encode_records(pair).size() - replay::encode_records({pair.data(), 1}).size();
}

Result<SeqRange> parse_seq_range(std::string_view text) {
  SeqRange range;
  if (text.empty()) return range;
  const std::size_t dots = text.find("..");
  const std::string_view from = text.substr(0, dots);
  const std::string_view to = dots == std::string_view::npos ? from : text.substr(dots + 2);
  const auto first = from.empty() ? range.first : to_seq(from);
  const auto last = to.empty() ? range.last : to_seq(to);
  if (!first || !last || *first > *last) {
    return Error(ErrorCode::kUsage,
                 "--records " + std::string(text) + ": use FROM..TO, FROM.., ..TO or one number");
  }
  return SeqRange{*first, *last};
}

}  // namespace ftvm::cli
