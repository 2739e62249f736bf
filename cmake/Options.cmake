# What a preset may switch; everything is applied to targets, never globally.
option(BUILD_TESTING "Build the unit tests and register the test suites" OFF)
option(EVERGATE_FUZZ "Build the libFuzzer targets (clang only)" OFF)
option(EVERGATE_LTO "Link-time optimisation" OFF)
option(EVERGATE_HARDENING "Stack protector, FORTIFY, RELRO, PIE" OFF)
option(EVERGATE_WERROR "Warnings are errors" OFF)
set(EVERGATE_SANITIZE "" CACHE STRING "Sanitizers to build with, e.g. address,undefined")

add_library(evergate_flags INTERFACE)
target_include_directories(evergate_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(evergate_flags INTERFACE
  _GNU_SOURCE EVERGATE_VERSION="${PROJECT_VERSION}")
target_compile_options(evergate_flags INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
  -Wwrite-strings -Wvla -Wformat=2 -Wno-unused-parameter -fno-strict-aliasing
  -fno-omit-frame-pointer)
if(EVERGATE_WERROR)
  target_compile_options(evergate_flags INTERFACE -Werror)
endif()
if(EVERGATE_HARDENING)
  target_compile_options(evergate_flags INTERFACE -fstack-protector-strong -fPIE)
  target_compile_definitions(evergate_flags INTERFACE _FORTIFY_SOURCE=2)
  target_link_options(evergate_flags INTERFACE -pie -Wl,-z,relro,-z,now)
endif()
if(EVERGATE_SANITIZE)
  target_compile_options(evergate_flags INTERFACE
    -fsanitize=${EVERGATE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(evergate_flags INTERFACE -fsanitize=${EVERGATE_SANITIZE})
endif()
if(EVERGATE_FUZZ)
  target_compile_options(evergate_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(EVERGATE_LTO)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()
