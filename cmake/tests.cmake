# Every tests/<folder>/**/*_test.cc goes into unit_<folder>; every fuzz_<what>.cc is a program of its
# own; every integration/*_test.cc goes into integration_tests. Labels: unit, repo, fuzz, integration.
include(GoogleTest)
include(together)

# Tests need not be fast, only what they test: optimized, they took 4.9 s each to compile, so 2.8 s.
add_library(liftgate_test INTERFACE)
target_compile_options(liftgate_test INTERFACE -O0)
target_link_libraries(liftgate_test INTERFACE GTest::gmock)
# The sandbox's helper is the test program itself, started again: who starts one has this main.
add_library(liftgate_test_main OBJECT ${CMAKE_SOURCE_DIR}/tests/support/sandbox_main.cc)
target_link_libraries(liftgate_test_main PRIVATE liftgate_netns liftgate_test)
# Half of the time again was reading the same headers. They are read once, for all programs.
target_precompile_headers(liftgate_test_main PRIVATE
  <gmock/gmock.h> <gtest/gtest.h> <nlohmann/json.hpp> <algorithm> <array> <chrono> <filesystem>
  <fstream> <map> <regex> <span> <thread>)
# So that ccache can tell one precompiled header from another.
target_compile_options(liftgate_test INTERFACE
  $<IF:$<CXX_COMPILER_ID:GNU>,-fpch-preprocess,SHELL:-Xclang -fno-pch-timestamp>)

add_custom_target(unit_tests)
foreach(folder base flows nat netns gateway tools repo)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${folder}/*_test.cc)
  set(label unit)
  set(library liftgate_${folder})
  set(main GTest::gtest_main)
  set(more "")
  if(folder STREQUAL "repo")
    set(label repo)
    set(library liftgate_base)
  endif()
  if(folder STREQUAL "tools")
    set(library liftgate_flowctl)
  endif()
  if(folder MATCHES "^(netns|gateway)$")
    set(main GTest::gtest)
    set(more $<TARGET_OBJECTS:liftgate_test_main>)
  endif()
  if(LIFTGATE_TESTS_TOGETHER)
    together(sources unit_${folder} ${sources})
  endif()
  set(seconds 60)
  if(label STREQUAL "repo")
    set(seconds 180)  # it formats every file
  endif()
  add_executable(unit_${folder} ${sources} ${more})
  target_compile_definitions(unit_${folder} PRIVATE LIFTGATE_SOURCE_ROOT="${CMAKE_SOURCE_DIR}")
  target_link_libraries(unit_${folder} PRIVATE ${library} liftgate_test ${main})
  target_precompile_headers(unit_${folder} REUSE_FROM liftgate_test_main)
  add_dependencies(unit_tests unit_${folder})
  gtest_discover_tests(unit_${folder} PROPERTIES LABELS ${label} TIMEOUT ${seconds})
endforeach()

liftgate_program(every_hook MAIN integration/apps/every_hook.cc USES gateway)
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/integration/*_test.cc)
file(GLOB support CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/integration/support/*.cc)
if(LIFTGATE_TESTS_TOGETHER)
  together(sources integration ${sources})
endif()
add_executable(integration_tests ${sources} ${support})
target_compile_definitions(integration_tests PRIVATE
  LIFTGATE_PROGRAM="$<TARGET_FILE:liftgate>" FLOWCTL_PROGRAM="$<TARGET_FILE:flowctl>"
  LIFTGATE_SOURCE_ROOT="${CMAKE_SOURCE_DIR}" EVERY_HOOK_PROGRAM="$<TARGET_FILE:every_hook>"
  LIFTGATE_EXAMPLES="${CMAKE_BINARY_DIR}/examples/build")
target_link_libraries(integration_tests PRIVATE liftgate_netns liftgate_nat liftgate_flows
                      liftgate_test
                      nlohmann_json::nlohmann_json Threads::Threads)
target_precompile_headers(integration_tests REUSE_FROM liftgate_test_main)
add_dependencies(integration_tests liftgate flowctl every_hook)
gtest_discover_tests(integration_tests TEST_FILTER -Examples.* TEST_LIST integration
                     PROPERTIES LABELS integration TIMEOUT 120)

# examples/ as whoever has only the installed library builds it, before the tests that run it.
set(outside ${CMAKE_BINARY_DIR}/examples)
add_test(NAME examples.install
         COMMAND ${CMAKE_COMMAND} --install ${CMAKE_BINARY_DIR} --prefix ${outside}/prefix)
add_test(NAME examples.configure
         COMMAND ${CMAKE_COMMAND} -S ${CMAKE_SOURCE_DIR}/examples -B ${outside}/build
                 -G ${CMAKE_GENERATOR}
                 -DCMAKE_PREFIX_PATH=${outside}/prefix -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}
                 "-DCMAKE_CXX_FLAGS=-O0 $<$<BOOL:${LIFTGATE_SANITIZE}>:-fsanitize=address,undefined>")
add_test(NAME examples.build COMMAND ${CMAKE_COMMAND} --build ${outside}/build)
set_tests_properties(examples.install PROPERTIES FIXTURES_SETUP installed)
set_tests_properties(examples.configure PROPERTIES FIXTURES_REQUIRED installed
                                                   FIXTURES_SETUP configured)
set_tests_properties(examples.build PROPERTIES FIXTURES_REQUIRED configured FIXTURES_SETUP examples)
set_tests_properties(examples.install examples.configure examples.build
                     PROPERTIES LABELS integration TIMEOUT 600)
gtest_discover_tests(integration_tests TEST_FILTER Examples.* TEST_LIST integration_of_examples
                     PROPERTIES LABELS integration TIMEOUT 120 FIXTURES_REQUIRED examples)

# Each tests/must_not_compile/<what>.cc compiles as it is, and must not with MUST_NOT_COMPILE.
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/must_not_compile/*.cc)
foreach(source ${sources})
  get_filename_component(what ${source} NAME_WE)
  set(compile ${CMAKE_CXX_COMPILER} -std=c++20 -fsyntax-only -Wall -Wextra -Werror
              -I${CMAKE_SOURCE_DIR})
  add_test(NAME compiles.${what} COMMAND ${compile} ${source})
  add_test(NAME must_not_compile.${what} COMMAND ${compile} -DMUST_NOT_COMPILE ${source})
  set_tests_properties(must_not_compile.${what} PROPERTIES WILL_FAIL ON)
  set_tests_properties(compiles.${what} must_not_compile.${what} PROPERTIES LABELS repo TIMEOUT 60)
endforeach()

# A fuzz target is linked with libFuzzer when that is asked for; else CTest replays its corpus.
set(LIFTGATE_FUZZ_SECONDS 20 CACHE STRING "How long CTest runs each target with libFuzzer")
set(fuzz_main "")
if(NOT LIFTGATE_FUZZ)
  add_library(liftgate_replay OBJECT ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc)
  target_link_libraries(liftgate_replay PRIVATE liftgate_base)
  set(fuzz_main $<TARGET_OBJECTS:liftgate_replay>)
endif()
add_custom_target(fuzz_targets)
file(GLOB targets CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_*.cc)
foreach(source ${targets})
  get_filename_component(name ${source} NAME_WE)
  string(REPLACE "fuzz_" "" what ${name})
  add_executable(${name} ${source} ${fuzz_main})
  target_link_libraries(${name} PRIVATE liftgate_keeper liftgate_parsers liftgate_netns)
  add_dependencies(fuzz_targets ${name})
  if(LIFTGATE_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    # New inputs and findings go into the build directory; the seeds are only read.
    set(found ${CMAKE_BINARY_DIR}/fuzz/${what})
    file(MAKE_DIRECTORY ${found})
    # Words that nobody finds letter by letter.
    set(words ${CMAKE_SOURCE_DIR}/tests/fuzz/words/${what}.dict)
    set(dictionary "")
    if(EXISTS ${words})
      set(dictionary -dict=${words})
    endif()
    add_test(NAME fuzz.${what}
             COMMAND ${name} -max_total_time=${LIFTGATE_FUZZ_SECONDS} -timeout=5 -print_final_stats=1
                     ${dictionary} ${found} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${what}
             WORKING_DIRECTORY ${found})
    math(EXPR limit "${LIFTGATE_FUZZ_SECONDS} + 60")
    set_tests_properties(fuzz.${what} PROPERTIES LABELS fuzz TIMEOUT ${limit})
  else()
    add_test(NAME fuzz_replay.${what}
             COMMAND ${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${what})
    set_tests_properties(fuzz_replay.${what} PROPERTIES LABELS fuzz TIMEOUT 60)
  endif()
endforeach()
