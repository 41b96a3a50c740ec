// Runs a fuzz target without libFuzzer: every file of its corpus, then seeded mutations of them.
// It finds no new paths by itself; it keeps what fuzzing once found from coming back.
//
// usage: <name>_fuzz CORPUS_DIR_OR_FILE [MUTATIONS [SEED]]
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;
using Input = std::vector<std::uint8_t>;

constexpr std::uint64_t kMutationCountDefault = 4000;
constexpr std::uint64_t kSeedDefault = 1;
constexpr std::size_t kInputSizeBytesMax = std::size_t{64} << 10;
constexpr const char* kCrashFile = "fuzz-crash.bin";

// The input under test, written out by a failing run so that one command repeats it.
const Input* current_input = nullptr;

void save_current_input() {
  if (current_input == nullptr) return;
  std::ofstream out(kCrashFile, std::ios::binary);
  out.write(reinterpret_cast<const char*>(current_input->data()),
            static_cast<std::streamsize>(current_input->size()));
  std::fprintf(stderr, "fuzz: the failing input was written to %s\n", kCrashFile);
}

[[noreturn]] void on_abort(int) {
  save_current_input();
  std::_Exit(1);
}

void run_one(const Input& input) {
  current_input = &input;
  LLVMFuzzerTestOneInput(input.data(), input.size());
  current_input = nullptr;
}

Input read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return Input(std::istreambuf_iterator<char>(in), {});
}

// Sorted, so that a seed means the same mutations on every file system.
std::vector<Input> read_corpus(const fs::path& path) {
  std::vector<fs::path> files;
  if (fs::is_regular_file(path)) files.push_back(path);
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<Input> corpus(files.size());
  std::transform(files.begin(), files.end(), corpus.begin(), read_file);
  return corpus;
}

// A value below `bound`, by remainder: std::uniform_int_distribution differs between libraries.
std::size_t below(std::mt19937_64& random, std::size_t bound) {
  return static_cast<std::size_t>(random() % bound);
}

void mutate_once(Input& input, std::mt19937_64& random) {
  constexpr std::uint8_t kInteresting[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
  const std::size_t at = input.empty() ? 0 : below(random, input.size());
  const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
  switch (input.empty() ? 0 : below(random, 6)) {
    case 0:
      input.insert(place, static_cast<std::uint8_t>(random()));
      break;
    case 1:
      input.erase(place);
      break;
    case 2:
      *place = static_cast<std::uint8_t>(*place ^ (1u << below(random, 8)));
      break;
    case 3:
      *place = kInteresting[below(random, std::size(kInteresting))];
      break;
    case 4:
      input.resize(at);
      break;
    case 5: {
      const Input tail(place, input.end());
      input.insert(place, tail.begin(), tail.end());
      break;
    }
  }
  if (input.size() > kInputSizeBytesMax) input.resize(kInputSizeBytesMax);
}

Input mutated(const std::vector<Input>& corpus, std::mt19937_64& random) {
  Input input = corpus[below(random, corpus.size())];
  for (std::size_t left = 1 + below(random, 8); left > 0; --left) mutate_once(input, random);
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS_DIR_OR_FILE [MUTATIONS [SEED]]\n", argv[0]);
    return 2;
  }
  const std::uint64_t mutations =
      argc > 2 ? std::strtoull(argv[2], nullptr, 0) : kMutationCountDefault;
  const std::uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 0) : kSeedDefault;
  std::signal(SIGABRT, on_abort);
  std::signal(SIGSEGV, on_abort);

  std::vector<Input> corpus = read_corpus(argv[1]);
  std::printf("fuzz: %zu corpus inputs, %llu mutations, seed %llu\n", corpus.size(),
              static_cast<unsigned long long>(mutations), static_cast<unsigned long long>(seed));
  corpus.emplace_back();  // The empty input is always worth a try.
  for (const Input& input : corpus) run_one(input);
  std::mt19937_64 random(seed);
  for (std::uint64_t i = 0; i < mutations; ++i) run_one(mutated(corpus, random));
  return 0;
}
