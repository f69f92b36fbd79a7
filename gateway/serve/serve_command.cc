#include "gateway/serve/serve_command.h"

#include <csignal>
#include <memory>
#include <system_error>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include "gateway/confine/confine.h"
#include "gateway/descriptors.h"
#include "gateway/gateway.h"
#include "gateway/log.h"
#include "gateway/log_value.h"
#include "gateway/upgrade/socket_marks.h"
#include "netns/process.h"

namespace gateway {
namespace {

int fail(const base::Error& error) {
  log_error("not started: {}", with_cure_for_limits(error).message());
  return 1;
}

// Ends the context on SIGINT and SIGTERM, unless whoever started us had them ignored, as a shell
// does with SIGINT for what it puts into the background; SIGHUP opens the audit log again, and
// takes over the configuration file as it is now.
class Signals {
 public:
  Signals(asio::io_context& context, Gateway& gateway, bool has_config)
      : context_(context), gateway_(gateway), has_config_(has_config), set_(context, SIGHUP) {
    for (const int signal : {SIGINT, SIGTERM}) {
      if (!netns::is_ignored(signal)) {
        set_.add(signal);
      }
    }
    wait();
  }

 private:
  void wait() {
    set_.async_wait([this](std::error_code error, int signal) {
      if (error) {
        return;
      }
      if (signal == SIGHUP) {
        gateway_.reopen_audit();
        if (has_config_) {
          gateway_.reload({});
        }
        wait();
        return;
      }
      log_info("stopping signal={}", signal);
      context_.stop();
    });
  }

  asio::io_context& context_;
  Gateway& gateway_;
  bool has_config_;
  asio::signal_set set_;
};

// Who asks twice does not change how it ends. There is no other thread any more.
void block_stop_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGINT);
  ::sigaddset(&set, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

int serve(const Settings& settings, const std::string& config_path, hooks::App* app) {
  configure_log(settings.log);
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  asio::io_context context;
  auto gateway = Gateway::create(context, settings, GatewayAddresses{}, app);
  if (!gateway) {
    return fail(gateway.error());
  }
  (*gateway)->set_configuration(config_path, [app](const std::string& path) {
    return load_config_while_confined(path, hooks::default_settings(app));
  });
  const Signals signals(context, **gateway, !config_path.empty());
  if (const auto opened = (*gateway)->open_control(); !opened) {
    return fail(opened.error());
  }
  if (const auto opened = (*gateway)->open_telemetry(); !opened) {
    return fail(opened.error());
  }
  if (const auto opened = (*gateway)->open_doors(); !opened) {
    return fail(opened.error());
  }
  if (const auto opened = (*gateway)->open_published_ports(); !opened) {
    return fail(opened.error());
  }
  if (hooks::may_be_confined(app)) {
    confine_gateway(netns::Role::kGateway, settings, config_path);
  } else {
    log_info("not confined: the app has not said that it can be");
  }
  say_if_marks_stay_inside(settings.rules, LogLevel::kWarn);
  log_info("ready control={}", LogValue{settings.control_path});
  context.run();
  gateway->reset();
  block_stop_signals();
  log_info("stopped");
  return 0;
}

}  // namespace gateway
