#include "window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <GLFW/glfw3.h>

static char last_error[200];

static void on_error(int code, const char *text)
{
    (void)code;
    snprintf(last_error, sizeof last_error, "%s", text);
}

/* ---- what the user does ---- */

static const struct {
    int key, mods;
    window_key means;
    const char *name;
} known[] = {
    {GLFW_KEY_1, GLFW_MOD_CONTROL, KEY_PAGE_1, "Ctrl+1"},
    {GLFW_KEY_2, GLFW_MOD_CONTROL, KEY_PAGE_2, "Ctrl+2"},
    {GLFW_KEY_3, GLFW_MOD_CONTROL, KEY_PAGE_3, "Ctrl+3"},
    {GLFW_KEY_4, GLFW_MOD_CONTROL, KEY_PAGE_4, "Ctrl+4"},
    {GLFW_KEY_5, GLFW_MOD_CONTROL, KEY_PAGE_5, "Ctrl+5"},
    {GLFW_KEY_ENTER, GLFW_MOD_CONTROL, KEY_PRIMARY, "Ctrl+Enter"},
    {GLFW_KEY_KP_ENTER, GLFW_MOD_CONTROL, KEY_PRIMARY, NULL},
    {GLFW_KEY_SPACE, 0, KEY_PAUSE, "Space"},
    {GLFW_KEY_ESCAPE, 0, KEY_STOP, "Escape"},
    {GLFW_KEY_F1, 0, KEY_HELP, "F1"},
    {GLFW_KEY_D, GLFW_MOD_CONTROL, KEY_THEME, "Ctrl+D"},
    {GLFW_KEY_EQUAL, GLFW_MOD_CONTROL, KEY_LARGER, "Ctrl+="},
    {GLFW_KEY_EQUAL, GLFW_MOD_CONTROL | GLFW_MOD_SHIFT, KEY_LARGER, NULL},
    {GLFW_KEY_KP_ADD, GLFW_MOD_CONTROL, KEY_LARGER, NULL},
    {GLFW_KEY_MINUS, GLFW_MOD_CONTROL, KEY_SMALLER, "Ctrl+-"},
    {GLFW_KEY_KP_SUBTRACT, GLFW_MOD_CONTROL, KEY_SMALLER, NULL},
    {GLFW_KEY_0, GLFW_MOD_CONTROL, KEY_NORMAL, "Ctrl+0"},
    {GLFW_KEY_O, GLFW_MOD_CONTROL, KEY_OPEN, "Ctrl+O"},
    {GLFW_KEY_C, GLFW_MOD_CONTROL, KEY_COPY, "Ctrl+C"},
    {GLFW_KEY_Q, GLFW_MOD_CONTROL, KEY_QUIT, "Ctrl+Q"},
};

static window *of(GLFWwindow *handle)
{
    window *w = glfwGetWindowUserPointer(handle);
    w->touched = true;
    return w;
}

static void add_key(window *w, window_key key)
{
    w->touched = true;
    if (w->key_count < WINDOW_KEYS) w->keys[w->key_count++] = key;
}

static void on_key(GLFWwindow *handle, int key, int code, int action, int mods)
{
    window *w = of(handle);
    (void)code;
    const int held = mods & (GLFW_MOD_CONTROL | GLFW_MOD_SHIFT | GLFW_MOD_ALT);
    for (size_t i = 0; action == GLFW_PRESS && i < sizeof known / sizeof *known; i++)
        if (known[i].key == key && known[i].mods == held) add_key(w, known[i].means);
}

static void on_char(GLFWwindow *handle, unsigned code)
{
    (void)of(handle), (void)code;
}

static void on_button(GLFWwindow *handle, int button, int action, int mods)
{
    (void)of(handle), (void)button, (void)action, (void)mods;
}

static void on_move(GLFWwindow *handle, double x, double y)
{
    (void)of(handle), (void)x, (void)y;
}

static void on_size(GLFWwindow *handle, int width, int height)
{
    (void)of(handle), (void)width, (void)height;
}

static void on_event(GLFWwindow *handle)
{
    (void)of(handle);
}

static void on_focus(GLFWwindow *handle, int focused)
{
    (void)of(handle), (void)focused;
}

static void on_close(GLFWwindow *handle)
{
    of(handle)->close = true;
}

static void on_drop(GLFWwindow *handle, int count, const char **paths)
{
    window *w = of(handle);
    if (count > 0) snprintf(w->dropped, sizeof w->dropped, "%s", paths[0]);
}

bool window_press(window *w, const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!known[i].name || strcmp(known[i].name, name) != 0) continue;
        add_key(w, known[i].means);
        return true;
    }
    return false;
}

/* ---- Vulkan ---- */

static bool make_instance(window *w, char why[256])
{
    uint32_t count = 0, version = VK_API_VERSION_1_0;
    const char **extensions = glfwGetRequiredInstanceExtensions(&count);
    if (!glfwVulkanSupported() || !extensions || !vk_load((PFN_vkGetInstanceProcAddr)glfwGetInstanceProcAddress)) {
        snprintf(why, 256,
                 "this display has no Vulkan (%.120s); install a Vulkan driver: Debian has mesa-vulkan-drivers",
                 last_error[0] ? last_error : "no loader or no driver");
        return false;
    }
    if (vk.EnumerateInstanceVersion) (void)vk.EnumerateInstanceVersion(&version);
    w->api_version = version < VK_API_VERSION_1_3 ? version : VK_API_VERSION_1_3;
    const VkApplicationInfo app = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .pApplicationName = "Pumice Studio", .apiVersion = w->api_version};
    const VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                       .pApplicationInfo = &app,
                                       .enabledExtensionCount = count,
                                       .ppEnabledExtensionNames = extensions};
    VkResult result = vk.CreateInstance(&info, NULL, &w->instance);
    if (result == VK_SUCCESS && !vk_load_instance(w->instance)) result = VK_ERROR_INITIALIZATION_FAILED;
    if (result == VK_SUCCESS) result = glfwCreateWindowSurface(w->instance, w->handle, NULL, &w->surface);
    if (result != VK_SUCCESS)
        snprintf(why, 256, "Vulkan cannot draw on this display: VkResult %d; is a Vulkan driver installed?",
                 (int)result);
    return result == VK_SUCCESS;
}

/* ---- opening ---- */

bool window_open(window *w, int width, int height, bool visible, char why[256])
{
    *w = (window){0};
    glfwSetErrorCallback(on_error);
    if (!glfwInit()) {
        snprintf(why, 256, "no window can be opened here: %s", last_error[0] ? last_error : "no display");
        return false;
    }
    glfwWindowHint(GLFW_CLIENT_API, GLFW_NO_API);
    glfwWindowHint(GLFW_VISIBLE, visible);
    w->handle = glfwCreateWindow(width, height, "Pumice Studio", NULL, NULL);
    if (!w->handle) {
        snprintf(why, 256, "no window can be opened here: %.200s", last_error);
        window_close(w);
        return false;
    }
    glfwSetWindowUserPointer(w->handle, w);
    glfwSetWindowSizeLimits(w->handle, 480, 360, GLFW_DONT_CARE, GLFW_DONT_CARE);
    if (!make_instance(w, why)) {
        window_close(w);
        return false;
    }
    glfwSetKeyCallback(w->handle, on_key); /* the interface puts its own before these */
    glfwSetCharCallback(w->handle, on_char);
    glfwSetMouseButtonCallback(w->handle, on_button);
    glfwSetScrollCallback(w->handle, on_move);
    glfwSetCursorPosCallback(w->handle, on_move);
    glfwSetFramebufferSizeCallback(w->handle, on_size);
    glfwSetWindowRefreshCallback(w->handle, on_event);
    glfwSetWindowFocusCallback(w->handle, on_focus);
    glfwSetWindowCloseCallback(w->handle, on_close);
    glfwSetDropCallback(w->handle, on_drop);
    return true;
}

void window_close(window *w)
{
    if (w->surface) vk.DestroySurfaceKHR(w->instance, w->surface, NULL);
    if (w->instance && vk.DestroyInstance) vk.DestroyInstance(w->instance, NULL);
    if (w->handle) glfwDestroyWindow(w->handle);
    *w = (window){0};
    glfwTerminate();
}

/* ---- size, time, waiting ---- */

void window_size(const window *w, int *width, int *height)
{
    glfwGetFramebufferSize(w->handle, width, height);
}

float window_scale(const window *w)
{
    float x = 1, y = 1;
    glfwGetWindowContentScale(w->handle, &x, &y);
    return x > 0 ? x : 1;
}

double window_seconds(void)
{
    return glfwGetTime();
}

void window_wait(double seconds)
{
    if (seconds < 0) {
        glfwWaitEvents();
    } else if (seconds > 0) {
        glfwWaitEventsTimeout(seconds);
    } else {
        glfwPollEvents();
    }
}

void window_wake(void)
{
    glfwPostEmptyEvent();
}
