# How every target of Spindle is made: one function for libraries, one for programs, one for tests.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()

find_program(SPINDLE_CCACHE ccache)
if(SPINDLE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SPINDLE_CCACHE})
endif()

add_library(spindle_flags INTERFACE)
target_compile_options(spindle_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor)
# GCC 12 warns of overlapping copies in std::string's own operator+ (GCC bug 105651); later versions do not.
target_compile_options(spindle_flags INTERFACE
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)
if(SPINDLE_WERROR)
  target_compile_options(spindle_flags INTERFACE -Werror)
endif()
if(SPINDLE_SANITIZE)
  add_compile_options(-fsanitize=${SPINDLE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SPINDLE_SANITIZE})
  # The sanitizers' own code makes GCC see uninitialized values where there are none, as in <regex> (its manual says so
  # under -Wmaybe-uninitialized); the builds without them have the warning.
  target_compile_options(spindle_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()

# spindle_library(NAME SOURCES a.cpp … DEPENDS other …): the static library spindle_NAME, alias spindle::NAME.
function(spindle_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(spindle_${name} STATIC ${arg_SOURCES})
  add_library(spindle::${name} ALIAS spindle_${name})
  set_target_properties(spindle_${name} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(spindle_${name} PUBLIC cxx_std_20)
  target_include_directories(spindle_${name}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/framework> $<INSTALL_INTERFACE:include>
    PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(spindle_${name} PUBLIC ${arg_DEPENDS}
    PRIVATE $<BUILD_INTERFACE:spindle_flags> ${arg_PRIVATE_DEPENDS})
endfunction()

# spindle_program(NAME SOURCES a.cpp … DEPENDS other …): an executable called NAME.
function(spindle_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE spindle_flags ${arg_DEPENDS})
endfunction()

# spindle_test(NAME SOURCES a.cpp … DEPENDS other … [TIMEOUT seconds]): a Catch2 program; each of its cases is
# one CTest test. A sanitized build gets five times the seconds.
function(spindle_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;DEPENDS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(SPINDLE_SANITIZE)
    math(EXPR arg_TIMEOUT "5 * ${arg_TIMEOUT}")
  endif()
  spindle_program(test_${name} SOURCES ${arg_SOURCES} DEPENDS ${arg_DEPENDS} spindle_catch_main)
  # A name with a semicolon would reach CTest cut off, match no case, and pass.
  catch_discover_tests(test_${name} TEST_PREFIX "${name}:" EXTRA_ARGS --warn NoTests PROPERTIES TIMEOUT ${arg_TIMEOUT})
endfunction()

# spindle_add_folders(folder …): add_subdirectory for each, in this order.
function(spindle_add_folders)
  foreach(folder ${ARGN})
    add_subdirectory(${folder})
  endforeach()
endfunction()
