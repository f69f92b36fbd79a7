// Browser: a headless Chromium, driven as WebDriver says (W3C), for pages that people look at.
//
//     Browser browser({.width = 360});
//     browser.open("http://127.0.0.1:9464/");
//     EXPECT_TRUE(eventually([&] { return browser.text_of("#flows").find("192.0.2.1") != npos; }));
//
// chromedriver is asked over HTTP, with curl. Nothing is kept of a session but what it logged.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "integration/support/program.h"
#include "tests/support/temp_directory.h"

namespace integration {

struct BrowserOptions {
  int width = 1280;
  int height = 900;
};

class Browser {
 public:
  /// Returns once a window is open. Throws when that does not come to pass.
  explicit Browser(const BrowserOptions& options = {});
  ~Browser();
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  void open(const std::string& url);
  /// What the body of a function returns that runs in the page.
  nlohmann::json run_script(const std::string& body) const;
  /// The text of the first element that the selector finds, as it is seen; empty: there is none.
  [[nodiscard]] std::string text_of(const std::string& selector) const;
  /// What the page has written to the console, and what the browser did not let it do.
  [[nodiscard]] nlohmann::json console() const;

 private:
  nlohmann::json ask(const std::string& method, const std::string& path,
                     const nlohmann::json& body) const;

  test_support::TempDirectory directory_;
  std::optional<Program> driver_;
  std::string driver_url_;
  std::string session_;  // "/session/ID"
};

}  // namespace integration
