# vx_room(<name> SOURCES ... [ALLOWS <room>...] [NEEDS <room>...] [PRIVATE_LIBS ...] [INCLUDE dir])
#
# A room is the object library vx_<name>. Its include path is its own public and private headers plus the public
# headers of the rooms it names, and nothing that these include in turn: a forbidden include is "file not found".
# NEEDS are rooms that are linked wherever this one is. PRIVATE_LIBS are strangers (SystemC, libxml2, GSL, zstd): their headers are seen by this room alone; whoever links the
# room's objects links the libraries too.
define_property(TARGET PROPERTY VX_NEEDS BRIEF_DOCS "rooms a program with this room's objects must have")
define_property(TARGET PROPERTY VX_LIBS BRIEF_DOCS "libraries a program with this room's objects must link")

function(vx_room_includes target)
  foreach(allowed ${ARGN})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/sim/${allowed}/include)
  endforeach()
endfunction()

function(vx_room name)
  cmake_parse_arguments(room "" "INCLUDE" "SOURCES;ALLOWS;NEEDS;PRIVATE_LIBS" ${ARGN})
  add_library(vx_${name} OBJECT ${room_SOURCES})
  if(NOT room_INCLUDE)
    set(room_INCLUDE ${CMAKE_CURRENT_SOURCE_DIR}/include)
  endif()
  target_include_directories(vx_${name} PRIVATE ${room_INCLUDE} ${CMAKE_CURRENT_SOURCE_DIR})
  vx_room_includes(vx_${name} ${room_ALLOWS})
  target_link_libraries(vx_${name} PRIVATE vx_flags ${room_PRIVATE_LIBS})
  set_target_properties(vx_${name} PROPERTIES VX_LIBS "${room_PRIVATE_LIBS}" VX_NEEDS "${room_NEEDS}")
endfunction()

# vx_with_needs(<variable> <room>...): the rooms and those they need.
function(vx_with_needs variable)
  set(rooms ${ARGN})
  foreach(room ${ARGN})
    get_target_property(needs vx_${room} VX_NEEDS)
    if(needs)
      list(APPEND rooms ${needs})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES rooms)
  set(${variable} ${rooms} PARENT_SCOPE)
endfunction()

# vx_link_rooms(<target> <room>...): the rooms' objects, those of the rooms they need, and the strangers.
function(vx_link_rooms target)
  vx_with_needs(rooms ${ARGN})
  foreach(room ${rooms})
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:vx_${room}>)
    get_target_property(libs vx_${room} VX_LIBS)
    if(libs)
      target_link_libraries(${target} PRIVATE ${libs})
    endif()
  endforeach()
endfunction()

# vx_test(<name> SOURCES ... ROOMS ... [LIBS ...]): a CMocka program and its CTest entry. Tests may include any room.
function(vx_test name)
  cmake_parse_arguments(test "" "" "SOURCES;ROOMS;LIBS;ARGS" ${ARGN})
  add_executable(${name} ${test_SOURCES})
  vx_with_needs(rooms ${test_ROOMS})
  foreach(room ${rooms})
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/sim/${room}/include ${PROJECT_SOURCE_DIR}/sim/${room})
  endforeach()
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/sim/model/include ${PROJECT_SOURCE_DIR}/tests/support)
  vx_link_rooms(${name} ${test_ROOMS})
  target_link_libraries(${name} PRIVATE vx_flags cmocka m ${test_LIBS})
  target_compile_definitions(${name} PRIVATE VX_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name} ${test_ARGS})
endfunction()

# vx_test_failing_malloc(<test>): lets the test make its n-th allocation fail (tests/support/failing_malloc.h).
function(vx_test_failing_malloc target)
  target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/failing_malloc.c)
  target_link_options(${target} PRIVATE LINKER:--wrap=malloc,--wrap=calloc,--wrap=realloc)
endfunction()

# vx_fuzz(<name> SOURCES ... ROOMS ... CORPUS dir): LLVMFuzzerTestOneInput, driven by libFuzzer where VEXIT_FUZZ is on and
# otherwise by a main() that replays every file of the corpus (a CTest entry).
function(vx_fuzz name)
  cmake_parse_arguments(fuzz "" "CORPUS" "SOURCES;ROOMS;LIBS" ${ARGN})
  add_executable(${name} ${fuzz_SOURCES})
  vx_with_needs(rooms ${fuzz_ROOMS})
  foreach(room ${rooms})
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/sim/${room}/include ${PROJECT_SOURCE_DIR}/sim/${room})
  endforeach()
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/sim/model/include)
  vx_link_rooms(${name} ${fuzz_ROOMS})
  target_link_libraries(${name} PRIVATE vx_flags m ${fuzz_LIBS})
  if(VEXIT_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/fuzz_replay.c)
    add_test(NAME ${name} COMMAND ${name} ${fuzz_CORPUS})
  endif()
endfunction()
