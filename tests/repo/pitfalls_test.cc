// Which test stands for which known way in which programs like this one broke. The rows are those
// of the collection that the project began with: bugs of passt, slirp4netns, gvisor-tap-vsock,
// sing-tun, tun2socks, tailscale, wireguard-go and libslirp.

#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/repo/source_tree.h"

namespace {

struct Row {
  std::string number;
  std::string how_it_broke;
  std::vector<std::string> tests;
};

const std::vector<Row> kRows = {
    {"1", "NAT keyed by the source alone", {"Tenants.SameClientPortToTwoServersReachesEach"}},
    {"2",
     "live connections re-pointed under churn",
     {"Bindings.LongLivedConnectionSurvivesTheChurnOfAllOthers"}},
    {"3",
     "idle TCP ended with the UDP time-out",
     {"Pitfall.AnIdleConnectionOutlivesEveryUdpTimeout"}},
    {"4",
     "one EMFILE ended accepting",
     {"Faults.FamineAtTheAcceptResetsThatConnectionOnly",
      "Faults.FamineAtTheDialRefusesThatFlowAndTheLoopLives"}},
    {"5", "stray segments allocated state", {"BadPacket.StrayAckIsAnsweredWithAnRstThatFits"}},
    {"6",
     "the host's firewall dropped the NAT's SYNs",
     {"Pitfall.AHostThatFiltersItsInputHindersNothing"}},
    {"7",
     "inside addresses reached the host's loopback",
     {"Run.HostsLoopbackIsReachedOnlyByTheAddressThatWasMapped"}},
    {"9",
     "a SYN again reset a slow connect",
     {"Refusal.RetransmittedSynsDoNotDisturbASlowConnect"}},
    {"10", "a SYN again counted as another", {"Dials.ARetransmittedSynIsNotAnother"}},
    {"11", "dead hosts blocked everybody", {"Dials.ATenantThatDialsDeadHostsHindersNoOther"}},
    {"13", "a port reused within TIME-WAIT hung", {"Tenants.PortReusedWithinTimeWaitWorks"}},
    {"15", "every port seemed open", {"Refusal.ClosedPortRefusesAsItDoesWithoutAGateway"}},
    {"16",
     "a reset became a FIN",
     {"Close.ResetByTheClientIsAResetForTheServer", "Close.ResetByTheServerIsAResetForTheClient"}},
    {"17", "a clean half-close became a reset", {"Close.ServerThatHalfClosesStillHearsTheClient"}},
    {"18",
     "one EOF closed both directions",
     {"Close.ClientThatHalfClosesGetsAnAnswerMadeAfterItsFin"}},
    {"19",
     "the last bytes of a download were lost",
     {"Transfer.CurlDownloadsWithEqualDigests", "Run.WhatTheCommandWroteLastArrives"}},
    {"21", "flows stayed for hours", {"Faults.TunnelThatDisappearsEndsItsFlowsWithThatReason"}},
    {"24",
     "a window overflowed the TUN's queue",
     {"Pitfall.TheQueueOfTheSandboxesDeviceHoldsAWindow"}},
    {"25",
     "a window from buffers was small at some round-trip times",
     {"Pitfall.AtNoRoundTripTimeIsTheWindowTooSmall"}},
    {"26",
     "a window of 0 because it was smaller than a segment",
     {"Pitfall.AWindowIsNotClosedBecauseItIsSmallerThanASegment"}},
    {"28", "segments without PSH", {"Coalescer.PshEndsTheGroupAndIsKept"}},
    {"34",
     "the kernel refused valid offload headers",
     {"Pitfall.AKernelThatRefusesMergedPacketsGetsThemOneByOne"}},
    {"35",
     "the kernel spoiled datagrams that it cut",
     {"UdpSegmentation.KernelsThatSpoilWhatTheyCutAreKnownByTheirRelease",
      "GueSending.WithoutCutsEachDatagramGoesByItself", "GueWire.TsharkReadsWhatTheDraftSays"}},
    {"36",
     "a stale offload header",
     {"Coalescer.PacketThatDidNotMergeGoesOutUntouchedWithAZeroedVnetHeader"}},
    {"37", "wrong merges", {"Coalescer.SegmentsThatNeverMerge"}},
    {"39",
     "with offload, UDP and ICMP were dead",
     {"Pitfall.EveryProtocolPassesATunnelWithOffload"}},
    {"43",
     "reassembly and urgent data overran memory",
     {"ReassemblyTest.OverlapGivesThePacketUp", "ReassemblyTest.BytesBeyond65535AreRefused"}},
    {"44", "thousands of sockets for lookups", {"Pitfall.ALookupsSocketIsSoonGone"}},
    {"45",
     "an empty datagram was taken for the end",
     {"Udp.DatagramsOfEverySizeComeBackFromWhomTheyWereSentTo"}},
    {"46",
     "replies came from the wrong address",
     {"UdpFilter.LetsOtherPortsOfTheSameAddressIn", "StunPeer.ReportsTheConfiguredBehaviour"}},
    {"49",
     "a full socket stopped the link",
     {"Faults.TunnelThatDoesNotReadLosesItsPacketsAndNobodyElses"}},
    {"50",
     "descriptors leaked on error paths",
     {"Sandbox.NoLackOfDescriptorsLeaksAnything",
      "Scale.TenThousandShortConnectionsLeaveNothingBehind"}},
    {"51", "AppArmor took the namespace's capabilities", {"Doctor.AppArmorFailsOnlyWhereItBites"}},
    {"52",
     "no /dev/net/tun, in one of several ways",
     {"Doctor.EachWayThatTheTunDeviceCanBeMissingHasItsCure"}},
    {"53", "ping lost its identifier", {"Icmp.TwoPingsAtOnceKeepTheirIdentifiersApart"}},
    {"54b", "a reload reset every connection", {"Pitfall.SighupLeavesTunnelsFlowsAndSandboxAlone"}},
};

std::set<std::string> all_tests() {
  static const std::regex kTest(R"(TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\))");
  std::set<std::string> names;
  for (const std::string folder : {"tests", "integration"}) {
    for (const auto& file : repo::cpp_files(folder)) {
      std::string text;
      for (const std::string& line : repo::lines_of(file)) {
        text += line + "\n";
      }
      for (std::sregex_iterator at(text.begin(), text.end(), kTest), end; at != end; ++at) {
        names.insert((*at)[1].str() + "." + (*at)[2].str());
      }
    }
  }
  return names;
}

TEST(Pitfalls, EachHasATestThatExists) {
  const std::set<std::string> tests = all_tests();
  for (const Row& row : kRows) {
    EXPECT_FALSE(row.tests.empty()) << row.number;
    for (const std::string& test : row.tests) {
      EXPECT_TRUE(tests.contains(test)) << row.number << ", " << row.how_it_broke << ": " << test;
    }
  }
}

}  // namespace
