# What we link against. The Debian packages that hold it are listed in tools/packages.
find_package(Threads REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(MNL REQUIRED IMPORTED_TARGET libmnl)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)

# Asio has neither a CMake nor a pkg-config file: it is headers only.
find_path(LIFTGATE_ASIO_INCLUDE asio.hpp REQUIRED)
add_library(liftgate_asio INTERFACE)
target_include_directories(liftgate_asio SYSTEM INTERFACE ${LIFTGATE_ASIO_INCLUDE})
target_compile_definitions(liftgate_asio INTERFACE ASIO_STANDALONE ASIO_NO_DEPRECATED)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # Asio 1.22 looks for <experimental/coroutine> under clang otherwise.
  target_compile_definitions(liftgate_asio INTERFACE ASIO_HAS_CO_AWAIT=1
                                                     ASIO_HAS_STD_COROUTINE=1)
endif()

if(LIFTGATE_TESTS)
  find_package(GTest REQUIRED)
endif()
if(LIFTGATE_MICROBENCHMARKS)
  find_package(benchmark REQUIRED)
  find_package(absl REQUIRED)
  pkg_check_modules(URING REQUIRED IMPORTED_TARGET liburing)
endif()
