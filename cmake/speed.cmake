# Speed of the build, where the tools are there: ccache for compiling, mold for linking.
find_program(LIFTGATE_CCACHE ccache)
if(LIFTGATE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${LIFTGATE_CCACHE})
endif()
find_program(LIFTGATE_MOLD mold)
if(LIFTGATE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
