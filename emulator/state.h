// State of a model, walked once: saving, loading and digesting are three visitors. A field missing
// in a visit_state is missing from all three, which the snapshot tests notice. Options are not
// state: they live in the journal header.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "emulator/base/units.h"

namespace ftvm {

/// Visits fields in order. `name` is for divergence reports and for refusing a snapshot by name; it
/// need not be unique. Lifetime: names are string literals or
/// outlive the visit.
class StateVisitor {
 public:
  virtual ~StateVisitor() = default;

  /// Opens a group; names nest ("uart0.ier"). Closed by leave().
  virtual void enter(std::string_view group) = 0;
  virtual void leave() = 0;

  /// The one primitive: the low `size_bytes` (1, 2, 4 or 8) of `value`; the bytes above are zero.
  virtual void scalar(std::string_view name, std::uint64_t& value, unsigned size_bytes) = 0;
  /// A byte string of variable length, at most `max_bytes` long when loaded.
  virtual void blob(std::string_view name, Bytes& value, std::size_t max_bytes) = 0;

  /// Called by a model after the fields it is about: whether their values are ones it can hold. A
  /// loader turns a false into its error; the model is then not to be used.
  virtual void check(std::string_view name, bool holds) {
    (void)name;
    (void)holds;
  }

  template <class T>
  requires(std::is_integral_v<T> || std::is_enum_v<T>) void field(std::string_view name, T& value) {
    std::uint64_t wide = static_cast<std::uint64_t>(value);
    if constexpr (sizeof(T) < 8) wide &= (std::uint64_t{1} << (8 * sizeof(T))) - 1;
    scalar(name, wide, sizeof(T));
    value = static_cast<T>(wide);
  }
  void field(std::string_view name, Tick& value) { scalar(name, value.value, 8); }
  void field(std::string_view name, GuestTime& value) { scalar(name, value.ns, 8); }
  template <class T, std::size_t n>
  void field(std::string_view name, std::array<T, n>& values) {
    for (T& value : values) field(name, value);
  }
};

/// Writes fields as a flat little-endian string with names left out: a scalar is its `size_bytes`
/// bytes, a blob its length as u32 and then its bytes.
class StateSaver final : public StateVisitor {
 public:
  explicit StateSaver(Bytes& out) : writer_(out) {}
  void enter(std::string_view) override {}
  void leave() override {}
  void scalar(std::string_view name, std::uint64_t& value, unsigned size_bytes) override;
  void blob(std::string_view name, Bytes& value, std::size_t max_bytes) override;

 private:
  ByteWriter writer_;
};

/// Reads what StateSaver wrote. Errors: sticky; check finish() (kBadData: too short, too long, a
/// blob over its bound, a check that does not hold). After an error fields keep their values.
class StateLoader final : public StateVisitor {
 public:
  explicit StateLoader(ByteView in) : reader_(in) {}
  void enter(std::string_view group) override { groups_.push_back(group); }
  void leave() override { groups_.pop_back(); }
  void scalar(std::string_view name, std::uint64_t& value, unsigned size_bytes) override;
  void blob(std::string_view name, Bytes& value, std::size_t max_bytes) override;
  void check(std::string_view name, bool holds) override;
  /// Everything was read and nothing was left over.
  Status finish();

 private:
  void fail(std::string_view name, std::string_view why);
  ByteReader reader_;
  std::vector<std::string_view> groups_;
  std::string error_;  // Empty while all is well.
};

/// Lists fields as ("group.name", value), for divergence reports. Scalars are hexadecimal, blobs
/// their hex digits or, when long, length and digest.
class StatePrinter final : public StateVisitor {
 public:
  struct Line {
    std::string name;
    std::string value;
  };
  void enter(std::string_view group) override;
  void leave() override;
  void scalar(std::string_view name, std::uint64_t& value, unsigned size_bytes) override;
  void blob(std::string_view name, Bytes& value, std::size_t max_bytes) override;
  [[nodiscard]] const std::vector<Line>& lines() const { return lines_; }

 private:
  void add(std::string_view name, std::string value);
  std::vector<std::string_view> groups_;
  std::vector<Line> lines_;
};

}  // namespace ftvm
