# Configures and builds the project in another folder: cmake -DSOURCE= -DBUILD= -DGENERATOR= -DCOMPILER= -DSET= -DKERNELS= -P build.cmake
# SET is one more option, as -DPUMICE_FUZZ=ON; KERNELS is the folder of another build's compiled kernels. Optimised as far as costs little to compile.
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} -G ${GENERATOR} -DCMAKE_C_COMPILER=${COMPILER} -DCMAKE_BUILD_TYPE=RelWithDebInfo
          "-DCMAKE_C_FLAGS_RELWITHDEBINFO=-O1 -g1 -DNDEBUG" -DPUMICE_KERNELS=${KERNELS} ${SET} -DPUMICE_WERROR=ON
  RESULT_VARIABLE failed)
if(NOT failed)
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} RESULT_VARIABLE failed)
endif()
if(failed)
  message(FATAL_ERROR "the build in ${BUILD} failed")
endif()
