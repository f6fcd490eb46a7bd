#include "script.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"

#define WAIT_MOST 120.0          /* seconds */
enum { FRAMES_BEFORE_SHOT = 4 }; /* in which cards find their heights */
enum { FRAMES_OF_KEY = 3 };

static const char *const pages[APP_PAGES] = {"train", "write", "task", "profile", "device"};

bool script_open(script *s, const char *path)
{
    size_t size = 0;
    *s = (script){0};
    s->text = s->at = files_read(path, &size);
    if (!s->text) fprintf(stderr, "pumice-studio: --script %s: cannot be read\n", path);
    return s->text != NULL;
}

void script_close(script *s)
{
    free(s->text);
    *s = (script){0};
}

bool script_done(const script *s)
{
    return !s->at || !*s->at;
}

static void tell(const app *a)
{
    const work_state *st = a->state;
    const work_run *run = &st->train;
    char line[8], faint[8], points[8], back[8], card[8];
    int width = 0, height = 0;
    window_size(&a->window, &width, &height);
    printf(
        "{\"doing\": %d, \"paused\": %s, \"step\": %u, \"steps\": %u, \"saved\": %u, \"loss\": %.5f, \"written\": %u, "
        "\"answer\": %d, \"dev\": %zu, \"profile_rows\": %u, \"events\": %u, \"errors\": %u, \"page\": %u, "
        "\"width\": %d, \"height\": %d, \"scale\": %u, \"plot\": [%.0f, %.0f, %.0f, %.0f], "
        "\"curve\": \"%s\", \"faint\": \"%s\", \"points\": \"%s\", \"back\": \"%s\", \"card\": \"%s\"}\n",
        (int)st->doing, st->paused ? "true" : "false", (unsigned)run->step, (unsigned)run->steps, (unsigned)run->saved,
        isfinite(run->loss) ? (double)run->loss : 0, (unsigned)st->writing.tokens,
        st->answer.there ? (int)st->answer.label : -1, st->dev.n, (unsigned)st->profile.row_count,
        (unsigned)st->profile.event_count, (unsigned)st->errors, (unsigned)a->settings.page, width, height,
        (unsigned)a->settings.scale, (double)a->plot.x, (double)a->plot.y, (double)a->plot.w, (double)a->plot.h,
        theme_hex(a->theme->curve, line), theme_hex(a->theme->curve_faint, faint), theme_hex(a->theme->points, points),
        theme_hex(a->theme->back, back), theme_hex(a->theme->card, card));
    fflush(stdout);
}

/* Whether what a wait waits for has come. */
static bool has_come(const script *s, const app *a, const char *what)
{
    const work_state *st = a->state;
    const work_run *run = st->doing == WORK_TEACH ? &st->teach : &st->train;
    if (strcmp(what, "idle") == 0) return st->doing == WORK_NONE;
    if (strcmp(what, "paused") == 0) return st->paused;
    if (strcmp(what, "device") == 0) return st->device_open;
    if (strncmp(what, "step ", 5) == 0) return run->step >= (uint32_t)strtoul(what + 5, NULL, 10);
    if (strncmp(what, "tokens ", 7) == 0) return st->writing.tokens >= (uint32_t)strtoul(what + 7, NULL, 10);
    return window_seconds() >= s->until - WAIT_MOST + strtod(what, NULL);
}

static void fail(script *s, const char *line)
{
    fprintf(stderr, "pumice-studio: --script: %s\n", line);
    s->failed = true;
    *s->at = 0;
}

static void set(script *s, app *a, char *name)
{
    char *value = strchr(name, ' ');
    if (value) *value++ = 0;
    for (char *c = value; c && *c; c++) /* \n in a text */
        if (c[0] == '\\' && c[1] == 'n') c[0] = '\n', memmove(c + 1, c + 2, strlen(c + 2) + 1);
    if (!settings_set(&a->settings, name, value ? value : "")) fail(s, name);
    if (strcmp(name, "light") == 0) app_set_theme(a, a->settings.light);
    if (strcmp(name, "device") == 0) a->switch_device = true;
}

static void open_page(script *s, app *a, const char *name)
{
    for (uint32_t i = 0; i < APP_PAGES; i++) {
        if (strcmp(pages[i], name) != 0) continue;
        app_set_page(a, (app_page)i);
        return;
    }
    fail(s, name);
}

static void act(script *s, app *a, char *line)
{
    char *word = line, *rest = strchr(line, ' ');
    if (rest) *rest++ = 0;
    if (!rest) rest = line + strlen(line);
    if (strcmp(word, "set") == 0)
        set(s, a, rest);
    else if (strcmp(word, "page") == 0)
        open_page(s, a, rest);
    else if (strcmp(word, "start") == 0)
        app_start(a, false);
    else if (strcmp(word, "resume") == 0)
        app_start(a, true);
    else if (strcmp(word, "pause") == 0)
        app_toggle_pause(a);
    else if (strcmp(word, "stop") == 0)
        work_stop(a->work);
    else if (strcmp(word, "try") == 0)
        app_post(a, WORK_TRY, false);
    else if (strcmp(word, "tell") == 0)
        tell(a);
    else if (strcmp(word, "close") == 0)
        a->window.close = true;
    else if (strcmp(word, "tab") == 0)
        a->tab_train = a->tab_write = a->tab_task = a->tab_profile = atoi(rest);
    else if (strcmp(word, "input") == 0 && *rest >= '0' && *rest <= '2' && rest[1] == ' ')
        snprintf(a->try_input[*rest - '0'], sizeof a->try_input[0], "%s", rest + 2);
    else if (strcmp(word, "key") != 0 || !window_press(&a->window, rest))
        fail(s, word);
}

/* True: the picture is there, or is not to be had. */
static bool shoot(script *s, app *a, const char *path)
{
    if (!s->shot[0]) {
        snprintf(s->shot, sizeof s->shot, "%.1000s", path);
        s->frame = a->frames + FRAMES_BEFORE_SHOT;
        s->taken = false;
    }
    if (!s->taken && a->frames >= s->frame) {
        render_shoot(a->render, s->shot);
        s->frame = a->frames + 1;
        s->taken = true;
    }
    if (a->frames < s->frame) return false;
    s->shot[0] = 0;
    return true;
}

bool script_go(script *s, app *a)
{
    bool did = false;
    if (a->frames < s->after) return true;
    while (!script_done(s) && !a->quit && !a->window.close) {
        char line[1200];
        const size_t length = strcspn(s->at, "\n");
        snprintf(line, sizeof line, "%.*s", (int)(length < 1199 ? length : 1199), s->at);
        if (strncmp(line, "wait ", 5) == 0) {
            if (s->until == 0) s->until = window_seconds() + WAIT_MOST;
            if (!has_come(s, a, line + 5)) {
                if (window_seconds() > s->until) fail(s, line);
                return did;
            }
            s->until = 0;
        } else if (strncmp(line, "shot ", 5) == 0) {
            if (!shoot(s, a, line + 5)) return true;
            if (!render_shot_good(a->render)) fail(s, line);
        } else if (line[0] && line[0] != '#') {
            act(s, a, line);
            did = true;
        }
        if (s->failed) break;
        s->at += length + (s->at[length] == '\n');
        if (a->window.key_count) { /* it is pressed in one frame, and its work may be asked for in the next */
            s->after = a->frames + FRAMES_OF_KEY;
            return true;
        }
    }
    return did;
}
