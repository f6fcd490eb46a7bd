/* A list of actions, for tests: a line each. What the user can do is here by name.
 *     set NAME VALUE        a setting, as in the settings' file
 *     page train|write|task|profile|device
 *     start, resume, pause, stop, try
 *     input N TEXT          a text to try a task on; N from 0
 *     key NAME              such as Ctrl+2, Space, Escape, F1
 *     tab N                 of a narrow window
 *     wait SECONDS | wait idle | wait step N | wait tokens N | wait paused | wait device
 *     shot FILE             the next frame as a PNG file
 *     tell                  a JSON line: the state, the size, where the curve is, its colours
 *     close                 as the window's button does */
#ifndef STUDIO_SCRIPT_H
#define STUDIO_SCRIPT_H

#include "app.h"

typedef struct script {
    char *text, *at;
    double until; /* of a wait; 0: none began */
    bool failed;
    uint32_t after; /* no line before this frame: a key takes effect in those before */
    uint32_t frame; /* of the shot */
    bool taken;
    char shot[SETTINGS_PATH];
} script;

/* False, after a line on stderr: the file cannot be read. */
bool script_open(script *s, const char *path);
void script_close(script *s);
/* Goes as far as it can without waiting. True: something was done, so that a frame is due. */
bool script_go(script *s, app *a);
bool script_done(const script *s);

#endif
