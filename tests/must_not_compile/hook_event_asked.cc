// An event has no answer to ask for.
#include "gateway/hooks/hook_runner.h"

void end(gateway::hooks::HookRunner& runner, const gateway::hooks::FlowEnded& ended) {
#ifdef MUST_NOT_COMPILE
  runner.ask<&gateway::hooks::FlowEnd::flow_end>(1, {}, ended);
#else
  runner.tell<&gateway::hooks::FlowEnd::flow_end>(1, ended);
#endif
}
