#include "flows/tcp_phase.h"

#include "base/check.h"
#include "flows/packet.h"

namespace flows {

std::string_view name(TcpPhase phase) {
  switch (phase) {
    case TcpPhase::kOpening:
      return "opening";
    case TcpPhase::kAnswered:
      return "answered";
    case TcpPhase::kOpen:
      return "open";
    case TcpPhase::kClosingByInitiator:
      return "closing_by_initiator";
    case TcpPhase::kClosingByResponder:
      return "closing_by_responder";
    case TcpPhase::kClosed:
      return "closed";
  }
  return "unknown";
}

TcpPhase next(TcpPhase phase, Side sender, TcpFlags flags) {
  if (flags.rst()) {
    return TcpPhase::kClosed;
  }
  const bool initiator = sender == Side::kInitiator;
  switch (phase) {
    case TcpPhase::kOpening:
      return initiator ? phase : TcpPhase::kAnswered;
    case TcpPhase::kAnswered:
      if (!initiator || !flags.ack()) {
        return phase;
      }
      [[fallthrough]];  // the ACK may carry the FIN already, when the bare one before it was lost
    case TcpPhase::kOpen:
      if (!flags.fin()) {
        return TcpPhase::kOpen;
      }
      return initiator ? TcpPhase::kClosingByInitiator : TcpPhase::kClosingByResponder;
    case TcpPhase::kClosingByInitiator:
      return flags.fin() && !initiator ? TcpPhase::kClosed : phase;
    case TcpPhase::kClosingByResponder:
      return flags.fin() && initiator ? TcpPhase::kClosed : phase;
    case TcpPhase::kClosed:
      return phase;
  }
  base::check_failed("phase is a TcpPhase", __FILE__, __LINE__);
}

}  // namespace flows
