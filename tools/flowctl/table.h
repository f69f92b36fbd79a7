// Table: columns that line up, with a header, in colour where that is wanted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flowctl {

enum class Style : std::uint8_t { kPlain, kBold, kGood, kPending, kBad, kFaint };

struct Cell {
  std::string text;
  Style style = Style::kPlain;
};
using Row = std::vector<Cell>;

struct Column {
  std::string_view title;
  bool is_number = false;  // aligned to the right
};

/// Rows are not kept, so that there may be millions: measure() each first, then print() each.
class Table {
 public:
  Table(std::vector<Column> columns, bool colours);

  /// Makes the columns wide enough for `row`, which has as many cells as there are columns.
  void measure(const Row& row);
  void print_header(std::string& out) const;
  /// A cell that is wider than was measured pushes the rest of its row aside.
  void print(std::string& out, const Row& row) const;

 private:
  void print_cell(std::string& out, const Cell& cell, std::size_t column) const;

  std::vector<Column> columns_;
  std::vector<std::size_t> widths_;  // in characters
  bool colours_;
};

/// Prints the whole of a table that is not long.
std::string table_text(const std::vector<Column>& columns, const std::vector<Row>& rows,
                       bool colours);

/// A list of facts, one a line: "NAME  VALUE", the values lined up.
std::string facts_text(const std::vector<std::pair<std::string, std::string>>& facts, bool colours);

}  // namespace flowctl
