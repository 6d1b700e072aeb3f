# What `cmake --install` puts where: the program, two static libraries with their headers, pkg-config files, a CMake
# package (vexit::vexit, vexit::vexit-hw) and the manual page. The models are installed by sim/model.

# Headers lie flat in include/vexit: their names are unique, and they include each other by name alone.
set(vexit_include ${CMAKE_INSTALL_INCLUDEDIR}/vexit)
foreach(room ${VEXIT_ROOMS} model/xml)
  file(GLOB headers ${PROJECT_SOURCE_DIR}/sim/${room}/include/vx_*.h)
  install(FILES ${headers} DESTINATION ${vexit_include})
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/sim/vexit.h DESTINATION ${vexit_include})

install(TARGETS vexit-cli DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS vexit vexit-hw EXPORT vexit-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${vexit_include})
install(FILES ${PROJECT_SOURCE_DIR}/docs/man/vexit.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/vexit)
install(EXPORT vexit-targets NAMESPACE vexit:: DESTINATION ${package_dir})
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/vexit-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_SOURCE_DIR}/cmake/install/vexit-config.cmake ${PROJECT_BINARY_DIR}/vexit-config-version.cmake
  DESTINATION ${package_dir})

# pkg-config files find their prefix from their own place, so that an installed tree can be moved.
file(RELATIVE_PATH vexit_up ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" vexit_up "${vexit_up}")
foreach(library vexit vexit-hw)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/install/${library}.pc.in ${PROJECT_BINARY_DIR}/${library}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${library}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
