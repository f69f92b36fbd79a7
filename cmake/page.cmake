# The page of the telemetry address goes into the program as it is: no file to install, none to
# find. A change to it configures the build again.
set(page ${CMAKE_SOURCE_DIR}/gateway/telemetry/page.html)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page})
file(READ ${page} LIFTGATE_PAGE)
configure_file(${CMAKE_SOURCE_DIR}/cmake/page.cc.in ${CMAKE_BINARY_DIR}/page.cc @ONLY)
target_sources(liftgate_gateway PRIVATE ${CMAKE_BINARY_DIR}/page.cc)
