# together(<variable> <name> <source>...): fewer files that hold those sources, in <variable>, so that
# what they all include and instantiate is compiled a few times, not once for each. Made at configure
# time, again when a source changes. Compiler errors name the sources.
#
# CMake's own UNITY_BUILD lets the anonymous namespaces flow into one, and every second test has a
# kStart; here each is named after its file. So only for sources that use nothing of their anonymous
# namespace outside of it. A source may lean on what an earlier one includes; the build without
# this (tools/check --all has one, too) does not let it.
function(together variable name)
  set(most 16)  # in one, which takes some 15 s of a processor and 0.8 GB
  list(LENGTH ARGN count)
  math(EXPR files "(${count} + ${most} - 1) / ${most}")
  math(EXPR each "(${count} + ${files} - 1) / ${files}")
  set(made "")
  set(text "")
  set(held 0)
  foreach(source ${ARGN})
    file(READ ${source} one)
    file(RELATIVE_PATH place ${CMAKE_SOURCE_DIR} ${source})
    string(MAKE_C_IDENTIFIER in_${place} space)
    string(REPLACE "\nnamespace {\n" "\nnamespace ${space} {\n" one "${one}")
    string(APPEND text "#line 1 \"${place}\"\n${one}")
    math(EXPR held "${held} + 1")
    math(EXPR full "${held} % ${each}")
    if(full EQUAL 0 OR held EQUAL count)
      list(LENGTH made number)
      set(file ${CMAKE_BINARY_DIR}/together/${name}_${number}.cc)
      set(old "")
      if(EXISTS ${file})
        file(READ ${file} old)
      endif()
      if(NOT old STREQUAL text)
        file(WRITE ${file} "${text}")
      endif()
      list(APPEND made ${file})
      set(text "")
    endif()
  endforeach()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
  set(${variable} ${made} PARENT_SCOPE)
endfunction()
