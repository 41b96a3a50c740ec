// Result<T>: a value or an Error, spelled like a subset of std::expected (which C++20 lacks).
//
// An Error carries a code, on which a caller may act, and a chain of contexts, which a user reads
// from the outside in: "machine.toml: kernel: not a bzImage (no HdrS magic at 0x202)". No exception
// crosses a function of ours.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ftvm {

/// A code exists only if some caller acts on it differently.
enum class ErrorCode {
  kBadData,   // Bytes from outside that are not what they claim to be.
  kTornTail,  // Good data up to a point, then a cut.
  kMismatch,  // Well-formed, but of another version, board, image, pair or epoch.
  kNotFound,
  kIo,       // The host said no (errno text in the context).
  kNoSpace,  // Disk full: stop at a tick and keep what is whole.
  kClosed,   // The other side went away.
  kTimeout,
  kUnsupported,  // The guest or the user asks for something ftvm does not model.
  kUsage,        // The user's options are off.
  kDiverged,     // A replica computed something else than its journal says.
};

/// Stable lower-case name of a code, for JSON and tests.
std::string_view error_code_name(ErrorCode code);

class Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code) {
    contexts_.push_back(std::move(message));
  }

  [[nodiscard]] ErrorCode code() const { return code_; }
  /// Outermost context first, joined by ": ".
  [[nodiscard]] std::string message() const;
  /// Adds what was being done (or where) in front of the chain.
  Error& context(std::string where) {
    contexts_.push_back(std::move(where));
    return *this;
  }
  /// True when a fault-injection plan asked for this error.
  bool injected = false;

 private:
  ErrorCode code_;
  std::vector<std::string> contexts_;  // Innermost first.
};

/// Error from the current errno; ENOSPC and EDQUOT become kNoSpace.
Error error_from_errno(std::string what);

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Error error)
      : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error)
      : error_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool has_value() const { return error_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  void value() const {}
  void operator*() const {}
  Error& error() & { return std::get<1>(error_); }
  const Error& error() const& { return std::get<1>(error_); }
  Error&& error() && { return std::get<1>(std::move(error_)); }

 private:
  std::variant<std::monostate, Error> error_;
};

using Status = Result<void>;

}  // namespace ftvm

/// Value of a Result, or return its error from the enclosing function. A statement expression,
/// because C++20 has no other way to return from inside an expression; g++ and clang both have it.
#define FTVM_TRY(expression) FTVM_TRY_NAMED_(expression, __COUNTER__)
// Each use names its result anew, so that uses can nest.
#define FTVM_TRY_NAMED_(expression, number) FTVM_TRY_AS_(expression, number)
#define FTVM_TRY_AS_(expression, number)                                               \
  __extension__({                                                                      \
    auto ftvm_try_result_##number = (expression);                                      \
    if (!ftvm_try_result_##number) return std::move(ftvm_try_result_##number).error(); \
    *std::move(ftvm_try_result_##number);                                              \
  })
