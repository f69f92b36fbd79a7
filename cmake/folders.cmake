# liftgate_library(<name> [FROM <folder or file>...] [USES <library>...] [LINKS <target>...])
# One static library per folder, of that name: every .cc below it but main.cc, and but what another
# library has taken FROM it before. USES is the folder's row in the README's layout table;
# tests/repo/include_direction_test.cc keeps the includes to it.
function(liftgate_library folder)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "FROM;USES;LINKS")
  if(NOT ARG_FROM)
    set(ARG_FROM ${folder})
  endif()
  set(sources "")
  foreach(from ${ARG_FROM})
    file(GLOB_RECURSE some CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${from}/*.cc
                                             ${CMAKE_SOURCE_DIR}/${from}.cc)
    list(APPEND sources ${some})
  endforeach()
  get_property(taken GLOBAL PROPERTY LIFTGATE_TAKEN)
  list(REMOVE_ITEM sources ${taken})
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  set_property(GLOBAL APPEND PROPERTY LIFTGATE_TAKEN ${sources})
  list(TRANSFORM ARG_USES PREPEND liftgate_)
  add_library(liftgate_${folder} STATIC ${sources})
  target_include_directories(liftgate_${folder} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(liftgate_${folder} PUBLIC ${ARG_USES} ${ARG_LINKS})

  # `all_verify_interface_header_sets` compiles headers alone. A header with a .cc of its own is
  # its first include (clang-format sees to that), so that one needs no second compilation.
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.h)
  foreach(source ${taken} ${sources})
    string(REGEX REPLACE "\\.cc$" ".h" header ${source})
    list(REMOVE_ITEM headers ${header})
  endforeach()
  target_sources(liftgate_${folder} PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR}
                                         FILES ${headers})
  set_target_properties(liftgate_${folder} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
endfunction()

# liftgate_program(<name> (MAIN <file> | FOLDER <folder>) USES <folder>...)
function(liftgate_program name)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "MAIN;FOLDER" "USES")
  if(ARG_FOLDER)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${ARG_FOLDER}/*.cc)
  else()
    set(sources ${ARG_MAIN})
  endif()
  list(TRANSFORM ARG_USES PREPEND liftgate_)
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${ARG_USES})
endfunction()
