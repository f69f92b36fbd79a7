// Whoever does not want to hear the answer of a decision has not understood it.
#include "gateway/hooks/hook_runner.h"

gateway::hooks::IngressRuling accept(gateway::hooks::HookRunner& runner,
                                     const gateway::hooks::IngressStart& start) {
#ifdef MUST_NOT_COMPILE
  runner.tell<&gateway::hooks::IngressDecide::ingress_decide>(1, start);
  return gateway::hooks::IngressRuling::kAllow;
#else
  return runner.ask<&gateway::hooks::IngressDecide::ingress_decide>(
      1, gateway::hooks::IngressRuling::kAllow, start);
#endif
}
