-- GUE for tshark: taken apart as draft-ietf-intarea-gue-09 draws it, independent of our code.
--
--     tshark -X lua_script:gue.lua -r capture.pcapng -T fields -e gue.variant -e gue.proto
--
-- Fields exist only where the datagram has them: a variant 1 has no header, and so no protocol.

local gue = Proto("gue", "Generic UDP Encapsulation")

local variant = ProtoField.uint8("gue.variant", "Variant", base.DEC, nil, 0xc0)
local control = ProtoField.uint8("gue.control", "Control message", base.DEC, nil, 0x20)
local hlen = ProtoField.uint8("gue.hlen", "Header length, 32-bit words after the first", base.DEC, nil, 0x1f)
local protocol = ProtoField.uint8("gue.proto", "Protocol or control type", base.DEC)
local flags = ProtoField.uint16("gue.flags", "Flags", base.HEX)
local private = ProtoField.bytes("gue.private", "Extension fields and private data")
gue.fields = { variant, control, hlen, protocol, flags, private }

local ip = Dissector.get("ip")
local ipv6 = Dissector.get("ipv6")
local data = Dissector.get("data")

local inner_of_protocol = { [4] = ip, [41] = ipv6 }
local inner_of_version = { [4] = ip, [6] = ipv6 }

function gue.dissector(buffer, pinfo, tree)
  if buffer:len() < 4 then
    return 0
  end
  local first = buffer(0, 1):uint()
  local branch = tree:add(gue, buffer())
  branch:add(variant, buffer(0, 1))
  local number = bit.rshift(first, 6)
  if number == 1 then
    local inner = inner_of_version[bit.rshift(first, 4)] or data
    inner:call(buffer, pinfo, tree)
    return buffer:len()
  end
  if number ~= 0 then
    return buffer:len()
  end
  branch:add(control, buffer(0, 1))
  branch:add(hlen, buffer(0, 1))
  branch:add(protocol, buffer(1, 1))
  branch:add(flags, buffer(2, 2))
  local header = 4 + 4 * bit.band(first, 0x1f)
  if buffer:len() < header then
    return buffer:len()
  end
  if header > 4 then
    branch:add(private, buffer(4, header - 4))
  end
  local is_data = bit.band(first, 0x20) == 0
  if buffer:len() > header then
    local inner = is_data and inner_of_protocol[buffer(1, 1):uint()] or data
    inner:call(buffer(header):tvb(), pinfo, tree)
  end
  return buffer:len()
end

DissectorTable.get("udp.port"):add(6080, gue)
