// ftvm keygen: the secret file of a pair.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "ftcore/cli/command.h"
#include "ftcore/transport/secret.h"

namespace ftvm::cli {
namespace {

std::string out_path;

void add_options(CLI::App& app, Options&) {
  app.add_option("--out", out_path, "File to make, readable by you alone")->required();
}

Result<int> run(Options&) {
  Status made = ftcore::create_pair_key_file(out_path);
  if (!made) return made.error().context("--out");
  std::printf("%s: a new key; copy it to both nodes and give it with --key\n", out_path.c_str());
  return static_cast<int>(kExitOk);
}

}  // namespace

const Command kKeygenCommand{
    .name = "keygen",
    .summary = "Make the secret file that both nodes of a pair share",
    .add_options = add_options,
    .run = run,
    .footer =
        "Example: ftvm keygen --out pair.key\n"
        "The file is mode 0600 and never replaced. Whoever has it can be a node of the pair."};

}  // namespace ftvm::cli
