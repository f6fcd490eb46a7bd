/* What is around the pages: the rail, the head, errors, the line at the foot, the keys. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "icons.h"

static const struct {
    const char *name, *about;
    void (*draw)(app *a, ui_rect room);
} pages[APP_PAGES] = {
    {"Train", "Teach a new model a text", page_train}, {"Write", "Continue a text", page_write},
    {"Task", "Teach a model to answer", page_task},    {"Profile", "Where the time goes", page_profile},
    {"Device", "What computes", page_device},
};

/* ---- the rail ---- */

static void draw_mark(const theme *t, ui_point at, float size)
{
    ui_draw_rect((ui_rect){at.x, at.y, size, size}, t->accent_strong, size * 0.28f);
    ui_draw_disc((ui_point){at.x + size * 0.36f, at.y + size * 0.40f}, size * 0.16f, t->on_accent);
    ui_draw_disc((ui_point){at.x + size * 0.68f, at.y + size * 0.34f}, size * 0.09f, t->on_accent);
    ui_draw_disc((ui_point){at.x + size * 0.62f, at.y + size * 0.68f}, size * 0.13f, t->on_accent);
    ui_draw_disc((ui_point){at.x + size * 0.32f, at.y + size * 0.74f}, size * 0.07f, t->on_accent);
}

static void draw_rail(app *a, ui_rect r)
{
    const theme *t = a->theme;
    const float s = ui_scale(), height = 42 * s, pad = 8 * s;
    ui_draw_rect(r, t->rail, 0);
    ui_draw_line((ui_point){r.x + r.w - 0.5f, r.y}, (ui_point){r.x + r.w - 0.5f, r.y + r.h}, t->border, 1);
    draw_mark(t, (ui_point){r.x + (a->narrow ? (r.w - 28 * s) / 2 : 18 * s), r.y + 18 * s}, 28 * s);
    if (!a->narrow) ui_draw_text(UI_FIGURE, (ui_point){r.x + 56 * s, r.y + 22 * s}, t->text, "Pumice");
    for (int i = 0; i < APP_PAGES; i++) {
        bool hovered = false, focused = false;
        const bool on = a->settings.page == (uint32_t)i;
        const ui_rect button = {r.x + pad, r.y + 64 * s + (height + 4 * s) * (float)i, r.w - 2 * pad, height};
        if (ui_rail_button(pages[i].name, button, on, &hovered, &focused)) app_set_page(a, (app_page)i);
        if (on || hovered) ui_draw_rect(button, on ? t->accent_soft : t->hover, 8 * s);
        if (focused) ui_draw_frame(button, t->accent, 8 * s, 2 * s);
        const ui_color ink = on ? t->accent : t->muted;
        const float x = a->narrow ? button.x + (button.w - 20 * s) / 2 : button.x + 12 * s;
        icon_draw((app_page)i, (ui_point){x, button.y + (height - 20 * s) / 2}, 20 * s, ink);
        if (a->narrow) {
            if (hovered) ui_tip(pages[i].name);
            continue;
        }
        ui_draw_text(on ? UI_BOLD : UI_BODY,
                     (ui_point){button.x + 44 * s, button.y + (height - ui_text_height(UI_BODY)) / 2},
                     on ? t->text : t->muted, pages[i].name);
        char key[16];
        snprintf(key, sizeof key, "Ctrl+%d", i + 1);
        if (hovered) ui_tip(key);
    }
    if (!a->narrow) ui_draw_text(UI_SMALL, (ui_point){r.x + 20 * s, r.y + r.h - 30 * s}, t->faint, "F1 for keys");
}

/* ---- head and foot ---- */

static void draw_tabs(app *a)
{
    static const char *const train[] = {"Curve", "Settings"}, *const write[] = {"Text", "Next", "Settings"},
                             *const task[] = {"Curve", "Try", "Settings"}, *const profile[] = {"Time", "Roof", "Table"};
    switch (a->settings.page) {
    case PAGE_TRAIN: (void)ui_segments("train", train, 2, &a->tab_train); break;
    case PAGE_WRITE: (void)ui_segments("write", write, 3, &a->tab_write); break;
    case PAGE_TASK: (void)ui_segments("task", task, 3, &a->tab_task); break;
    case PAGE_PROFILE:
        if (a->state->profile.there) (void)ui_segments("profile", profile, 3, &a->tab_profile);
        break;
    default: break;
    }
}

static void draw_buttons(app *a)
{
    const bool busy = app_busy(a), live = a->state->doing == WORK_TRAIN && a->state->paused;
    switch (a->settings.page) {
    case PAGE_TRAIN: layout_run_buttons(a, WORK_TRAIN, &a->state->train, work_has_run(a->settings.out)); break;
    case PAGE_WRITE:
        if (a->state->doing == WORK_WRITE) {
            if (ui_button("Stop", UI_PRIMARY, 96, !a->state->stopping)) work_stop(a->work);
        } else if (ui_button("Write", UI_PRIMARY, 96, !busy || live)) {
            app_start(a, false);
        }
        break;
    case PAGE_TASK: layout_run_buttons(a, WORK_TEACH, &a->state->teach, work_has_run(a->settings.task_out)); break;
    case PAGE_PROFILE: {
        const bool can = !busy || (a->state->doing == WORK_TRAIN && !a->state->paused);
        if (ui_button(a->state->doing == WORK_PROFILE ? "Measuring" : "Profile", UI_PRIMARY, 110, can))
            app_start(a, false);
        break;
    }
    default: break;
    }
}

static void draw_head(app *a, ui_rect r)
{
    const theme *t = a->theme;
    const float s = ui_scale();
    const bool two = a->settings.page == PAGE_TRAIN || a->settings.page == PAGE_TASK;
    const float buttons = (two                               ? 200
                           : a->settings.page == PAGE_DEVICE ? 0
                           : a->settings.page == PAGE_WRITE  ? 96
                                                             : 110) *
                          s;
    if (!a->narrow) {
        ui_draw_text(UI_TITLE, (ui_point){r.x, r.y + 4 * s}, t->text, pages[a->settings.page].name);
        ui_draw_text(UI_SMALL, (ui_point){r.x, r.y + 32 * s}, t->muted, pages[a->settings.page].about);
    } else if (a->settings.page == PAGE_DEVICE) {
        ui_draw_text(UI_TITLE, (ui_point){r.x, r.y + 4 * s}, t->text, pages[a->settings.page].name);
    } else {
        ui_area_begin("tabs", (ui_rect){r.x, r.y, r.w - buttons - 8 * s, r.h});
        draw_tabs(a);
        ui_area_end();
    }
    ui_area_begin("buttons", (ui_rect){r.x + r.w - buttons, r.y + (a->narrow ? 0 : 6 * s), buttons + 2 * s, 40 * s});
    draw_buttons(a);
    ui_area_end();
}

static const char *state_text(const app *a, char out[WORK_LINE])
{
    static const char *const doing[] = {"Ready",    "Opening",   "Training", "Writing",
                                        "Teaching", "Answering", "Profiling"};
    const work_state *st = a->state;
    const work_run *run = st->doing == WORK_TEACH ? &st->teach : &st->train;
    const bool steps = st->doing == WORK_TRAIN || st->doing == WORK_TEACH;
    if (st->doing == WORK_NONE) {
        snprintf(out, WORK_LINE, "%s", st->said[0] ? st->said : st->device_open ? "Ready" : "No device is open");
    } else if (steps && !st->stage[0]) {
        snprintf(out, WORK_LINE, "%s, step %u of %u",
                 st->paused     ? "Paused"
                 : st->stopping ? "Stopping"
                                : doing[st->doing],
                 (unsigned)run->step, (unsigned)run->steps);
    } else {
        int used = snprintf(out, WORK_LINE, "%s%s%s", doing[st->doing], st->stage[0] ? ": " : "", st->stage);
        if (st->progress.what && st->progress.all > 1 && st->progress.done < st->progress.all)
            snprintf(out + used, (size_t)(WORK_LINE - used), ", %u %%",
                     (unsigned)(100 * st->progress.done / st->progress.all));
    }
    return out;
}

static void draw_foot(app *a, ui_rect r)
{
    const theme *t = a->theme;
    const work_state *st = a->state;
    const float s = ui_scale(), y = r.y + (r.h - ui_text_height(UI_SMALL)) / 2;
    char line[WORK_LINE], device[80];
    snprintf(device, sizeof device, "%.64s", st->device_open ? st->caps.name : "no device");
    const float width = ui_text_width(UI_SMALL, device);
    ui_draw_line((ui_point){r.x, r.y + 0.5f}, (ui_point){r.x + r.w, r.y + 0.5f}, t->border, 1);
    const ui_color dot = st->doing == WORK_NONE ? (st->device_open ? t->good : t->bad)
                         : st->paused           ? t->warn
                                                : t->accent;
    ui_draw_disc((ui_point){r.x + 20 * s, r.y + r.h / 2}, 4 * s, dot);
    ui_clip((ui_rect){r.x, r.y, r.w - width - 40 * s, r.h});
    ui_draw_text(UI_SMALL, (ui_point){r.x + 32 * s, y}, t->muted, state_text(a, line));
    ui_unclip();
    ui_draw_text(UI_SMALL, (ui_point){r.x + r.w - width - 20 * s, y}, t->faint, device);
}

/* ---- errors ---- */

/* The line that is shown, or NULL. */
static const char *error_line(const app *a)
{
    if (a->own_error[0]) return a->own_error;
    return a->state->errors > a->errors_seen ? a->state->error : NULL;
}

/* Returns the height that it takes. */
static float draw_error(app *a, ui_rect r)
{
    const theme *t = a->theme;
    const float s = ui_scale(), line = ui_text_height(UI_BODY) * 1.3f, room = r.w - 120 * s;
    const char *text = error_line(a);
    size_t at = 0, sizes[4], count = 0;
    if (!text) return 0;
    for (const size_t size = strlen(text); at < size && count < 4;) {
        sizes[count] = ui_wrap(UI_BODY, text + at, size - at, room);
        at += sizes[count++];
        while (text[at] == ' ') at++;
    }
    const ui_rect box = {r.x, r.y, r.w, line * (float)count + 20 * s};
    ui_draw_rect(box, t->bad_soft, 10 * s);
    ui_draw_rect((ui_rect){box.x, box.y, 4 * s, box.h}, t->bad, 2 * s);
    at = 0;
    for (size_t i = 0; i < count; i++) {
        ui_draw_part(UI_BODY, (ui_point){box.x + 18 * s, box.y + 10 * s + line * (float)i}, t->text, text + at,
                     sizes[i]);
        at += sizes[i];
        while (text[at] == ' ') at++;
    }
    ui_area_begin("error", (ui_rect){box.x + box.w - 90 * s, box.y + (box.h - 34 * s) / 2, 86 * s, 36 * s});
    if (ui_button("Close", UI_QUIET, 80, true)) app_close_error(a);
    ui_area_end();
    return box.h + 10 * s;
}

/* ---- keys ---- */

static void draw_help(app *a)
{
    static const char *const lines[][2] = {
        {"Ctrl+1 to Ctrl+5", "the pages"},
        {"Ctrl+Enter", "train, write, teach, profile; or go on"},
        {"Space", "pause, go on"},
        {"Escape", "close the error; stop, and save"},
        {"Ctrl+O", "choose the page's file or folder"},
        {"Arrows, Tab", "move; Space or Enter presses"},
        {"Ctrl+C", "copy what was written"},
        {"Ctrl+D", "dark or light"},
        {"Ctrl++  Ctrl+\xe2\x88\x92  Ctrl+0", "larger, smaller, 100 %"},
        {"Ctrl+Q", "save and quit"},
    };
    if (a->help) ui_modal_open("Keys");
    if (!ui_modal_begin("Keys", 470, 0)) return;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const ui_rect r = ui_place(NULL, ui_width_left(), ui_text_height(UI_BODY) * 1.35f, NULL);
        ui_tighten();
        ui_draw_text(UI_BOLD, (ui_point){r.x, r.y}, a->theme->text, lines[i][0]);
        ui_draw_text(UI_BODY, (ui_point){r.x + 180 * ui_scale(), r.y}, a->theme->muted, lines[i][1]);
    }
    ui_space(14);
    if (a->help) ui_focus_next();
    a->help = false;
    if (ui_button("Close", UI_PLAIN, 100, true)) ui_modal_close();
    ui_modal_end();
}

static void open_for_page(app *a)
{
    settings *s = &a->settings;
    if (app_busy(a)) return;
    if (s->page == PAGE_TRAIN) picker_open(a, s->data, sizeof s->data, PICK_FILE);
    if (s->page == PAGE_WRITE) picker_open(a, s->model, sizeof s->model, PICK_MODEL);
    if (s->page == PAGE_TASK) picker_open(a, s->task_train, sizeof s->task_train, PICK_FILE);
}

static void rescale(app *a, int by)
{
    const int most = (int)(100 * app_scale_most(a)), now = (int)a->settings.scale;
    const int scale = by ? (now > most ? most : now) + by : 100;
    a->settings.scale = (uint32_t)(scale < 100 ? 100 : scale > most ? most : scale);
}

static void primary(app *a)
{
    const uint32_t page = a->settings.page;
    const char *out = page == PAGE_TRAIN ? a->settings.out : a->settings.task_out;
    app_start(a, (page == PAGE_TRAIN || page == PAGE_TASK) && work_has_run(out));
}

void shell_keys(app *a)
{
    window *w = &a->window;
    const bool taken = ui_wants_keys(), menu = ui_menu_open();
    for (size_t i = 0; i < w->key_count; i++) {
        const window_key key = w->keys[i];
        if (menu && key != KEY_QUIT && key != KEY_THEME) continue;
        switch (key) {
        case KEY_PRIMARY: primary(a); break;
        case KEY_PAUSE:
            if (!taken) app_toggle_pause(a);
            break;
        case KEY_STOP:
            if (error_line(a) && !ui_blinks())
                app_close_error(a);
            else if (!taken && app_own(a))
                work_stop(a->work);
            break;
        case KEY_HELP: a->help = true; break;
        case KEY_THEME: app_set_theme(a, !a->settings.light); break;
        case KEY_LARGER: rescale(a, 25); break;
        case KEY_SMALLER: rescale(a, -25); break;
        case KEY_NORMAL: rescale(a, 0); break;
        case KEY_OPEN: open_for_page(a); break;
        case KEY_COPY:
            if (!ui_blinks() && a->settings.page == PAGE_WRITE) page_write_copy(a);
            break;
        case KEY_QUIT: a->quit = true; break;
        default:
            if (key >= KEY_PAGE_1 && key <= KEY_PAGE_5) app_set_page(a, (app_page)(key - KEY_PAGE_1));
        }
    }
    w->key_count = 0;
}

/* ---- all of it ---- */

static void take_dropped(app *a)
{
    settings *s = &a->settings;
    char *path = a->window.dropped;
    if (!path[0]) return;
    char *to = s->page == PAGE_WRITE ? s->model : s->page == PAGE_TASK ? s->task_train : s->data;
    if (!app_busy(a)) snprintf(to, SETTINGS_PATH, "%.1023s", path);
    path[0] = 0;
}

void shell_draw(app *a)
{
    int width = 0, height = 0;
    window_size(&a->window, &width, &height);
    const float s = ui_scale(), w = (float)width, h = (float)height;
    a->narrow = w < 960 * s || h < 560 * s;
    const float rail = floorf((a->narrow ? 56 : 180) * s), pad = (a->narrow ? 12 : 24) * s, foot = floorf(28 * s);
    const float head = (a->narrow ? 46 : 66) * s;
    layout_colors(a);
    take_dropped(a);
    draw_rail(a, (ui_rect){0, 0, rail, h});
    const ui_rect inner = {rail + pad, (a->narrow ? 10 : 18) * s, w - rail - 2 * pad, 0};
    draw_head(a, (ui_rect){inner.x, inner.y, inner.w, head});
    float y = inner.y + head;
    y += draw_error(a, (ui_rect){inner.x, y, inner.w, 0});
    const ui_rect room = {inner.x, y, inner.w, h - foot - y - 10 * s};
    if (room.h > 40 * s) pages[a->settings.page].draw(a, room);
    draw_foot(a, (ui_rect){rail, h - foot, w - rail, foot});
    picker_draw(a);
    draw_help(a);
}
