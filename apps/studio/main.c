/* pumice-studio: opens the window, and draws it as often as something changes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "files.h"
#include "options.h"
#include "script.h"
#include "signals.h"
#include "stats.h"

/* Seconds between two frames at least: after the user did something, and while something is computed. On a software driver frames cost what computing
 * wants. */
#define FRAME_TOUCHED 0.016
#define FRAME_COMPUTED 0.050
#define FRAME_BLINK 0.5
#define WAIT_MOST 0.5          /* until a signal is seen */
enum { FRAMES_TO_SETTLE = 3 }; /* after a change: heights and highlights come a frame late */

static app studio;
static script actions;
static stats frames;

/* ---- the devices ---- */

static bool attach(app *a)
{
    const float scale = app_scale(a);
    a->attached_scale = scale;
    if (!ui_attach(a->render, scale)) return false;
    ui_set_theme(a->theme);
    return true;
}

static void post_device(app *a, bool import)
{
    work_request *request = calloc(1, sizeof *request);
    if (!request) return;
    request->kind = WORK_DEVICE;
    request->how = a->settings;
    request->host = import ? render_host(a->render) : NULL;
    (void)work_post(a->work, request);
    free(request);
}

/* The device of the settings draws and computes. One that cannot draw here computes beside another that does. */
static bool open_devices(app *a, char why[256])
{
    size_t count = 0;
    char first[256] = "", reason[160];
    if (pm_adapters_list(NULL, a->adapters, APP_ADAPTERS, &count) != PM_OK) count = 0;
    a->adapter_count = count < APP_ADAPTERS ? count : APP_ADAPTERS;
    bool import = render_open(&a->render, &a->window, a->settings.device, first);
    if (!import) {
        if (pm_adapter_choose(a->adapters, a->adapter_count, a->settings.device, reason) < 0) {
            snprintf(why, 256, "%s", first);
            return false;
        }
        if (!render_open(&a->render, &a->window, "auto", why)) return false;
    }
    if (!attach(a)) {
        snprintf(why, 256, "%.100s: the interface cannot be drawn with it", render_name(a->render));
        return false;
    }
    post_device(a, import);
    return true;
}

static bool change_device(app *a)
{
    char why[256];
    a->switch_device = false;
    if (app_busy(a)) {
        app_error(a, "the device is at work: stop that first");
        return true;
    }
    work_close_device(a->work);
    ui_detach();
    render_close(&a->render);
    if (open_devices(a, why)) return true;
    app_error(a, why);
    snprintf(a->settings.device, sizeof a->settings.device, "auto");
    render_close(&a->render);
    return open_devices(a, why);
}

/* What is on a lost device is gone; what was saved is not. */
static bool reopen(app *a)
{
    enum { LOSSES_MOST = 3 };
    static int losses;
    char why[256], line[WORK_LINE];
    if (++losses >= LOSSES_MOST) return false;
    snprintf(line, sizeof line, "%.200s was lost, and is opened again", render_name(a->render));
    work_close_device(a->work);
    ui_detach();
    render_close(&a->render);
    (void)work_look(a->work, a->state);
    if (a->state->errors == a->errors_seen) app_error(a, line);
    return open_devices(a, why);
}

/* ---- frames ---- */

static bool draw(app *a)
{
    const double begin = window_seconds();
    const theme *t = a->theme;
    const float back[4] = {(float)(t->back & 255) / 255, (float)(t->back >> 8 & 255) / 255,
                           (float)(t->back >> 16 & 255) / 255, 1};
    const float scale = app_scale(a);
    if (fabsf(scale - a->attached_scale) > 0.001f && !attach(a)) return false;
    const bool busy = app_busy(a) && !a->state->paused && a->state->train.tokens_per_s > 0;
    ui_frame_begin();
    shell_keys(a);
    shell_draw(a);
    ui_frame_end();
    a->frames++;
    const bool good = render_frame(a->render, back, ui_record, NULL);
    stats_add(&frames, busy, 1e3 * (window_seconds() - begin), render_last(a->render));
    return good;
}

/* Returns the exit code. */
static int loop(app *a, const options *o)
{
    double last = -1, blinked = 0;
    const double begin = window_seconds();
    int settle = FRAMES_TO_SETTLE;
    bool due = true;
    while (!a->quit && !a->window.close && !signals_came()) {
        const double now = window_seconds();
        if (work_look(a->work, a->state)) due = true, settle = settle ? settle : 1;
        if (actions.text && script_go(&actions, a)) due = true, settle = FRAMES_TO_SETTLE;
        if (actions.text && script_done(&actions)) break;
        if (o->seconds > 0 && now - begin > o->seconds) break;
        if (o->steady && app_busy(a)) due = true;
        if (a->window.touched) due = true, settle = FRAMES_TO_SETTLE;
        if (ui_blinks() && now - blinked > FRAME_BLINK) due = true, blinked = now;
        const double rest = last + (a->window.touched || !app_busy(a) ? FRAME_TOUCHED : FRAME_COMPUTED) - now;
        if ((due || settle > 0) && rest <= 0) {
            due = a->window.touched = false;
            if (settle > 0) settle--;
            last = now;
            if (a->switch_device && !change_device(a)) {
                fprintf(stderr, "pumice-studio: no device can be opened any more\n");
                return 1;
            }
            if ((!draw(a) || a->state->lost) && !reopen(a)) {
                fprintf(stderr, "pumice-studio: the device was lost, and does not come back\n");
                return 1;
            }
            window_wait(0);
            continue;
        }
        if (due || settle > 0)
            window_wait(rest);
        else
            window_wait(actions.text                    ? 0.02
                        : ui_blinks()                   ? FRAME_BLINK
                        : o->seconds > 0 || app_busy(a) ? 0.25
                                                        : WAIT_MOST);
    }
    return 0;
}

/* ---- the program ---- */

static int fail(const char *why)
{
    fprintf(stderr, "pumice-studio: %s\n", why);
    return 1;
}

static int run(app *a, const options *o)
{
    char why[256] = "";
    int width, height, code = 0;
    a->theme = a->settings.light ? &theme_light : &theme_dark;
    a->zoom = 1;
    a->state = calloc(1, sizeof *a->state);
    if (!a->state) return fail("out of host memory");
    if (!window_open(&a->window, (int)a->settings.width, (int)a->settings.height, true, why)) return fail(why);
    a->work = work_start(window_wake);
    signals_open(window_wake);
    const bool open = a->work && ui_open(&a->window, why) && open_devices(a, why);
    if (!open) code = fail(why[0] ? why : "out of host memory");
    const double begin = window_seconds();
    if (open) code = loop(a, o);
    const double seconds = window_seconds() - begin;
    window_size(&a->window, &width, &height);
    if (open && width > 0 && height > 0) {
        a->settings.width = (uint32_t)(width < 480 ? 480 : width);
        a->settings.height = (uint32_t)(height < 360 ? 360 : height);
    }
    const work_run *train = &a->state->train;
    if (open && o->stats) stats_print(&frames, train->tokens_per_s, train->step, seconds);
    work_end(&a->work); /* saves what is being trained */
    ui_close();
    render_close(&a->render);
    window_close(&a->window);
    if (open && !settings_save(&a->settings, a->settings_file))
        fprintf(stderr, "pumice-studio: the settings cannot be kept: their folder cannot be written\n");
    signals_close();
    return code;
}

int main(int argc, char **argv)
{
    options o;
    files_arguments(&argc, &argv);
    switch (options_read(argc, argv, &o, &studio.settings)) {
    case OPTIONS_HELP: return 0;
    case OPTIONS_BAD: return 2;
    case OPTIONS_OK: break;
    }
    studio.settings_file = o.settings_file;
    if (o.script && !script_open(&actions, o.script)) return 2;
    int code = run(&studio, &o);
    if (actions.failed) code = 1;
    script_close(&actions);
    free(studio.state);
    return code;
}
