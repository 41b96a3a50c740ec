// Which marks are confirmed, from how far the console's client has shown the stream.
#include "ftcore/node/output_receipts.h"

#include <gtest/gtest.h>

namespace ftvm::ftcore {
namespace {

Output bytes(Endpoint endpoint, std::size_t count) {
  return {.at = {}, .endpoint = endpoint, .bytes = Bytes(count, 'x')};
}

TEST(OutputReceipts, AnOutputIsConfirmedByItsLastByte) {
  OutputReceipts receipts;
  receipts.start(100);
  receipts.emitted({5}, bytes(Endpoint::kConsole, 10));
  receipts.emitted({9}, bytes(Endpoint::kConsole, 1));
  EXPECT_EQ(receipts.confirmed(0), JournalSeq{0});
  EXPECT_EQ(receipts.confirmed(109), JournalSeq{0});
  EXPECT_EQ(receipts.confirmed(110), JournalSeq{5});
  EXPECT_EQ(receipts.confirmed(109), JournalSeq{5}) << "never falls";
  EXPECT_EQ(receipts.confirmed(4000), JournalSeq{9});
}

TEST(OutputReceipts, WhatNobodyReceivesWaitsForNobodyButWhatIsBeforeIt) {
  OutputReceipts receipts;
  receipts.emitted({1}, bytes(Endpoint::kDebug, 3));
  EXPECT_EQ(receipts.confirmed(0), JournalSeq{1});
  receipts.emitted({2}, bytes(Endpoint::kConsole, 3));
  receipts.emitted({3}, bytes(Endpoint::kDebug, 3));
  EXPECT_EQ(receipts.confirmed(2), JournalSeq{1});
  EXPECT_EQ(receipts.confirmed(3), JournalSeq{3});
}

TEST(OutputReceipts, AnEndpointWithoutReceiptsIsNeverConfirmed) {
  OutputReceipts receipts;
  receipts.emitted({1}, bytes(Endpoint::kConsole, 3));
  receipts.emitted({2}, bytes(Endpoint::kNet0, 60));
  for (std::uint64_t mark = 3; mark < 3 + 2 * OutputReceipts::kPendingMax; ++mark) {
    receipts.emitted({mark}, bytes(Endpoint::kConsole, 1));
  }
  EXPECT_LE(receipts.confirmed(1'000'000), JournalSeq{1});
}

TEST(OutputReceipts, ManyPendingOnesAreConfirmedLaterNotEarlier) {
  OutputReceipts receipts;
  const std::uint64_t count = 3 * OutputReceipts::kPendingMax;
  for (std::uint64_t mark = 1; mark <= count; ++mark) {
    receipts.emitted({mark}, bytes(Endpoint::kConsole, 1));
  }
  JournalSeq before;
  for (std::uint64_t offset = 0; offset <= count; ++offset) {
    const JournalSeq mark = receipts.confirmed(offset);
    EXPECT_LE(mark.value, offset);
    EXPECT_GE(mark, before);
    before = mark;
  }
  EXPECT_EQ(before, JournalSeq{count});
}

}  // namespace
}  // namespace ftvm::ftcore
