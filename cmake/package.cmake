# What `cmake --install` gives to authors of apps: the headers of the hooks, the libraries, and
# find_package(liftgate), whose one target is liftgate::liftgate. tests of examples/ use nothing else.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

add_library(liftgate_app INTERFACE)
target_compile_features(liftgate_app INTERFACE cxx_std_20)
target_link_libraries(liftgate_app INTERFACE liftgate_gateway)
set_target_properties(liftgate_app PROPERTIES EXPORT_NAME liftgate)

set(parts base flows nat netns parsers keeper gateway)
foreach(part ${parts})
  set_target_properties(liftgate_${part} PROPERTIES EXPORT_NAME ${part})
endforeach()
list(TRANSFORM parts PREPEND liftgate_)
install(TARGETS liftgate_app ${parts} EXPORT liftgate
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/liftgate)
# What gateway/hooks/app.h includes, and no more (tests/repo/package_test.cc).
install(DIRECTORY base flows DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/liftgate
        FILES_MATCHING PATTERN "*.h")
set(headers address_hooks app app_settings connection_hooks context flow_hooks hook_id hook_table
            lifecycle_hooks packet_hooks
            pipeline_hooks taken_connection tunnel_hooks)
list(TRANSFORM headers REPLACE "(.+)" "gateway/hooks/\\1.h")
install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/liftgate/gateway/hooks)

set(config_folder ${CMAKE_INSTALL_LIBDIR}/cmake/liftgate)
install(EXPORT liftgate NAMESPACE liftgate:: FILE liftgateTargets.cmake
        DESTINATION ${config_folder})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/liftgateConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES cmake/liftgateConfig.cmake ${CMAKE_BINARY_DIR}/liftgateConfigVersion.cmake
        DESTINATION ${config_folder})
