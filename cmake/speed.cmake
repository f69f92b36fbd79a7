# Speed of the build, where the tools are there: ccache for compiling, mold for linking.
find_program(LIFTGATE_CCACHE ccache)
if(LIFTGATE_CCACHE)
  # Two checkouts share objects: paths below the source are relative to the compiler. The rest is
  # what ccache asks of whoever uses precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${LIFTGATE_CCACHE})
endif()
find_program(LIFTGATE_MOLD mold)
if(LIFTGATE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
