/* The studio as its pages see it. */
#ifndef STUDIO_APP_H
#define STUDIO_APP_H

#include "render.h"
#include "settings.h"
#include "ui.h"
#include "window.h"
#include "work.h"

typedef enum app_page { PAGE_TRAIN, PAGE_WRITE, PAGE_TASK, PAGE_PROFILE, PAGE_DEVICE, APP_PAGES } app_page;

enum { APP_ADAPTERS = 16 };

typedef struct app {
    window window;
    render *render;
    work *work;
    work_state *state; /* a copy, once a frame */
    settings settings;
    const char *settings_file; /* as of settings_load */
    const theme *theme;
    float attached_scale;
    bool narrow; /* little room: what stands side by side elsewhere is behind tabs */
    bool quit;
    bool switch_device; /* settings.device was changed */

    pm_caps adapters[APP_ADAPTERS];
    size_t adapter_count;

    uint32_t errors_seen; /* that the user closed */
    char own_error[WORK_LINE];
    bool help, confirm_quit;

    char try_input[3][SETTINGS_PROMPT];
    int tab_train, tab_write, tab_task, tab_profile;
    double zoom, origin; /* of the time line: share of it that is shown, and where it begins */
    ui_rect plot;        /* where the last curve was drawn */
    uint32_t shown_text; /* bytes that the page Write has scrolled to */
    uint32_t frames;     /* drawn so far */
} app;

/* Pages draw into a part of the window. */
void page_train(app *a, ui_rect room);
void page_write(app *a, ui_rect room);
void page_write_copy(app *a); /* the text, to the clipboard */
void page_task(app *a, ui_rect room);
void page_profile(app *a, ui_rect room);
void page_device(app *a, ui_rect room);

/* shell.c: the rail, the head, errors, keys, the pages. */
void shell_draw(app *a);
void shell_keys(app *a);

/* What buttons, keys and scripts do. */
void app_start(app *a, bool resume); /* the page's main thing: train, write, teach, profile */
void app_post(app *a, work_kind kind, bool resume);
void app_error(app *a, const char *line);
void app_close_error(app *a);
void app_set_page(app *a, app_page page); /* an error belongs to the page that is left */
void app_toggle_pause(app *a);
void app_set_theme(app *a, bool light);
bool app_busy(const app *a);
bool app_own(const app *a); /* what goes on belongs to the page */
/* The scale of the window's contents, 1 at 100 %, and the most at which they still fit, 1 to 2. */
float app_scale(const app *a);
float app_scale_most(const app *a);

/* picker.c: chooses a file or a folder for a field. */
typedef enum picker_kind { PICK_FILE, PICK_FOLDER, PICK_MODEL /* a folder, or a GGUF file */ } picker_kind;
void picker_open(app *a, char *field, size_t size, picker_kind kind);
void picker_draw(app *a);
/* A field for a path, with a button that opens the picker. */
void picker_field(app *a, const char *label, const char *hint, char *path, size_t size, picker_kind kind, bool enabled);

/* Numbers and times as text; `text` has room for 32. */
const char *text_count(double value, char text[32]);  /* 12,345 */
const char *text_short(double value, char text[32]);  /* 1.25 M */
const char *text_bytes(double bytes, char text[32]);  /* 12.3 MiB */
const char *text_time(double seconds, char text[32]); /* 3 min 20 s */
const char *text_number(double value, char text[32]); /* 1.2345, or a dash where it is no number */

/* layout.c: shapes that several pages have. */
void layout_colors(app *a);                                              /* before the others, in each frame */
void layout_bar(const char *name, double share, bool chosen, bool mono); /* a probability */
void layout_run_tiles(app *a, const work_run *run, const char *val_name, const char *val_note);
void layout_run_buttons(app *a, work_kind kind, const work_run *run, bool can_resume);

#endif
