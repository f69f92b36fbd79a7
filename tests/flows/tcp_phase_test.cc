#include "flows/tcp_phase.h"

#include <initializer_list>

#include <gtest/gtest.h>

#include "flows/packet.h"

namespace flows {
namespace {

using enum Side;
using enum TcpPhase;

constexpr TcpFlags kSyn{TcpFlags::kSyn};
constexpr TcpFlags kSynAck{TcpFlags::kSyn | TcpFlags::kAck};
constexpr TcpFlags kAck{TcpFlags::kAck};
constexpr TcpFlags kFin{TcpFlags::kAck | TcpFlags::kFin};
constexpr TcpFlags kRst{TcpFlags::kRst};

constexpr auto kAllPhases = {kOpening, kAnswered, kOpen, kClosingByInitiator, kClosingByResponder,
                             kClosed};
constexpr auto kBothSides = {kInitiator, kResponder};

// A flood may well send an ACK, or a FIN, behind each SYN.
TEST(TcpPhase, StaysOpeningWhateverTheInitiatorSendsToNobody) {
  for (const TcpFlags flags : {kSyn, kSynAck, kAck, kFin}) {
    EXPECT_EQ(next(kOpening, kInitiator, flags), kOpening);
  }
}

// A SYN of the responder's own is one, too: both may open at once (RFC 9293 3.5).
TEST(TcpPhase, IsAnsweredByWhateverTheResponderSends) {
  for (const TcpFlags flags : {kSyn, kSynAck, kAck, kFin}) {
    EXPECT_EQ(next(kOpening, kResponder, flags), kAnswered);
  }
}

TEST(TcpPhase, OpensWithTheInitiatorsAckAndNotWithTheResponders) {
  EXPECT_EQ(next(kAnswered, kInitiator, kSyn), kAnswered);
  EXPECT_EQ(next(kAnswered, kResponder, kAck), kAnswered);
  EXPECT_EQ(next(kAnswered, kInitiator, kAck), kOpen);
  EXPECT_EQ(next(kAnswered, kInitiator, kSynAck), kOpen);
}

TEST(TcpPhase, FinThatCompletesTheHandshakeCountsAsBoth) {
  EXPECT_EQ(next(kAnswered, kInitiator, kFin), kClosingByInitiator);
  EXPECT_EQ(next(kAnswered, kResponder, kFin), kAnswered);
}

TEST(TcpPhase, StaysOpenWhileDataFlows) {
  EXPECT_EQ(next(kOpen, kInitiator, kAck), kOpen);
  EXPECT_EQ(next(kOpen, kResponder, kAck), kOpen);
}

TEST(TcpPhase, ClosesWhenBothSidesHaveSentAFin) {
  EXPECT_EQ(next(kOpen, kInitiator, kFin), kClosingByInitiator);
  EXPECT_EQ(next(kOpen, kResponder, kFin), kClosingByResponder);
  EXPECT_EQ(next(kClosingByInitiator, kResponder, kFin), kClosed);
  EXPECT_EQ(next(kClosingByResponder, kInitiator, kFin), kClosed);
}

TEST(TcpPhase, RetransmittedFinDoesNotCloseTheOtherDirection) {
  EXPECT_EQ(next(kClosingByInitiator, kInitiator, kFin), kClosingByInitiator);
  EXPECT_EQ(next(kClosingByResponder, kResponder, kFin), kClosingByResponder);
}

TEST(TcpPhase, HalfClosedStaysSoWhileTheOtherSideSends) {
  EXPECT_EQ(next(kClosingByInitiator, kResponder, kAck), kClosingByInitiator);
  EXPECT_EQ(next(kClosingByResponder, kInitiator, kAck), kClosingByResponder);
}

TEST(TcpPhase, RstClosesFromEveryPhase) {
  for (const TcpPhase phase : kAllPhases) {
    for (const Side side : kBothSides) {
      EXPECT_EQ(next(phase, side, kRst), kClosed);
    }
  }
}

TEST(TcpPhase, NothingLeavesClosed) {
  for (const Side side : kBothSides) {
    for (const TcpFlags flags : {TcpFlags{}, kSyn, kSynAck, kAck, kFin, kRst}) {
      EXPECT_EQ(next(kClosed, side, flags), kClosed);
    }
  }
}

TEST(TcpPhase, HasANameForEach) {
  EXPECT_EQ(name(kOpening), "opening");
  EXPECT_EQ(name(kAnswered), "answered");
  EXPECT_EQ(name(kOpen), "open");
  EXPECT_EQ(name(kClosingByInitiator), "closing_by_initiator");
  EXPECT_EQ(name(kClosingByResponder), "closing_by_responder");
  EXPECT_EQ(name(kClosed), "closed");
}

}  // namespace
}  // namespace flows
