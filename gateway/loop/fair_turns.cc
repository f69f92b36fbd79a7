#include "gateway/loop/fair_turns.h"

#include <algorithm>

namespace gateway {

void FairTurns::enter(Source& source, Line& line) {
  source.line_ = &line;
  line.waiting_.splice(line.waiting_.end(), source.node_);
}

void FairTurns::leave(Source& source) {
  source.node_.splice(source.node_.begin(), source.line_->waiting_, source.place_);
  source.line_ = nullptr;
}

void FairTurns::wants_turn(Source& source, Line& line) {
  if (source.line_ != nullptr) {
    return;
  }
  enter(source, line);
  if (!line.node_.empty()) {
    active_.splice(active_.end(), line.node_);
    loop_.again(*this);
  }
}

void FairTurns::forget(Source& source) {
  if (&source == serving_) {
    serving_ = nullptr;
  }
  if (source.line_ != nullptr) {
    leave(source);
  }
}

void FairTurns::on_ready(std::uint32_t /*events*/) {
  for (std::size_t left = active_.size(); left > 0; --left) {
    Line& line = *active_.front();
    serve(line);
    if (line.waiting_.empty()) {
      line.node_.splice(line.node_.begin(), active_, active_.begin());
      line.credit_ = std::min<std::int64_t>(line.credit_, 0);  // nothing is saved up, but owed
    } else {
      active_.splice(active_.end(), active_, active_.begin());
    }
  }
  if (!active_.empty()) {
    loop_.again(*this);
  }
}

void FairTurns::serve(Line& line) {
  line.credit_ += kQuantum;
  while (line.credit_ > 0 && !line.waiting_.empty()) {
    Source& source = *line.waiting_.front();
    leave(source);
    serving_ = &source;
    const Source::Served served = source.serve();
    line.credit_ -= static_cast<std::int64_t>(served.bytes) +
                    static_cast<std::int64_t>(served.packets) * kPacketCost;
    if (served.more && serving_ != nullptr && source.line_ == nullptr) {
      enter(source, line);
    }
  }
  serving_ = nullptr;
}

}  // namespace gateway
