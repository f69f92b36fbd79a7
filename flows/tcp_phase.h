// TcpPhase: how far along a TCP connection is, as an observer of its segments sees it.
//
//     kOpening --anything from the responder--> kAnswered --ACK from the initiator--> kOpen
//     kOpen --FIN--> kClosing* --FIN the other way--> kClosed
//
//     RST: from any phase to kClosed. Nothing leaves kClosed. Everything else stays.
//
// We watch and never take part, so there are no sequence numbers here: next() errs towards keeping
// the flow, and the idle timeout of the phase removes what it kept for too long. But whoever talks
// to nobody opens nothing: SYNs with ACKs behind them are as cheap to flood with as SYNs alone.
// tests/flows/tcp_phase_test.cc states every arrow.
#pragma once

#include <cstdint>
#include <string_view>

namespace flows {

struct TcpFlags;

enum class TcpPhase : std::uint8_t {
  kOpening,             // only the initiator has sent anything
  kAnswered,            // the responder has, too; handshake not complete
  kOpen,                // data may flow both ways
  kClosingByInitiator,  // only the initiator has sent its FIN
  kClosingByResponder,  // only the responder has sent its FIN
  kClosed,              // both FINs, or an RST
};
std::string_view name(TcpPhase phase);

enum class Side : std::uint8_t { kInitiator, kResponder };

/// The phase after `sender` sent a segment with `flags`. Defined for every argument.
TcpPhase next(TcpPhase phase, Side sender, TcpFlags flags);

}  // namespace flows
