/* volk's own code, compiled once: it finds the Vulkan loader at run time, so nothing links to libvulkan. */
#define VOLK_IMPLEMENTATION
#include <volk.h>

typedef int gpu_volk_compiled; /* ISO C wants a declaration of our own in each file */
