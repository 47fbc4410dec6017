# What `cmake --install` puts where, and how others find it: find_package(Spindle) and pkg-config spindle.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Highest layer first: the order in which a linker wants static libraries.
set(spindle_pc_libraries "")
foreach(folder testing actor transport event spool wire base)
  if(TARGET spindle_${folder})
    install(TARGETS spindle_${folder} EXPORT SpindleTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    if(NOT folder STREQUAL "testing")
      string(APPEND spindle_pc_libraries " -lspindle_${folder}")
    endif()
  endif()
endforeach()
install(TARGETS spindle_spindle EXPORT SpindleTargets)

foreach(program spindle-proxy spindle)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()

install(DIRECTORY ${PROJECT_SOURCE_DIR}/framework/spindle DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.hpp")
foreach(document README.md framework/spindle/wire/PROTOCOL.md framework/spindle/spool/FORMAT.md)
  install(FILES ${PROJECT_SOURCE_DIR}/${document} DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
endforeach()

set(spindle_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Spindle)
install(EXPORT SpindleTargets NAMESPACE spindle:: DESTINATION ${spindle_cmake_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/SpindleConfig.cmake.in
  ${PROJECT_BINARY_DIR}/SpindleConfig.cmake INSTALL_DESTINATION ${spindle_cmake_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/SpindleConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/SpindleConfig.cmake ${PROJECT_BINARY_DIR}/SpindleConfigVersion.cmake
  DESTINATION ${spindle_cmake_dir})

# The .pc file finds its prefix from its own place, so that the installed tree can be moved.
file(RELATIVE_PATH spindle_pc_to_prefix
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/spindle.pc.in ${PROJECT_BINARY_DIR}/spindle.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/spindle.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
