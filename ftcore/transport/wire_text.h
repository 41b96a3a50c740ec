// Texts for people that cross a socket: refusals and goodbyes end on somebody's terminal, so a peer
// must not be able to put control characters or broken UTF-8 there.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ftvm::ftcore {

/// Valid UTF-8 (RFC 3629) without control characters (C0, DEL, C1).
[[nodiscard]] bool is_clean_text(std::string_view text);

/// `text` made clean and at most `bytes_max` long: control characters become spaces, bytes that are
/// not UTF-8 question marks, and what is too long is cut between characters.
[[nodiscard]] std::string clean_text(std::string_view text, std::size_t bytes_max);

}  // namespace ftvm::ftcore
