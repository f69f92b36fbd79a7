#include "tools/flowctl/table.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace flowctl {
namespace {

constexpr std::string_view kGap = "  ";
constexpr std::string_view kReset = "\x1b[0m";

std::string_view escape(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kGood:
      return "\x1b[32m";
    case Style::kPending:
      return "\x1b[33m";
    case Style::kBad:
      return "\x1b[31m";
    case Style::kFaint:
      return "\x1b[2m";
  }
  return "";
}

// Characters, not bytes; the text is UTF-8.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80; }));
}

}  // namespace

Table::Table(std::vector<Column> columns, bool colours)
    : columns_(std::move(columns)), colours_(colours) {
  for (const Column& column : columns_) {
    widths_.push_back(width_of(column.title));
  }
}

void Table::measure(const Row& row) {
  CHECK(row.size() == columns_.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    widths_[i] = std::max(widths_[i], width_of(row[i].text));
  }
}

void Table::print_header(std::string& out) const {
  Row titles;
  for (const Column& column : columns_) {
    titles.push_back({std::string(column.title), Style::kBold});
  }
  print(out, titles);
}

void Table::print(std::string& out, const Row& row) const {
  CHECK(row.size() == columns_.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    print_cell(out, row[i], i);
  }
  out += '\n';
}

void Table::print_cell(std::string& out, const Cell& cell, std::size_t column) const {
  const bool is_last = column + 1 == columns_.size();
  const std::size_t width = width_of(cell.text);
  const std::size_t padding = width < widths_[column] ? widths_[column] - width : 0;
  if (columns_[column].is_number) {
    out.append(padding, ' ');
  }
  const bool coloured = colours_ && cell.style != Style::kPlain;
  if (coloured) {
    out += escape(cell.style);
  }
  out += cell.text;
  if (coloured) {
    out += kReset;
  }
  if (!is_last) {
    out.append(columns_[column].is_number ? 0 : padding, ' ');
    out += kGap;
  }
}

std::string table_text(const std::vector<Column>& columns, const std::vector<Row>& rows,
                       bool colours) {
  Table table(columns, colours);
  for (const Row& row : rows) {
    table.measure(row);
  }
  std::string text;
  table.print_header(text);
  for (const Row& row : rows) {
    table.print(text, row);
  }
  return text;
}

std::string facts_text(const std::vector<std::pair<std::string, std::string>>& facts,
                       bool colours) {
  Table table({{"", false}, {"", false}}, colours);
  std::vector<Row> rows;
  for (const auto& [name, value] : facts) {
    rows.push_back({{name, Style::kBold}, {value}});
    table.measure(rows.back());
  }
  std::string text;
  for (const Row& row : rows) {
    table.print(text, row);
  }
  return text;
}

}  // namespace flowctl
