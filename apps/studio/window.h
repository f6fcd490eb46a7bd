/* The window: GLFW, the instance, the surface, and what the user does. Only window.c, ui_imgui.cpp and ui_nav.cpp see GLFW. */
#ifndef STUDIO_WINDOW_H
#define STUDIO_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

#include "vk.h"

struct GLFWwindow;

/* Keys that the studio itself knows; the others belong to the interface. */
typedef enum window_key {
    KEY_NONE,
    KEY_PAGE_1,
    KEY_PAGE_2,
    KEY_PAGE_3,
    KEY_PAGE_4,
    KEY_PAGE_5,
    KEY_PRIMARY, /* Ctrl+Enter */
    KEY_PAUSE,   /* Space */
    KEY_STOP,    /* Escape */
    KEY_HELP,    /* F1 */
    KEY_THEME,   /* Ctrl+D */
    KEY_LARGER,  /* Ctrl and + */
    KEY_SMALLER, /* Ctrl and - */
    KEY_NORMAL,  /* Ctrl+0 */
    KEY_OPEN,    /* Ctrl+O */
    KEY_COPY,    /* Ctrl+C */
    KEY_QUIT,    /* Ctrl+Q */
} window_key;

enum { WINDOW_KEYS = 16, WINDOW_PATH = 1024 };

typedef struct window {
    struct GLFWwindow *handle;
    VkInstance instance;
    uint32_t api_version;
    VkSurfaceKHR surface;
    bool touched;                 /* by the user, since the last frame */
    bool close;                   /* the close button was pressed */
    window_key keys[WINDOW_KEYS]; /* pressed since the last frame */
    size_t key_count;
    char dropped[WINDOW_PATH]; /* a path that was dropped onto the window; "": none */
} window;

/* Opens a window with Vulkan. False: `why` is one line. */
bool window_open(window *w, int width, int height, bool visible, char why[256]);
void window_close(window *w);

void window_size(const window *w, int *width, int *height); /* in pixels of the framebuffer */
float window_scale(const window *w);                        /* the screen's own: 1, or 2 on dense ones */
double window_seconds(void);

/* Waits until something happens, at most so many seconds. 0: does not wait. Less than 0: without a limit. */
void window_wait(double seconds);
/* Ends a wait; from any thread. */
void window_wake(void);
/* Presses a key by name, such as "Ctrl+2", as the user would. False: there is no such key. */
bool window_press(window *w, const char *name);

#endif
