// The queue between host threads and the vCPU thread.
#include "emulator/base/bounded_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace ftvm {
namespace {

TEST(BoundedQueue, GivesBackItemsInTheOrderTheyCame) {
  BoundedQueue<int> queue(3);
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(queue.try_push(i));
  EXPECT_EQ(queue.try_pop(), 1);
  EXPECT_EQ(queue.try_pop(), 2);
  EXPECT_EQ(queue.try_pop(), 3);
  EXPECT_EQ(queue.try_pop(), std::nullopt);
}

TEST(BoundedQueue, RefusesAtItsLimitAndTakesAgainAfterAPop) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.try_push(1));
  EXPECT_TRUE(queue.try_push(2));
  EXPECT_FALSE(queue.try_push(3));
  EXPECT_EQ(queue.try_pop(), 1);
  EXPECT_TRUE(queue.try_push(4));
  EXPECT_EQ(queue.size(), 2u);
}

TEST(BoundedQueue, LeavesARefusedItemUntouched) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  EXPECT_TRUE(queue.try_push(std::make_unique<int>(1)));
  auto refused = std::make_unique<int>(2);
  EXPECT_FALSE(queue.try_push(std::move(refused)));
  // NOLINTBEGIN(bugprone-use-after-move,clang-analyzer-cplusplus.Move): that it was not is the
  // claim.
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(*refused, 2);
  // NOLINTEND(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
}

TEST(BoundedQueue, CountsWeightsInsteadOfItems) {
  BoundedQueue<std::string> queue(10);
  EXPECT_TRUE(queue.try_push("seven", 7));
  EXPECT_FALSE(queue.try_push("four", 4));
  EXPECT_EQ(queue.room(), 3u);
  EXPECT_TRUE(queue.try_push("three", 3));
  EXPECT_TRUE(queue.try_push("nothing", 0));
  EXPECT_EQ(queue.try_pop(), "seven");
  EXPECT_EQ(queue.room(), 7u);
}

TEST(BoundedQueue, NeverTakesAnItemAboveItsLimit) {
  BoundedQueue<int> queue(4);
  EXPECT_FALSE(queue.try_push(1, 5));
  EXPECT_FALSE(queue.try_push(1, static_cast<std::size_t>(-1)));
  EXPECT_EQ(queue.size(), 0u);
}

TEST(BoundedQueue, DrainAppendsAllAndMakesRoom) {
  BoundedQueue<int> queue(4);
  EXPECT_TRUE(queue.try_push(2, 2));
  EXPECT_TRUE(queue.try_push(3, 2));
  std::vector<int> out{1};
  EXPECT_EQ(queue.drain(out), 2u);
  EXPECT_EQ(out, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(queue.room(), 4u);
  EXPECT_EQ(queue.drain(out), 0u);
}

TEST(BoundedQueue, ClosedTakesNothingButGivesBackTheRest) {
  BoundedQueue<int> queue(4);
  EXPECT_TRUE(queue.try_push(1));
  EXPECT_FALSE(queue.closed());
  queue.close();
  EXPECT_TRUE(queue.closed());
  EXPECT_FALSE(queue.try_push(2));
  EXPECT_EQ(queue.try_pop(), 1);
  EXPECT_EQ(queue.try_pop(), std::nullopt);
}

TEST(BoundedQueue, LosesAndDoublesNothingBetweenThreads) {
  constexpr int kProducers = 3, kConsumers = 2, kItems = 5000;
  struct Item {
    int producer;
    int number;
  };
  BoundedQueue<Item> queue(16);
  std::atomic<int> taken{0};
  std::array<std::atomic<long>, kProducers> sums{};
  std::atomic<bool> in_order{true};

  std::vector<std::thread> threads;
  threads.reserve(kProducers + kConsumers);
  for (int producer = 0; producer < kProducers; ++producer) {
    threads.emplace_back([&, producer] {
      for (int number = 1; number <= kItems; ++number) {
        while (!queue.try_push(Item{producer, number})) std::this_thread::yield();
      }
    });
  }
  for (int consumer = 0; consumer < kConsumers; ++consumer) {
    threads.emplace_back([&, consumer] {
      std::array<int, kProducers> last{};
      const auto take = [&](const Item& item) {
        const auto producer = static_cast<std::size_t>(item.producer);
        // One consumer may miss numbers of a producer, but never sees them turn back.
        if (item.number <= last[producer]) in_order = false;
        last[producer] = item.number;
        sums[producer] += item.number;
        ++taken;
      };
      while (taken < kProducers * kItems) {
        std::vector<Item> some;
        if (consumer == 0) {
          queue.drain(some);
        } else if (auto item = queue.try_pop()) {
          some.push_back(*item);
        }
        if (some.empty()) std::this_thread::yield();
        for (const Item& item : some) take(item);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, kProducers * kItems);
  EXPECT_TRUE(in_order);
  for (const auto& sum : sums) EXPECT_EQ(sum, long{kItems} * (kItems + 1) / 2);
}

}  // namespace
}  // namespace ftvm
