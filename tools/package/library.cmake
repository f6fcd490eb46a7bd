# The library's targets, from sources that are compiled once:
#   pumice_internal  an archive with all symbols, for the program and the tests
#   pumice_static    libpumice.a: private symbols are local where the toolchain can make them so
#   pumice_shared    libpumice.so: exports what the public headers declare
# pumice::pumice is one of the last two, by BUILD_SHARED_LIBS.
set(library_dependencies ${CJSON_LIBRARY} ${PCRE2_LIBRARY} ${UTF8PROC_LIBRARY})
set(dependency_names cjson pcre2-8 utf8proc)
set(system_dependencies ${CMAKE_DL_LIBS})
if(NOT MSVC)
  list(PREPEND system_dependencies m)
endif()

if(NOT WIN32) # jobs; glibc has threads in itself since 2.34
  find_package(Threads REQUIRED)
  string(REGEX REPLACE "^-l" "" thread_library "${CMAKE_THREAD_LIBS_INIT}")
  list(APPEND system_dependencies ${thread_library})
endif()

# How each of them compiles the library's sources.
function(pumice_compiles target)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/engine ${PROJECT_SOURCE_DIR}/shaders ${KERNELS_DIR})
  target_include_directories(${target} SYSTEM PRIVATE ${VULKAN_INCLUDE} ${VOLK_INCLUDE} ${CJSON_INCLUDE} ${PCRE2_INCLUDE} ${UTF8PROC_INCLUDE})
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  add_dependencies(${target} pumice_kernels)
endfunction()

add_library(pumice_objects OBJECT ${ENGINE_SOURCES} ${REF_SOURCES})
pumice_compiles(pumice_objects)

# ---- private symbols ----------------------------------------------------------------------------------------------
# All objects become one, in which only pm_* stays global. A multi-configuration generator has no one folder for it, the sanitizers count symbols, and
# other systems' linkers and archives differ: there the archive has the objects as they are.
get_property(several_configurations GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
set(localized_default OFF)
if(CMAKE_OBJCOPY AND NOT APPLE AND NOT MSVC AND NOT several_configurations AND NOT PUMICE_SANITIZE)
  set(localized_default ON)
endif()
option(PUMICE_LOCALIZED "make the private symbols of libpumice.a local (needs objcopy)" ${localized_default})

set(library_objects $<TARGET_OBJECTS:pumice_objects>)
set(bundled "")
# On Windows cJSON's objects say, in the section .drectve, that whatever they are linked into exports their names.
set(shared_dependencies ${library_dependencies})
set(no_exports "")
if(WIN32 AND CMAKE_OBJCOPY AND NOT MSVC)
  set(no_exports --remove-section=.drectve)
  set(shared_dependencies "")
  foreach(archive IN LISTS library_dependencies)
    if(archive MATCHES "\\.a$" AND NOT archive MATCHES "\\.dll\\.a$")
      get_filename_component(name ${archive} NAME)
      set(quiet ${CMAKE_CURRENT_BINARY_DIR}/quiet_${name})
      add_custom_command(OUTPUT ${quiet} COMMAND ${CMAKE_OBJCOPY} ${no_exports} ${archive} ${quiet} DEPENDS ${archive} VERBATIM)
      set(archive ${quiet})
    endif()
    list(APPEND shared_dependencies ${archive})
  endforeach()
  add_custom_target(pumice_quiet DEPENDS ${shared_dependencies})
endif()
if(PUMICE_BUNDLE)
  foreach(archive IN LISTS library_dependencies)
    if(NOT archive MATCHES "\\.a$" OR archive MATCHES "\\.dll\\.a$")
      message(FATAL_ERROR "PUMICE_BUNDLE needs archives: ${archive} is none; set CJSON_LIBRARY, PCRE2_LIBRARY and UTF8PROC_LIBRARY to .a files")
    endif()
  endforeach()
  if(NOT PUMICE_LOCALIZED)
    message(FATAL_ERROR "PUMICE_BUNDLE needs PUMICE_LOCALIZED, which needs objcopy and a generator with one configuration")
  endif()
  set(bundled -Wl,--whole-archive ${library_dependencies} -Wl,--no-whole-archive)
  set(dependency_names "")
endif()
if(PUMICE_LOCALIZED)
  set(whole ${CMAKE_CURRENT_BINARY_DIR}/pumice_whole${CMAKE_C_OUTPUT_EXTENSION})
  set(local ${CMAKE_CURRENT_BINARY_DIR}/pumice_local${CMAKE_C_OUTPUT_EXTENSION})
  file(GENERATE OUTPUT pumice_objects.rsp CONTENT "\"$<JOIN:$<TARGET_OBJECTS:pumice_objects>,\"\n\">\"\n")
  separate_arguments(join NATIVE_COMMAND "${CMAKE_C_FLAGS}")
  list(APPEND join -r -nostdlib)
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU") # machine code, also where the flags have -flto
    list(APPEND join -flinker-output=nolto-rel)
  endif()
  add_custom_command(
    OUTPUT ${local}
    COMMAND ${CMAKE_C_COMPILER} ${join} -o ${whole} @pumice_objects.rsp ${bundled}
    COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=pm_* ${no_exports} ${whole} ${local}
    COMMAND ${CMAKE_COMMAND} -E rm ${whole}
    DEPENDS $<TARGET_OBJECTS:pumice_objects> pumice_objects
    COMMENT "one object with local private symbols"
    VERBATIM)
  set_source_files_properties(${local} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  set(library_objects ${local})
  # One object is linked whole, unless its functions are sections that --gc-sections drops.
  target_compile_options(pumice_objects PRIVATE -ffunction-sections -fdata-sections)
endif()

# ---- the targets ---------------------------------------------------------------------------------------------------
add_library(pumice_internal STATIC $<TARGET_OBJECTS:pumice_objects>)
add_library(pumice_static STATIC ${library_objects})
if(WIN32) # dllexport is a matter of compiling there
  add_library(pumice_shared SHARED ${ENGINE_SOURCES} ${REF_SOURCES})
  pumice_compiles(pumice_shared)
  target_compile_definitions(pumice_shared PRIVATE PUMICE_BUILDING)
elseif(PUMICE_BUNDLE)
  add_library(pumice_shared SHARED ${library_objects})
else()
  add_library(pumice_shared SHARED $<TARGET_OBJECTS:pumice_objects>)
endif()
target_compile_definitions(pumice_shared PUBLIC PUMICE_SHARED)
foreach(target pumice_static pumice_shared)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME pumice LINKER_LANGUAGE C)
  add_library(pumice::${target} ALIAS ${target})
endforeach()
if(MSVC) # the DLL's import library is pumice.lib
  set_target_properties(pumice_static PROPERTIES OUTPUT_NAME pumice_static)
endif()
foreach(target pumice_internal pumice_static pumice_shared)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
  if(WIN32 AND target STREQUAL "pumice_shared") # compiled anew, so also where one object has them
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:${shared_dependencies}>)
    if(TARGET pumice_quiet)
      add_dependencies(${target} pumice_quiet)
    endif()
  elseif(target STREQUAL "pumice_internal" OR NOT PUMICE_BUNDLE)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:${library_dependencies}>)
  endif()
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:${system_dependencies}>)
endforeach()

# Before version 1 each minor version has an interface of its own.
set(PUMICE_SOVERSION ${PROJECT_VERSION_MAJOR})
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(PUMICE_SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
endif()
set_target_properties(pumice_shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PUMICE_SOVERSION})

if(BUILD_SHARED_LIBS)
  add_library(pumice::pumice ALIAS pumice_shared)
else()
  add_library(pumice::pumice ALIAS pumice_static)
endif()
if(PUMICE_SANITIZE OR NOT PUMICE_ALONE) # only what is linked is built
  set_target_properties(pumice_internal pumice_static pumice_shared PROPERTIES EXCLUDE_FROM_ALL ON)
endif()
