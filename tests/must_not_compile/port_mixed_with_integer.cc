// A bare number may be in network order, or not be a port at all.
#include <cstdint>

#include "base/endpoint.h"

base::Endpoint with_port(const base::IpAddress& address, std::uint16_t port) {
#ifdef MUST_NOT_COMPILE
  return {address, port};
#else
  return {address, base::Port{port}};
#endif
}
