#include "gateway/inspect/spelling.h"

#include <algorithm>
#include <cstddef>

#include "base/utf8.h"

namespace gateway {
namespace {

constexpr std::size_t kShownBytes = 60;
constexpr std::size_t kLongestWord = 40;

// How many letters to change, add, leave out, or swap with their neighbour.
std::size_t distance(std::string_view left, std::string_view right) {
  std::vector<std::vector<std::size_t>> least(left.size() + 1,
                                              std::vector<std::size_t>(right.size() + 1));
  for (std::size_t i = 0; i <= left.size(); ++i) {
    for (std::size_t j = 0; j <= right.size(); ++j) {
      if (i == 0 || j == 0) {
        least[i][j] = i + j;
        continue;
      }
      const std::size_t changed = least[i - 1][j - 1] + (left[i - 1] == right[j - 1] ? 0U : 1U);
      least[i][j] = std::min({changed, least[i - 1][j] + 1, least[i][j - 1] + 1});
      if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) {
        least[i][j] = std::min(least[i][j], least[i - 2][j - 2] + 1);
      }
    }
  }
  return least[left.size()][right.size()];
}

}  // namespace

std::string in_quotes(std::string_view text) {
  return "\"" + base::printable(text, kShownBytes) + "\"";
}

std::string_view closest(std::string_view word, const std::vector<std::string_view>& known) {
  std::string_view best;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    const std::size_t apart = word.size() > kLongestWord ? least : distance(word, candidate);
    if (apart < least) {
      least = apart;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known) {
  const std::string_view best = closest(word, known);
  return best.empty() ? "" : ", did you mean " + in_quotes(best) + "?";
}

std::string one_of(const std::vector<std::string_view>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    text += i == 0 ? "" : i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

}  // namespace gateway
