# Everything comes from the system (Debian packages); nothing is vendored or downloaded.
# tools/install_packages.sh lists the packages; SpindleConfig.cmake.in asks for the installed ones again.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(cppzmq REQUIRED)
find_package(msgpack REQUIRED)
find_package(spdlog REQUIRED)
find_package(tl-expected REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)

if(SPINDLE_BUILD_TESTS)
  find_package(Catch2 2 REQUIRED)
  include(Catch)

  # The packages python3-zmq and python3-msgpack belong to Debian's Python; another one earlier in PATH
  # (pyenv, a virtual environment) does not see them.
  function(spindle_python_sees_packages result python)
    execute_process(COMMAND ${python} -c "import zmq, msgpack" RESULT_VARIABLE code OUTPUT_QUIET ERROR_QUIET)
    if(code EQUAL 0)
      set(${result} TRUE PARENT_SCOPE)
    else()
      set(${result} FALSE PARENT_SCOPE)
    endif()
  endfunction()

  if(NOT Python3_EXECUTABLE)
    spindle_python_sees_packages(seen /usr/bin/python3)
    if(seen)
      set(Python3_EXECUTABLE /usr/bin/python3)
    endif()
  endif()
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  spindle_python_sees_packages(seen ${Python3_EXECUTABLE})
  if(NOT seen)
    message(FATAL_ERROR "${Python3_EXECUTABLE} cannot import zmq and msgpack, which the tests need: run "
      "tools/install_packages.sh, or name an interpreter that can with -DPython3_EXECUTABLE=…, or build "
      "without tests with -DSPINDLE_BUILD_TESTS=OFF.")
  endif()
endif()
