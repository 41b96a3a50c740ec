// Server and client of the numbered console joined by a network that loses everything at any
// moment.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "devices/host/console_follower.h"
#include "devices/host/numbered_hub.h"
#include "emulator/base/prng.h"
#include "tests/unit/devices/host_test_support.h"

namespace ftvm::devices::host {
namespace {

constexpr HostTime kNow{1'000'000'000};

/// A pair of nodes and one client over a network that delivers any part of what was sent and cuts
/// connections at any moment. The guest's own streams are the truth.
class Pair {
 public:
  explicit Pair(std::uint64_t seed)
      : random_(seed), follower_({.names = {"A", "B"}, .client_id = 3}) {
    for (auto& node : nodes_)
      node.hub = std::make_unique<NumberedHub>(NumberedHub::Options{.pair = "p"});
    nodes_[0].hub->set_live(Epoch{1});
  }

  void step() {
    switch (random_.below(12)) {
      case 0:
        type();
        break;
      case 1:
      case 2:
        print();
        break;
      case 3:
        deliver_input();
        break;
      case 4:
        confirm();
        break;
      case 5:
        if (random_.below(10) == 0) cut(random_.below(2));
        break;
      case 6:
        if (random_.below(150) == 0) fail_over();
        break;
      default:
        network(random_.below(2));
    }
  }
  void settle() {
    for (int i = 0; i < 2000; ++i) {
      deliver_input();
      confirm();
      network(0), network(1);
    }
  }

  std::string typed_, printed_, shown_, given_;  // Given to the guest for good.

 private:
  struct Node {
    std::unique_ptr<NumberedHub> hub;
    bool connected = false;
    NumberedHub::Connection id = 0;
  };

  void type() {
    const std::string text(1 + random_.below(20), static_cast<char>('a' + typed_.size() % 26));
    typed_ += text;
    follower_.typed(bytes_of(text));
  }
  void print() {
    const std::string text = std::to_string(printed_.size()) + " ";
    // The standby has computed what is released, and maybe more.
    nodes_[1 - live_].hub->publish(printed_.size(), bytes_of(text));
    nodes_[live_].hub->publish(printed_.size(), bytes_of(text));
    printed_ += text;
  }
  void deliver_input() { delivered_ += text_of(nodes_[live_].hub->take_typed()); }
  void confirm() {
    // The backup acknowledges some of what was delivered.
    const std::size_t some = given_.size() + random_.below(delivered_.size() - given_.size() + 1);
    given_ = delivered_.substr(0, some);
    nodes_[live_].hub->confirm_input(given_.size());
  }
  void cut(std::size_t index) {
    Node& node = nodes_[index];
    if (!node.connected) return;
    node.connected = false;
    node.hub->disconnected(node.id);
    follower_.disconnected(index);
  }
  void fail_over() {
    cut(live_);
    delivered_ = given_;
    nodes_[live_].hub = std::make_unique<NumberedHub>(NumberedHub::Options{.pair = "p"});
    nodes_[live_].hub->publish(0, bytes_of(printed_));
    live_ = 1 - live_;
    nodes_[live_].hub->set_input_expected(given_.size());
    nodes_[live_].hub->set_live(Epoch{++epoch_});
    // A replaced node is a standby with a fresh connection counter.
  }
  void network(std::size_t index) {
    Node& node = nodes_[index];
    if (!node.connected) {
      node.connected = true;
      node.id = ++connections_;
      node.hub->connected(node.id);
      follower_.connected(index);
    }
    ByteFifo& out = follower_.outbox(index);
    const std::size_t up = random_.below(out.size() + 1);
    node.hub->received(node.id, out.view().first(up));
    out.pop(up);
    const ByteView down = node.hub->sendable(node.id);
    const Bytes some(down.begin(),
                     down.begin() + static_cast<std::ptrdiff_t>(random_.below(down.size() + 1)));
    node.hub->sent(node.id, some.size());
    follower_.received(index, some, kNow);
    shown_ += text_of(follower_.screen().view());
    follower_.screen().clear();
    follower_.shown();
    (void)follower_.take_messages();
    if (follower_.hang_up(index)) cut(index);
  }

  Prng random_;
  ConsoleFollower follower_;
  std::array<Node, 2> nodes_;
  std::size_t live_ = 0;
  std::uint64_t epoch_ = 1;
  NumberedHub::Connection connections_ = 0;
  std::string delivered_;
};

TEST(NumberedPair, NoByteIsLostOrDoubledInEitherDirectionOverCutsAndFailovers) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Pair pair(seed);
    for (int i = 0; i < 3000; ++i) {
      pair.step();
      ASSERT_EQ(pair.shown_, pair.printed_.substr(0, pair.shown_.size())) << "seed " << seed;
      ASSERT_EQ(pair.given_, pair.typed_.substr(0, pair.given_.size())) << "seed " << seed;
    }
    pair.settle();
    EXPECT_EQ(pair.shown_, pair.printed_) << "seed " << seed;
    EXPECT_EQ(pair.given_, pair.typed_) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ftvm::devices::host
