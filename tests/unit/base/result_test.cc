// Result, Error and FTVM_TRY.
#include "emulator/base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>

namespace ftvm {
namespace {

Result<int> parse_digit(char c) {
  if (c < '0' || c > '9') return Error(ErrorCode::kBadData, "not a digit");
  return c - '0';
}
Result<int> sum_of_digits(std::string_view text) {
  int sum = 0;
  for (const char c : text) sum += FTVM_TRY(parse_digit(c));
  return sum;
}
Status all_digits(std::string_view text) {
  FTVM_TRY(sum_of_digits(text));
  return {};
}
Status all_digits_twice(std::string_view text) {
  FTVM_TRY(all_digits(text));
  FTVM_TRY(all_digits(text));
  return {};
}
Result<std::unique_ptr<int>> boxed(bool works) {
  if (!works) return Error(ErrorCode::kIo, "no box");
  return std::make_unique<int>(7);
}
Result<int> unboxed(bool works) {
  const std::unique_ptr<int> box = FTVM_TRY(boxed(works));
  return *box;
}

TEST(Result, HoldsEitherAValueOrAnError) {
  const Result<int> good = parse_digit('4');
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(*good, 4);
  const Result<int> bad = parse_digit('x');
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code(), ErrorCode::kBadData);
}

TEST(Result, TryYieldsTheValueOrReturnsTheError) {
  EXPECT_EQ(sum_of_digits("123").value(), 6);
  const Result<int> bad = sum_of_digits("12x");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message(), "not a digit");
}

TEST(Result, TryCarriesAnErrorAcrossValueTypes) {
  EXPECT_TRUE(all_digits_twice("99").has_value());
  const Status bad = all_digits_twice("9-");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code(), ErrorCode::kBadData);
}

TEST(Result, TryMovesWhatCannotBeCopied) {
  EXPECT_EQ(unboxed(true).value(), 7);
  EXPECT_EQ(unboxed(false).error().code(), ErrorCode::kIo);
}

TEST(Error, ReadsItsContextsFromTheOutsideIn) {
  Error error(ErrorCode::kBadData, "not a bzImage");
  error.context("kernel").context("machine.toml");
  EXPECT_EQ(error.message(), "machine.toml: kernel: not a bzImage");
}

TEST(Error, KnowsWhetherAFaultPlanAskedForIt) {
  Error error(ErrorCode::kIo, "short write");
  EXPECT_FALSE(error.injected);
  error.injected = true;
  const Status status = error;
  EXPECT_TRUE(status.error().injected);
}

TEST(Error, OfErrnoTellsAFullDiskFromOtherFailures) {
  for (const int full : {ENOSPC, EDQUOT}) {
    errno = full;
    EXPECT_EQ(error_from_errno("write").code(), ErrorCode::kNoSpace);
  }
  errno = EIO;
  const Error error = error_from_errno("write");
  EXPECT_EQ(error.code(), ErrorCode::kIo);
  EXPECT_EQ(error.message(), "write: Input/output error");
}

TEST(Error, CodesHaveDistinctNames) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::kDiverged); ++code) {
    names.insert(error_code_name(static_cast<ErrorCode>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(ErrorCode::kDiverged) + 1);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(error_code_name(ErrorCode::kTornTail), "torn_tail");
}

}  // namespace
}  // namespace ftvm
