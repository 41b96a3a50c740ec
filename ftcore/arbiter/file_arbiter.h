// Arbiter on a shared directory: link(2) is the test-and-set, and the file it leaves is the proof.
// It needs a file system with hard links that all clients see alike (NFS, a cluster file system, a
// local one for tests). It never deletes a slot and never trusts a return value over the file.
//
//   write and fsync a private file -> link(2) it to the slot's name -> fsync the directory
//     -> read the slot: my incarnation = won, another's = lost, unreadable = unknown
//
// A lost NFS reply makes link(2) fail with EEXIST although it succeeded; reading decides that too.
//
// Source: link(2), section "Errors" on NFS; open(2), section "O_EXCL"; docs/formats/wire.md.
#pragma once

#include <string>
#include <string_view>

#include "emulator/base/result.h"
#include "ftcore/arbiter/arbiter.h"

namespace ftvm::ftcore {

/// Bytes of a slot file: what was done, for which pair and epoch, by which incarnation.
[[nodiscard]] std::string arbiter_slot_text(std::string_view kind, const Uuid& pair, Epoch epoch,
                                            const Uuid& incarnation);

class FileArbiter final : public Arbiter {
 public:
  /// `directory` is taken as it is; make_arbiter() makes it canonical.
  explicit FileArbiter(std::string directory);

  SlotAnswer open(const Uuid& pair, Epoch epoch, const Uuid& incarnation) override;
  ArbiterAnswer test_and_set(const Uuid& pair, Epoch epoch, const Uuid& incarnation) override;
  [[nodiscard]] std::string describe() const override;
  [[nodiscard]] std::string reason() const override { return reason_; }

 private:
  /// Whom a slot file names.
  enum class Holder { kNobody, kMe, kAnother };

  /// What is to be written, and where.
  struct Claim {
    std::string name;          // Of the slot file in the directory.
    std::string text;          // With the caller's incarnation.
    std::size_t shared_bytes;  // How much of the text every claimant of this slot has in common.
  };

  static Claim make_claim(std::string_view kind, const Uuid& pair, Epoch epoch,
                          const Uuid& incarnation);
  /// Errors: kIo and the like; the slot may then hold anything.
  [[nodiscard]] Result<Holder> read_holder(int directory, const Claim& claim) const;
  /// Writes and links; success says nothing about who holds the slot. Errors: as the host said.
  [[nodiscard]] Status link_claim(int directory, const Claim& claim) const;
  /// The whole sequence of the file header. Errors: could not be found out.
  [[nodiscard]] Result<Holder> take(int directory, const Claim& claim) const;

  std::string directory_;
  std::string reason_;
};

}  // namespace ftvm::ftcore
