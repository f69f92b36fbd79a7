#include "nat/ds_field.h"

#include <cstdint>

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/internet_checksum.h"

namespace nat {

// The first word of a header: v4 has version, length and the DS field; v6 version, the DS field and
// the flow label's first bits.
void set_dscp(std::span<std::byte> bytes, flows::Dscp dscp) {
  CHECK(flows::number(dscp) <= flows::kMostDscp);
  const auto before = base::load_be<std::uint16_t>(bytes, 0);
  const bool v4 = before >> 12U == 4;
  const unsigned shift = v4 ? 2 : 6;
  const unsigned others = before & ~(unsigned{flows::kMostDscp} << shift);
  const auto after = static_cast<std::uint16_t>(others | unsigned{flows::number(dscp)} << shift);
  base::store_be(bytes, 0, after);
  if (v4) {
    flows::ChecksumChange change;
    change.replace(before, after);
    base::store_be(bytes, 10, change.applied_to(base::load_be<std::uint16_t>(bytes, 10)));
  }
}

}  // namespace nat
