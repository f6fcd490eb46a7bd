/* volk's code, compiled once. It loads the Vulkan loader at run time, so that nothing links to libvulkan. */
#define VOLK_IMPLEMENTATION
#include <volk.h>

typedef int gpu_volk_compiled; /* ISO C requires a declaration in each file */
