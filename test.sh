#!/bin/sh
# Installs what is missing, builds with gcc, with gcc's sanitizers and with clang, and runs all tests.
set -eu
cd "$(dirname "$0")"
scripts/packages test
jobs=$(nproc)

cmake --preset default >/dev/null
cmake --build --preset default -j "$jobs"
ctest --preset default -j "$jobs"

# What the tests of the VMX machine cover, as they count it from its tables.
for test in vmx_checks vmx_instructions vmx_reasons; do build/tests/vmx/test_$test; done 2>/dev/null | grep '^coverage: '

# The same tests under AddressSanitizer and UndefinedBehaviorSanitizer.
cmake --preset sanitize >/dev/null
cmake --build --preset sanitize -j "$jobs"
ctest --preset sanitize -j "$jobs"

# Warnings are errors with clang too.
cmake --preset clang >/dev/null
cmake --build --preset clang -j "$jobs"
