// HookRunner: calls the hooks of one app's object, and lets nothing of what they throw out.
//
// ask() is for decisions and has a default; tell() is for events. Where the app has no such hook
// both cost a null check. A hook that throws is counted, said (at most once a second), and the
// default is taken.
#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include "base/time.h"
#include "flows/token_bucket.h"
#include "gateway/hooks/hook_set.h"
#include "gateway/hooks/hook_trace.h"

namespace gateway::hooks {

/// What a trace says of an answer.
std::string answer_text(const FlowRuling& ruling);
std::string answer_text(const EgressRuling& ruling);
std::string answer_text(const Resolution& resolution);
std::string answer_text(const AddressOrder& order);
std::string answer_text(const DatagramRuling& ruling);
std::string answer_text(IngressRuling ruling);
std::string answer_text(PacketRuling ruling);
std::string answer_text(const ContextAnswer& answer);
std::string answer_text(PipelineRuling ruling);
std::string answer_text(Watching watching);
std::string answer_text(const Refusal& refusal);

/// Belongs to the thread of its object.
class HookRunner {
 public:
  /// `trace` is where its calls are written down, as those of `app`; it outlives the runner.
  explicit HookRunner(HookTrace& trace, HookApp app = HookApp::kUsers) : trace_(trace), app_(app) {}

  template <class Object>
  void set_object(Object& object) {
    hooks_.find_in(object);
  }

  template <class Hook>
  [[nodiscard]] bool has() const {
    return hooks_.get<Hook>() != nullptr;
  }

  /// What the hook says of `subject`; `otherwise` where there is none, or it throws. `flow`: whose
  /// trace it belongs to; 0: of one that has not been opened.
  template <auto kMember, class Subject>
  auto ask(std::uint64_t flow, typename HookFunction<decltype(kMember)>::Answer otherwise,
           const Subject& subject) {
    using Function = HookFunction<decltype(kMember)>;
    static_assert(Function::kKind == HookKind::kDecision, "an event is told, not asked");
    using Hook = typename Function::Class;
    if (Hook* hook = hooks_.get<Hook>()) [[unlikely]] {
      constexpr bool kIsTraced = Hook::kId != HookId::kPacket;  // not a line for each packet
      const Timing timing(*this);
      try {
        auto answer = (hook->*kMember)(subject);
        if (kIsTraced && trace_.is_on()) {
          timing.write(flow, Hook::kId, answer_text(answer));
        }
        return answer;
      } catch (const std::exception& why) {
        failed(flow, Hook::kId, why.what(), timing);
      } catch (...) {
        failed(flow, Hook::kId, "something that is no std::exception", timing);
      }
    }
    return otherwise;
  }

  template <auto kMember, class... Subject>
  void tell(std::uint64_t flow, Subject&&... subject) {
    using Function = HookFunction<decltype(kMember)>;
    static_assert(Function::kKind == HookKind::kEvent, "a decision is asked for, not told");
    using Hook = typename Function::Class;
    if (Hook* hook = hooks_.get<Hook>()) [[unlikely]] {
      const Timing timing(*this);
      try {
        (hook->*kMember)(subject...);
        if (trace_.is_on()) {
          timing.write(flow, Hook::kId, "");
        }
      } catch (const std::exception& why) {
        failed(flow, Hook::kId, why.what(), timing);
      } catch (...) {
        failed(flow, Hook::kId, "something that is no std::exception", timing);
      }
    }
  }

  /// How often each hook has thrown, or given an answer that cannot be.
  [[nodiscard]] std::uint64_t failures(HookId id) const {
    return failures_[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] std::uint64_t all_failures() const;
  void count_failure(HookId id) { ++failures_[static_cast<std::size_t>(id)]; }

 private:
  // Reads the clock only while traces are kept.
  class Timing {
   public:
    explicit Timing(HookRunner& runner)
        : runner_(runner), begin_(runner.trace_.is_on() ? base::Clock::now() : base::Instant{}) {}
    void write(std::uint64_t flow, HookId id, const std::string& answer, bool failed = false) const;

   private:
    HookRunner& runner_;
    base::Instant begin_;
  };

  void failed(std::uint64_t flow, HookId id, const char* why, const Timing& timing);

  HookSet hooks_;
  HookTrace& trace_;
  HookApp app_;
  std::array<std::uint64_t, kHookCount> failures_{};
  flows::TokenBucket lines_{1, 5};
};

}  // namespace gateway::hooks
