add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wswitch-enum
                    -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
# Every index into the standard containers is checked, in release builds too.
add_compile_definitions(_GLIBCXX_ASSERTIONS)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 sees overlapping copies in "text" + std::string("more") under -O3: GCC bug 105651.
  add_compile_options(-Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # libstdc++ 12 uses get_temporary_buffer, deprecated in C++17, in its own stable_sort.
  add_compile_options(-Wno-deprecated-declarations)
endif()
