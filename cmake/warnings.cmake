add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wswitch-enum
                    -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
# Every index into the standard containers is checked, in release builds too.
add_compile_definitions(_GLIBCXX_ASSERTIONS)
