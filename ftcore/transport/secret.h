// Secrets and random names: the pair's key file, what is derived from it, and random bytes from the
// operating system. All cryptography is libsodium's; nothing here is replayed.
//
// Both nodes hold the same 32 random bytes. Each derives both CURVE key pairs from them, so each
// knows its own secret key and the other's public one without a second file. Only who holds the
// bytes knows the server's public key, which CurveZMQ never sends: knowing it is the proof of a
// client's right, and no list of clients is needed.
//
// Source: libsodium documentation, "Key derivation" and "Key pair generation" (crypto_kdf,
// crypto_box_seed_keypair); ZeroMQ RFC 26 (CurveZMQ).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "emulator/base/result.h"
#include "ftcore/protocol/message.h"

namespace ftvm::ftcore {

/// Random bytes for keys. Aborts when the operating system has none. Threading: any thread.
void fill_random(std::span<std::uint8_t> bytes);
/// A new name of a pair, an incarnation or a session; never zero.
[[nodiscard]] Uuid random_uuid();

/// 32 secret bytes, wiped from memory at the end.
class SecretKey {
 public:
  static constexpr std::size_t kBytes = 32;
  SecretKey() = default;
  ~SecretKey();
  SecretKey(const SecretKey&) = default;
  SecretKey& operator=(const SecretKey&) = default;
  std::array<std::uint8_t, kBytes> bytes{};
};

/// Reads 64 hex digits and perhaps a newline. Errors: kNotFound, kIo; kUsage when others may read
/// the file, or when it holds anything else.
Result<SecretKey> load_pair_key(const std::string& path);

/// Makes such a file, mode 0600. Errors: kUsage when there is a file already, kNotFound for the
/// folder, kNoSpace, kIo.
Status create_pair_key_file(const std::string& path);

/// Who listens is the server of the CURVE handshake.
enum class CurveSide : std::uint8_t { kServer = 1, kClient = 2 };
struct CurveKeys {
  std::array<std::uint8_t, 32> public_key{};
  SecretKey secret_key;
};
/// The same on both nodes.
[[nodiscard]] CurveKeys derive_curve_keys(const SecretKey& pair_key, CurveSide side);

}  // namespace ftvm::ftcore
