#include "ftcore/cli/inspect_json.h"

#include <nlohmann/json.hpp>

#include "ftcore/cli/identity_text.h"

namespace ftvm::cli {

std::string identity_json(const replay::MachineIdentity& identity) {
  nlohmann::ordered_json json;
  for (const NamedText& field : identity_texts(identity)) json[field.name] = field.text;
  return json.dump();
}

std::string error_json(const Error& error) {
  return nlohmann::ordered_json{{"code", error_code_name(error.code())},
                                {"message", one_line(error.message())}}
      .dump();
}

}  // namespace ftvm::cli
