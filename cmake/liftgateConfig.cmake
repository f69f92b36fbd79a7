# find_package(liftgate): the target liftgate::liftgate, with what it links against.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(yaml-cpp)
find_dependency(spdlog)
find_dependency(PkgConfig)
pkg_check_modules(MNL REQUIRED IMPORTED_TARGET libmnl)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
include(${CMAKE_CURRENT_LIST_DIR}/liftgateTargets.cmake)
