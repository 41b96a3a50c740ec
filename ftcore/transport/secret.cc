#include "ftcore/transport/secret.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/bytes.h"
#include "emulator/base/file.h"
#include "emulator/base/scoped_fd.h"

namespace ftvm::ftcore {
namespace {

constexpr std::size_t kKeyDigits = 2 * SecretKey::kBytes;
/// Keys derived for different ends differ although the input is the same. Never change it: it is
/// part of the wire format.
constexpr char kDerivationContext[] = "ftvmcurv";
static_assert(sizeof kDerivationContext == crypto_kdf_CONTEXTBYTES + 1);
static_assert(SecretKey::kBytes == crypto_kdf_KEYBYTES);
static_assert(SecretKey::kBytes == crypto_box_SEEDBYTES);
static_assert(SecretKey::kBytes == crypto_box_SECRETKEYBYTES);
static_assert(SecretKey::kBytes == crypto_box_PUBLICKEYBYTES);

void need_sodium() {
  static const bool ready = sodium_init() >= 0;
  FTVM_ASSERT(ready);
}

int digit_value(std::uint8_t digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

Result<SecretKey> parse_key(ByteView text) {
  if (!text.empty() && text.back() == '\n') text = text.first(text.size() - 1);
  const bool digits_only =
      std::ranges::all_of(text, [](std::uint8_t c) { return digit_value(c) >= 0; });
  if (text.size() != kKeyDigits || !digits_only) {
    return Error(ErrorCode::kUsage, "not a key file (64 hex digits); make one with 'ftvm keygen'");
  }
  SecretKey key;
  for (std::size_t i = 0; i < key.bytes.size(); ++i) {
    key.bytes[i] =
        static_cast<std::uint8_t>(digit_value(text[2 * i]) * 16 + digit_value(text[2 * i + 1]));
  }
  return key;
}

}  // namespace

void fill_random(std::span<std::uint8_t> bytes) {
  need_sodium();
  randombytes_buf(bytes.data(), bytes.size());
}

Uuid random_uuid() {
  Uuid uuid;
  do {
    fill_random(uuid.bytes);
  } while (uuid.is_zero());
  return uuid;
}

SecretKey::~SecretKey() {
  sodium_memzero(bytes.data(), bytes.size());
}

Result<SecretKey> load_pair_key(const std::string& path) {
  const std::string where = "key file " + path;
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return Error(ErrorCode::kNotFound, where + ": no such file");
    return error_from_errno(where);
  }
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return Error(ErrorCode::kUsage, where + ": other users may read it; chmod 600 it");
  }
  Result<Bytes> text = read_file(path, kKeyDigits + 1);
  if (!text && text.error().code() != ErrorCode::kBadData) {
    return std::move(text.error().context(where));
  }
  // A file that is too long is as wrong as one that holds no digits.
  Result<SecretKey> key = parse_key(text ? ByteView(*text) : ByteView());
  if (!key) key.error().context(where);
  if (text) sodium_memzero(text->data(), text->size());
  return key;
}

Status create_pair_key_file(const std::string& path) {
  const std::string where = "key file " + path;
  SecretKey key;
  fill_random(key.bytes);
  constexpr std::string_view kDigits = "0123456789abcdef";
  Bytes text;
  text.reserve(kKeyDigits + 1);
  for (const std::uint8_t byte : key.bytes) {
    text.push_back(static_cast<std::uint8_t>(kDigits[byte >> 4]));
    text.push_back(static_cast<std::uint8_t>(kDigits[byte & 15]));
  }
  text.push_back('\n');
  const ScopedFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd && errno == EEXIST) {
    return Error(ErrorCode::kUsage, where + ": exists already and is not overwritten");
  }
  if (!fd && errno == ENOENT) return Error(ErrorCode::kNotFound, where + ": no such folder");
  if (!fd) return error_from_errno(where);
  Status status = write_all(fd.get(), text);
  sodium_memzero(text.data(), text.size());
  if (status && ::fsync(fd.get()) != 0) status = error_from_errno("sync");
  if (!status) {
    ::unlink(path.c_str());  // Ours: O_EXCL made it.
    status.error().context(where);
  }
  return status;
}

CurveKeys derive_curve_keys(const SecretKey& pair_key, CurveSide side) {
  need_sodium();
  SecretKey seed;
  crypto_kdf_derive_from_key(seed.bytes.data(), seed.bytes.size(), static_cast<std::uint64_t>(side),
                             kDerivationContext, pair_key.bytes.data());
  CurveKeys keys;
  crypto_box_seed_keypair(keys.public_key.data(), keys.secret_key.bytes.data(), seed.bytes.data());
  return keys;
}

}  // namespace ftvm::ftcore
