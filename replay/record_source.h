// Where records come from when something is replayed: a journal file, a timeline, a test.
#pragma once

#include <optional>

#include "emulator/base/result.h"
#include "replay/record.h"

namespace ftvm::replay {

class RecordSource {
 public:
  virtual ~RecordSource() = default;
  /// The next record in order, or nothing when there are no more; then it stays at nothing. The
  /// last record is an End when the run ended as planned.
  /// Errors: kBadData (the source is damaged from here on), kIo; they stay, too.
  virtual Result<std::optional<Record>> next() = 0;
};

}  // namespace ftvm::replay
