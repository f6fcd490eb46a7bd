# The command line program `pumice`. It is linked with the library's internals: pumice_internal.
find_path(STB_INCLUDE stb_image_write.h PATH_SUFFIXES stb REQUIRED)
# The font of plots, compiled into the program: any TrueType file will do. Without one, plots have plain strokes for letters.
find_file(PUMICE_FONT NAMES OpenSans-Regular.ttf
          PATHS /usr/share/fonts /usr/local/share/fonts PATH_SUFFIXES truetype/open-sans open-sans)

# For `pumice kernel FILE.comp`: libshaderc, as the SDK has it (shared, or one archive) or as Debian 12 has it (archives, with glslang's and
# SPIRV-Tools' beside; its shared library lacks symbols). Without it the command takes SPIR-V files only.
include(CheckCSourceCompiles)
find_path(SHADERC_INCLUDE shaderc/shaderc.h HINTS $ENV{VULKAN_SDK}/include)
set(glslang_archives glslang MachineIndependent OSDependent OGLCompiler GenericCodeGen SPIRV HLSL)
set(shaderc_shared shaderc_shared)
set(shaderc_sdk shaderc_combined stdc++ m)
set(shaderc_debian shaderc_combined ${glslang_archives} SPIRV-Tools-opt SPIRV-Tools stdc++ m)
foreach(way IN ITEMS shared sdk debian)
  if(SHADERC_INCLUDE AND NOT SHADERC_LIBRARIES)
    set(CMAKE_REQUIRED_INCLUDES ${SHADERC_INCLUDE})
    set(CMAKE_REQUIRED_LIBRARIES ${shaderc_${way}})
    check_c_source_compiles("#include <shaderc/shaderc.h>
      int main(void) { return shaderc_compile_into_spv(shaderc_compiler_initialize(), 0, 0, 0, 0, 0, 0) == 0; }" SHADERC_LINKS_${way})
    if(SHADERC_LINKS_${way})
      set(SHADERC_LIBRARIES ${shaderc_${way}})
    endif()
  endif()
endforeach()
# SPIRV-Tools comes along with the archives: it checks SPIR-V files before a driver sees them.
if(SHADERC_LIBRARIES)
  check_c_source_compiles("#include <spirv-tools/libspirv.h>
    int main(void) { return spvContextCreate(SPV_ENV_VULKAN_1_3) == 0; }" SPIRV_TOOLS_LINKS)
endif()
unset(CMAKE_REQUIRED_INCLUDES)
unset(CMAKE_REQUIRED_LIBRARIES)
if(NOT SHADERC_LIBRARIES)
  message(STATUS "no libshaderc (Debian: libshaderc-dev): pumice kernel will take SPIR-V files only")
endif()

file(GLOB APP_SOURCES CONFIGURE_DEPENDS apps/pumice/*.c)
list(FILTER APP_SOURCES EXCLUDE REGEX ${other_system})
add_executable(pumice_cli ${APP_SOURCES})
set_target_properties(pumice_cli PROPERTIES OUTPUT_NAME pumice ARCHIVE_OUTPUT_NAME pumice_program) # of mingw, which makes an import library
target_include_directories(pumice_cli PRIVATE engine) # for engine/os alone
target_include_directories(pumice_cli SYSTEM PRIVATE ${STB_INCLUDE} ${CJSON_INCLUDE} ${UTF8PROC_INCLUDE})
target_link_libraries(pumice_cli PRIVATE pumice_internal ${CJSON_LIBRARY} ${UTF8PROC_LIBRARY} ${system_dependencies})
if(SHADERC_LIBRARIES)
  target_compile_definitions(pumice_cli PRIVATE PUMICE_SHADERC=1 $<$<BOOL:${SPIRV_TOOLS_LINKS}>:PUMICE_SPIRV_TOOLS=1>)
  target_include_directories(pumice_cli SYSTEM PRIVATE ${SHADERC_INCLUDE})
  target_link_libraries(pumice_cli PRIVATE ${SHADERC_LIBRARIES})
endif()
if(PUMICE_FONT)
  file(READ ${PUMICE_FONT} font HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" font "${font}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," font "${font}")
  file(CONFIGURE OUTPUT font.h CONTENT "/* ${PUMICE_FONT} */\nstatic const unsigned char font_bytes[] = {\n${font}};\n")
  set_source_files_properties(apps/pumice/raster_text.c PROPERTIES COMPILE_DEFINITIONS PUMICE_FONT=1)
  target_include_directories(pumice_cli PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
else()
  message(STATUS "no OpenSans-Regular.ttf (Debian: fonts-open-sans; or set PUMICE_FONT): plots will have plain letters")
endif()
