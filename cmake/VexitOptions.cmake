# Language versions, warnings as errors (gcc 12, clang 14) and the switches of the presets.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON) # POSIX and GNU declarations of libc; the language used is C17
set(CMAKE_CXX_STANDARD 17) # exactly: SystemC checks the version it was built with
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()
# Assertions guard broken invariants in every build (docs/adr/0001-three-mechanisms.md); -O2 -g without NDEBUG.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g")

option(VEXIT_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(VEXIT_FUZZ "Build the fuzz targets for libFuzzer (clang only); otherwise they replay files" OFF)

add_library(vx_flags INTERFACE)
target_compile_options(vx_flags INTERFACE -Wall -Wextra -Wpedantic -Werror -Wshadow
  $<$<COMPILE_LANGUAGE:C>:-Wconversion -Wstrict-prototypes -Wmissing-prototypes>)
target_compile_definitions(vx_flags INTERFACE _GNU_SOURCE)
if(VEXIT_SANITIZE)
  target_compile_options(vx_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(vx_flags INTERFACE -fsanitize=address,undefined)
endif()
if(VEXIT_FUZZ)
  target_compile_options(vx_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
