// What a file is, by its first frame, before anybody decodes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "emulator/base/result.h"

namespace ftvm::cli {

enum class FileKind : std::uint8_t { kJournal, kSnapshot };
std::string_view file_kind_name(FileKind kind);

/// Errors: kNotFound, kIo; kBadData when it is neither.
Result<FileKind> file_kind(const std::string& path);

/// Units: bytes. Errors: kNotFound, kIo.
Result<std::uint64_t> file_size_bytes(const std::string& path);

}  // namespace ftvm::cli
