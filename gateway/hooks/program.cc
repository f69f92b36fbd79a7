#include <exception>
#include <iostream>
#include <new>
#include <system_error>

#include "gateway/cli.h"
#include "gateway/descriptors.h"
#include "gateway/hooks/app.h"
#include "gateway/log.h"
#include "netns/sandbox.h"

namespace gateway::hooks {

int run_program(App* app, int argc, char** argv) {
  if (const auto status = netns::helper_main(argc, argv)) {
    return *status;
  }
  const std::string name = app == nullptr ? "liftgate" : app->info().name;
  try {
    return command_line_main(argc, argv, app);
  } catch (const std::system_error& why) {
    // Asio's category of the same numbers does not compare equal to those of the standard library.
    const base::Error error{{why.code().value(), std::system_category()}, why.what(), {}};
    const std::string cure = with_cure_for_limits(error).cure;
    std::cerr << name << ": " << why.what() << (cure.empty() ? "" : ". ") << cure << '\n';
    return kExitFailed;
  } catch (const std::bad_alloc&) {
    std::cerr << name << ": not enough memory. " << kMemoryCure << '\n';
    return kExitFailed;
  } catch (const std::exception& why) {  // a library's last word: we throw nothing ourselves
    std::cerr << name << ": " << why.what() << '\n';
    return kExitFailed;
  }
}

void log(std::string_view message) {
  log_info("{}", message);
}

}  // namespace gateway::hooks
