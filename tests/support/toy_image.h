// Something small that snapshots can be taken of: a few fields, a blob and RAM. Header only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "replay/snapshot.h"

namespace ftvm::test {

class ToyImage final : public replay::SnapshotImage {
 public:
  static constexpr std::size_t kBlobMax = std::size_t{4} << 20;

  explicit ToyImage(std::size_t chunks = 4) : ram_(chunks * replay::kRamChunkBytes) {}

  [[nodiscard]] Tick tick() override { return tick_; }
  void visit_state(StateVisitor& v) override {
    v.enter("toy");
    v.field("tick", tick_);
    v.field("register", register_);
    v.blob("blob", blob_, kBlobMax);
    v.leave();
  }
  [[nodiscard]] std::span<std::uint8_t> ram() override { return ram_; }
  void clear_ram() override { std::fill(ram_.begin(), ram_.end(), std::uint8_t{0}); }
  void state_loaded() override { ++loads; }
  Digest digest_all() override {
    Bytes all;
    StateSaver saver(all);
    visit_state(saver);
    all.insert(all.end(), ram_.begin(), ram_.end());
    all.push_back(lies);
    return digest_of(all);
  }

  Tick tick_;
  std::uint16_t register_ = 0;
  Bytes blob_;
  Bytes ram_;
  int loads = 0;
  std::uint8_t lies = 0;  // Not state: a digest that is computed wrongly.
};

}  // namespace ftvm::test
