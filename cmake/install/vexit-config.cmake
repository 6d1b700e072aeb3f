# find_package(vexit): vexit::vexit (everything; a binary that links it falls under GSL's GPL-3) and vexit::vexit-hw (the
# hardware alone; C library only). The project that finds it needs the languages C and CXX, as one file is C++.
include(CMakeFindDependencyMacro)
find_dependency(PkgConfig)
pkg_check_modules(JANSSON REQUIRED QUIET IMPORTED_TARGET jansson)
pkg_check_modules(LIBXML2 REQUIRED QUIET IMPORTED_TARGET libxml-2.0)
pkg_check_modules(GSL REQUIRED QUIET IMPORTED_TARGET gsl)
pkg_check_modules(SYSTEMC REQUIRED QUIET IMPORTED_TARGET systemc)
include(${CMAKE_CURRENT_LIST_DIR}/vexit-targets.cmake)
