if(LIFTGATE_SANITIZE OR LIFTGATE_FUZZ)
  # vptr asks a pipe whether memory may be read; in a test that uses up all descriptors it has none,
  # and takes sound objects for broken ones.
  set(sanitizers -fsanitize=address,undefined -fno-sanitize=vptr)
  add_compile_options(${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(${sanitizers})
  add_compile_definitions(LIFTGATE_SANITIZED)
endif()
if(LIFTGATE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
