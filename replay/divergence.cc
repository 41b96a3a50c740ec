#include "replay/divergence.h"

namespace ftvm::replay {

std::string_view divergence_kind_name(DivergenceKind kind) {
  switch (kind) {
    case DivergenceKind::kOutputDiffers:
      return "output_differs";
    case DivergenceKind::kOutputMissing:
      return "output_missing";
    case DivergenceKind::kOutputUnexpected:
      return "output_unexpected";
    case DivergenceKind::kDigestDiffers:
      return "digest_differs";
    case DivergenceKind::kDigestMissing:
      return "digest_missing";
    case DivergenceKind::kDigestUnexpected:
      return "digest_unexpected";
    case DivergenceKind::kInputMissed:
      return "input_missed";
    case DivergenceKind::kEndDiffers:
      return "end_differs";
  }
  return "unknown";
}

std::string Divergence::text() const {
  return std::string(divergence_kind_name(kind)) + " at record " + std::to_string(seq.value) +
         ": journal has [" + expected + "] at tick " + std::to_string(at_expected.value) +
         ", the machine has [" + actual + "] at tick " + std::to_string(at_seen.value);
}

// The texts are made by describe() and hold nothing that JSON would have to escape.
std::string Divergence::json() const {
  return R"({"kind":")" + std::string(divergence_kind_name(kind)) + R"(","seq":)" +
         std::to_string(seq.value) + R"(,"tick_expected":)" + std::to_string(at_expected.value) +
         R"(,"tick_seen":)" + std::to_string(at_seen.value) + R"(,"expected":")" + expected +
         R"(","actual":")" + actual + R"("})";
}

}  // namespace ftvm::replay
