// Top table: rates as rows of text and as JSON.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tools/flowctl/flow_listing.h"
#include "tools/flowctl/rates.h"
#include "tools/flowctl/table.h"

namespace flowctl {

/// "0", "850", "1.2k", "12M", "1.0G": three characters and a unit at most.
std::string human_rate(double per_second);

/// One character for each of the last `width` values, the highest being the highest that there is.
/// ASCII where the terminal knows no UTF-8.
std::string sparkline(std::span<const double> values, std::size_t width, bool utf8);

struct TopTable {
  std::vector<Column> columns;
  std::vector<Row> rows;  // of the rate rows that were given
};

/// `history_width` 0: without that column.
TopTable top_table(std::span<const RateRow> rows, Grouping grouping, const RateMeter& meter,
                   const FlowListing& listing, std::size_t history_width, bool utf8);

/// One object: the interval, its totals, and `rows`.
void append_top_json(std::string& out, std::span<const RateRow> rows, Grouping grouping,
                     const RateMeter& meter, const FlowListing& listing);

}  // namespace flowctl
