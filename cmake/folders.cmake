# liftgate_library(<name> [FROM <folder or file>...] [USES <library>...] [LINKS <target>...]
#                  [HEADERS <target>...])
# One static library per folder, of that name: every .cc below it but main.cc, and but what another
# library has taken FROM it before. HEADERS are linked for their headers only, which whoever uses the
# installed library does not need. USES is the folder's row in the README's layout table;
# tests/repo/include_direction_test.cc keeps the includes to it.
function(liftgate_library folder)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "FROM;USES;LINKS;HEADERS")
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
  target_include_directories(liftgate_${folder} PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>
                                                       $<INSTALL_INTERFACE:include/liftgate>)
  target_link_libraries(liftgate_${folder} PUBLIC ${ARG_USES} ${ARG_LINKS})
  foreach(target ${ARG_HEADERS})
    target_link_libraries(liftgate_${folder} PUBLIC $<BUILD_INTERFACE:${target}>)
  endforeach()

  # `all_verify_interface_header_sets` compiles headers alone. A header with a .cc of its own is
  # its first include (clang-format sees to that), so that one needs no second compilation.
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.h)
  foreach(source ${taken} ${sources})
    string(REGEX REPLACE "\\.cc$" ".h" header ${source})
    list(REMOVE_ITEM headers ${header})
  endforeach()
  # On a target of its own, because what a library has in its header set is installed with it.
  add_library(liftgate_${folder}_headers INTERFACE)
  target_sources(liftgate_${folder}_headers INTERFACE FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR}
                                                      FILES ${headers})
  target_link_libraries(liftgate_${folder}_headers INTERFACE liftgate_${folder})
  set_target_properties(liftgate_${folder}_headers PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
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
