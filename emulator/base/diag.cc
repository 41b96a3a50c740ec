// Builds each line in a fixed buffer inside the event, so that reporting an error neither
// allocates nor throws, and hands it over with one write(2). No clock: base has none.
#include "emulator/base/diag.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <concepts>
#include <utility>

#include "emulator/base/thread_annotations.h"

namespace ftvm {
namespace {

constexpr std::string_view kCutTail = ",\"cut\":true";
constexpr std::string_view kLineTail = "}\n";
/// What values may fill; the rest is kept for the tails and for the quote closing a cut string.
constexpr std::size_t kBodyBytesMax = kDiagLineBytesMax - kCutTail.size() - kLineTail.size() - 1;

/// The last lines, in a ring that needs no allocation when the process is in trouble.
struct Recent {
  struct Line {
    std::size_t size = 0;
    std::array<char, kDiagLineBytesMax> text;
  };
  Mutex mutex;
  std::array<Line, kDiagRecentLines> lines FTVM_GUARDED_BY(mutex);
  std::size_t next FTVM_GUARDED_BY(mutex) = 0;  // Slot of the oldest line.
};

struct Observer {
  Mutex mutex;
  std::function<void(DiagLevel, std::string_view)> function FTVM_GUARDED_BY(mutex);
  std::atomic<bool> present{false};
};

/// Set before threads start (see diag_configure), read by all.
struct Sink {
  int fd = -1;
  DiagLevel from = DiagLevel::kInfo;
  std::string node;
};

// Diagnostics are the one thing that any code may reach without being handed it. These live in
// functions, and for ever, so that they work before main and after it.
Recent& recent() {
  static Recent* const instance = new Recent;
  return *instance;
}
Observer& observer() {
  static Observer* const instance = new Observer;
  return *instance;
}
Sink& sink() {
  static Sink* const instance = new Sink;
  return *instance;
}

std::string_view level_name(DiagLevel level) {
  switch (level) {
    case DiagLevel::kDebug:
      return "debug";
    case DiagLevel::kInfo:
      return "info";
    case DiagLevel::kWarn:
      return "warn";
    case DiagLevel::kError:
      return "error";
  }
  return "unknown";
}

/// A lost line is lost: there is nowhere to report it. EINTR means that nothing was written.
void write_once(int fd, std::string_view text) {
  while (::write(fd, text.data(), text.size()) < 0 && errno == EINTR) {
  }
}

/// Length of the well-formed UTF-8 sequence at the front of `text`, 0 if there is none.
/// Source: Unicode standard 15, table 3-7.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                             : lead >= 0xe0 && lead <= 0xef ? 3
                             : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                            : 0;
  if (length == 0 || text.size() < length) return 0;
  // The second byte excludes overlong forms, surrogates and values above U+10FFFF.
  const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

template <std::integral Integer>
std::string_view decimal(std::array<char, 24>& buffer, Integer value) {
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return {buffer.data(), static_cast<std::size_t>(end - buffer.data())};
}

void keep_recent(std::string_view line) {
  Recent& ring = recent();
  const MutexLock lock(ring.mutex);
  Recent::Line& slot = ring.lines[ring.next];
  slot.size = line.copy(slot.text.data(), slot.text.size());
  ring.next = (ring.next + 1) % kDiagRecentLines;
}

void show_observer(DiagLevel level, std::string_view line) {
  Observer& test = observer();
  const MutexLock lock(test.mutex);
  if (test.function) test.function(level, line);
}

}  // namespace

DiagEvent::DiagEvent(DiagLevel level, std::string_view name) noexcept
    : level_(level), enabled_(level >= sink().from || observer().present.load()) {
  if (!enabled_) return;
  append("{\"level\":");
  append_quoted(level_name(level));
  append(",\"event\":");
  append_quoted(name);
  kv("node", sink().node);
}

DiagEvent::~DiagEvent() {
  if (!enabled_) return;
  for (const std::string_view tail : {cut_ ? kCutTail : std::string_view(), kLineTail}) {
    size_ += tail.copy(line_.data() + size_, line_.size() - size_);
  }
  const int errno_before = errno;
  const std::string_view line(line_.data(), size_);
  if (level_ >= sink().from) {
    keep_recent(line);
    if (sink().fd >= 0) write_once(sink().fd, line);
  }
  if (observer().present.load()) show_observer(level_, line.substr(0, line.size() - 1));
  errno = errno_before;
}

DiagEvent& DiagEvent::kv(std::string_view key, std::string_view value) noexcept {
  const std::size_t size_before = size_;
  if (!enabled_ || cut_) return *this;
  if (append_key(key)) {
    append_quoted(value);
  } else {
    size_ = size_before;
  }
  return *this;
}

DiagEvent& DiagEvent::boolean(std::string_view key, bool value) noexcept {
  return raw(key, value ? "true" : "false");
}

DiagEvent& DiagEvent::number(std::string_view key, std::int64_t value) noexcept {
  std::array<char, 24> buffer;
  return raw(key, decimal(buffer, value));
}
DiagEvent& DiagEvent::number(std::string_view key, std::uint64_t value) noexcept {
  std::array<char, 24> buffer;
  return raw(key, decimal(buffer, value));
}

/// A number or a literal is whole or not there.
DiagEvent& DiagEvent::raw(std::string_view key, std::string_view json) noexcept {
  const std::size_t size_before = size_;
  if (!enabled_ || cut_) return *this;
  if (!append_key(key) || !append(json)) size_ = size_before;
  return *this;
}

bool DiagEvent::append_key(std::string_view key) noexcept {
  return append(",") && append_quoted(key) && append(":");
}

bool DiagEvent::append(std::string_view text) noexcept {
  if (size_ + text.size() > kBodyBytesMax) {
    cut_ = true;
    return false;
  }
  size_ += text.copy(line_.data() + size_, text.size());
  return true;
}

/// Stops between two characters when the line is full, and closes the quote in any case. Returns
/// false when something was cut.
bool DiagEvent::append_quoted(std::string_view text) noexcept {
  static constexpr std::string_view kHex = "0123456789abcdef";
  bool whole = append("\"");
  if (!whole) return false;
  while (whole && !text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto code = static_cast<unsigned char>(text.front());
    if (length == 0) {
      whole = append("\\ufffd");
    } else if (code == '"' || code == '\\') {
      const char escaped[] = {'\\', text.front()};
      whole = append({escaped, 2});
    } else if (code < 0x20 || code == 0x7f) {
      const char escaped[] = {'\\', 'u', '0', '0', kHex[code >> 4], kHex[code & 15]};
      whole = append({escaped, 6});
    } else {
      whole = append(text.substr(0, length));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  // kBodyBytesMax leaves one byte for this quote.
  line_[size_++] = '"';
  return whole;
}

void diag_configure(int fd, DiagLevel from, std::string node) {
  sink() = {.fd = fd, .from = from, .node = std::move(node)};
}

void diag_observe(std::function<void(DiagLevel, std::string_view)> function) {
  Observer& test = observer();
  const MutexLock lock(test.mutex);
  test.present = function != nullptr;
  test.function = std::move(function);
}

void diag_write_recent(int fd) noexcept {
  Recent& ring = recent();
  const MutexLock lock(ring.mutex);
  for (std::size_t i = 0; i < kDiagRecentLines; ++i) {
    const Recent::Line& line = ring.lines[(ring.next + i) % kDiagRecentLines];
    if (line.size > 0) write_once(fd, {line.text.data(), line.size});
  }
}

}  // namespace ftvm
