# Installing below any prefix, the packages of CMake and pkg-config, and what cpack packs.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Three components: runtime (the shared library), devel (headers, archive, packages of CMake and pkg-config), program.
install(TARGETS pumice_static pumice_shared EXPORT pumice-targets
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT devel
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT devel
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/pumice DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT devel)
if(TARGET pumice_cli)
  install(TARGETS pumice_cli DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
endif()
if(TARGET pumice_studio)
  install(TARGETS pumice_studio DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT studio)
  if(UNIX AND NOT APPLE)
    install(FILES apps/studio/pumice-studio.desktop DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/applications COMPONENT studio)
    install(FILES apps/studio/pumice-studio.svg DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/icons/hicolor/scalable/apps COMPONENT studio)
  endif()
  install(FILES LICENSE docs/notices.md DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/pumice-studio COMPONENT studio)
endif()

# The licences: with the program, and with the shared library, which the third component's package needs.
install(FILES LICENSE docs/notices.md DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/pumice COMPONENT program)
install(FILES LICENSE docs/notices.md DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/libpumice${PUMICE_SOVERSION} COMPONENT runtime)

# ---- CMake's package ----
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/pumice)
install(EXPORT pumice-targets NAMESPACE pumice:: DESTINATION ${package_dir} COMPONENT devel)
configure_package_config_file(tools/package/pumice-config.cmake.in ${PROJECT_BINARY_DIR}/pumice-config.cmake INSTALL_DESTINATION ${package_dir}
                              NO_SET_AND_CHECK_MACRO)
# Before version 1 a minor version may change the interface.
set(compatible SameMajorVersion)
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatible SameMinorVersion)
endif()
write_basic_package_version_file(${PROJECT_BINARY_DIR}/pumice-config-version.cmake COMPATIBILITY ${compatible})
install(FILES ${PROJECT_BINARY_DIR}/pumice-config.cmake ${PROJECT_BINARY_DIR}/pumice-config-version.cmake DESTINATION ${package_dir} COMPONENT devel)

# ---- pkg-config's ----
# The prefix is where the file lies, so that a moved folder works. A folder that was given as a whole path stays.
foreach(name LIBDIR INCLUDEDIR)
  set(pc_${name} ${CMAKE_INSTALL_${name}})
  if(NOT IS_ABSOLUTE "${pc_${name}}")
    set(pc_${name} "\${prefix}/${pc_${name}}")
  endif()
endforeach()
set(pc_prefix ${CMAKE_INSTALL_PREFIX})
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  string(REGEX REPLACE "/$" "" up "${up}")
  set(pc_prefix "\${pcfiledir}/${up}")
endif()
# Not Requires.private: that would ask for the dependencies' headers also where the shared library is linked.
set(pc_libs "")
foreach(library IN LISTS library_dependencies)
  get_filename_component(folder ${library} DIRECTORY)
  if(dependency_names AND NOT folder IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
    list(APPEND pc_libs -L${folder})
  endif()
endforeach()
foreach(name IN LISTS dependency_names system_dependencies)
  list(APPEND pc_libs -l${name})
endforeach()
list(REMOVE_DUPLICATES pc_libs)
list(JOIN pc_libs " " pc_libs)
configure_file(tools/package/pumice.pc.in ${PROJECT_BINARY_DIR}/pumice.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/pumice.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT devel)

include(tools/package/pack.cmake)
