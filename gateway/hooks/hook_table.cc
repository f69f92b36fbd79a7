#include "gateway/hooks/hook_table.h"

namespace gateway::hooks {

std::string_view name(HookKind kind) {
  return kind == HookKind::kDecision ? "decision" : "event";
}

std::string_view name(HookThread thread) {
  return thread == HookThread::kControl ? "control" : "shard";
}

std::string_view name(HookLayer layer) {
  switch (layer) {
    case HookLayer::kGateway:
      return "gateway";
    case HookLayer::kL3:
      return "l3";
    case HookLayer::kL4:
      return "l4";
  }
  return "unknown";
}

std::string_view name(HookPhase phase) {
  switch (phase) {
    case HookPhase::kLifecycle:
      return "lifecycle";
    case HookPhase::kTunnel:
      return "tunnel";
    case HookPhase::kFlowBegin:
      return "flow_begin";
    case HookPhase::kPacket:
      return "packet";
    case HookPhase::kEgress:
      return "egress";
    case HookPhase::kIngress:
      return "ingress";
    case HookPhase::kPipeline:
      return "pipeline";
    case HookPhase::kClose:
      return "close";
    case HookPhase::kFlowEnd:
      return "flow_end";
  }
  return "unknown";
}

std::string_view name(FlowRuling::Kind kind) {
  switch (kind) {
    case FlowRuling::Kind::kNoOpinion:
      return "no_opinion";
    case FlowRuling::Kind::kUpgrade:
      return "upgrade";
    case FlowRuling::Kind::kUpgradeThenDowngrade:
      return "upgrade_then_downgrade";
    case FlowRuling::Kind::kForward:
      return "forward";
    case FlowRuling::Kind::kReject:
      return "reject";
    case FlowRuling::Kind::kDrop:
      return "drop";
  }
  return "unknown";
}

std::string_view name(EgressRuling::Kind kind) {
  switch (kind) {
    case EgressRuling::Kind::kConnect:
      return "connect";
    case EgressRuling::Kind::kConnectTo:
    case EgressRuling::Kind::kConnectToName:
      return "connect_to";
    case EgressRuling::Kind::kUse:
      return "use";
    case EgressRuling::Kind::kRefuse:
      return "refuse";
  }
  return "unknown";
}

std::string_view name(Resolution::Kind kind) {
  switch (kind) {
    case Resolution::Kind::kAsKnown:
      return "as_known";
    case Resolution::Kind::kAddresses:
      return "addresses";
    case Resolution::Kind::kNone:
      return "none";
  }
  return "unknown";
}

std::string_view name(DatagramRuling::Kind kind) {
  switch (kind) {
    case DatagramRuling::Kind::kSend:
      return "send";
    case DatagramRuling::Kind::kSendTo:
      return "send_to";
    case DatagramRuling::Kind::kUse:
      return "use";
    case DatagramRuling::Kind::kRefuse:
      return "refuse";
  }
  return "unknown";
}

std::string_view name(PacketRuling ruling) {
  return ruling == PacketRuling::kPass ? "pass" : "drop";
}

std::string_view name(ContextAnswer::Kind kind) {
  switch (kind) {
    case ContextAnswer::Kind::kAsUsual:
      return "as_usual";
    case ContextAnswer::Kind::kClaim:
      return "claim";
    case ContextAnswer::Kind::kRefuse:
      return "refuse";
  }
  return "unknown";
}

std::string_view name(PipelineRuling ruling) {
  switch (ruling) {
    case PipelineRuling::kRelay:
      return "relay";
    case PipelineRuling::kWatch:
      return "watch";
    case PipelineRuling::kTake:
      return "take";
  }
  return "unknown";
}

std::string_view name(Watching watching) {
  return watching == Watching::kMore ? "more" : "enough";
}

std::string_view name(IngressRuling ruling) {
  return ruling == IngressRuling::kAllow ? "allow" : "block";
}

}  // namespace gateway::hooks
