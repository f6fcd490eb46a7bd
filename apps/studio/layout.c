/* Shapes that several pages have. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app.h"

typedef struct tile {
    const char *name, *value, *note;
    ui_color color;
} tile;

static const theme *colors;

static void draw_tile(ui_rect r, const tile *one)
{
    const float s = ui_scale();
    ui_draw_rect(r, colors->card, 10 * s);
    ui_draw_frame(r, colors->border, 10 * s, 1);
    ui_clip(r);
    ui_draw_text(UI_SMALL, (ui_point){r.x + 12 * s, r.y + 9 * s}, colors->muted, one->name);
    const bool wide = ui_text_width(UI_FIGURE, one->value) > r.w - 18 * s;
    ui_draw_text(wide ? UI_BOLD : UI_FIGURE, (ui_point){r.x + 12 * s, r.y + (wide ? 29 : 26) * s}, one->color,
                 one->value);
    ui_draw_text(UI_SMALL, (ui_point){r.x + 12 * s, r.y + 50 * s}, colors->faint, one->note);
    ui_unclip();
}

static void draw_tiles(const tile *tiles, int count)
{
    const float s = ui_scale(), gap = 10 * s;
    const ui_rect all = ui_place(NULL, ui_width_left(), 74 * s, NULL);
    const float width = floorf((all.w - gap * (float)(count - 1)) / (float)count);
    for (int i = 0; i < count; i++)
        draw_tile((ui_rect){all.x + (width + gap) * (float)i, all.y, width, all.h}, &tiles[i]);
}

void layout_run_tiles(app *a, const work_run *run, const char *val_name, const char *val_note)
{
    char step[64], all[32], loss[32], val[32], best[48], rate[32], memory[32], left[32], took[40], a1[32];
    colors = a->theme;
    snprintf(step, sizeof step, "%s", text_count(run->step, a1));
    snprintf(all, sizeof all, "of %.20s", text_count(run->steps, a1));
    snprintf(best, sizeof best, "best %s", text_number((double)run->best_val, a1));
    snprintf(took, sizeof took, "%s so far", text_time(run->seconds, a1));
    const bool on = run->steps > 0;
    const tile tiles[] = {
        {"Step", on ? step : "\xe2\x80\x93", on ? all : "", colors->text},
        {"Loss", on && run->step ? text_number((double)run->loss, loss) : "\xe2\x80\x93", "of this step",
         colors->accent},
        {val_name, text_number((double)run->val_loss, val),
         val_note               ? val_note
         : isnan(run->best_val) ? ""
                                : best,
         colors->points},
        {"Tokens / s", run->tokens_per_s > 0 ? text_count(run->tokens_per_s, rate) : "\xe2\x80\x93", "mean",
         colors->text},
        {"Time left", on && run->tokens_per_s > 0 ? text_time(run->left_s, left) : "\xe2\x80\x93", on ? took : "",
         colors->text},
        {"Memory", on && run->memory ? text_bytes((double)run->memory, memory) : "\xe2\x80\x93", "on the device",
         colors->text},
    };
    const int all_count = run->memory || !on ? 6 : 5, room = (int)(ui_width_left() / (104 * ui_scale()));
    draw_tiles(tiles, room < 3 ? 3 : room < all_count ? room : all_count);
}

void layout_bar(const char *name, double share, bool chosen, bool mono)
{
    const float s = ui_scale(), height = 25 * s, label = 96 * s, number = 52 * s;
    const ui_font font = mono ? UI_MONO : UI_BODY;
    const ui_rect r = ui_place(NULL, ui_width_left(), height, NULL);
    ui_tighten();
    const float room = fmaxf(r.w - label - number, 10), y = r.y + (height - ui_text_height(font)) / 2;
    char percent[16];
    snprintf(percent, sizeof percent, share < 0.0995 ? "%.1f %%" : "%.0f %%", 100 * share);
    ui_clip((ui_rect){r.x, r.y, label - 8 * s, r.h});
    ui_draw_text(font, (ui_point){r.x, y}, chosen ? colors->accent : colors->text, name);
    ui_unclip();
    const ui_rect back = {r.x + label, r.y + 7 * s, room, height - 14 * s};
    ui_draw_rect(back, colors->field, 4 * s);
    ui_draw_rect((ui_rect){back.x, back.y, fmaxf(2 * s, room * (float)share), back.h},
                 chosen ? colors->accent : theme_fade(colors->points, 0.8f), 4 * s);
    ui_draw_text(
        UI_SMALL,
        (ui_point){r.x + r.w - ui_text_width(UI_SMALL, percent), r.y + (height - ui_text_height(UI_SMALL)) / 2},
        colors->muted, percent);
}

/* At the head's right end. */
void layout_run_buttons(app *a, work_kind kind, const work_run *run, bool can_resume)
{
    const bool mine = a->state->doing == kind, busy = app_busy(a);
    const char *start = kind == WORK_TRAIN ? "Train" : "Teach";
    (void)run;
    colors = a->theme;
    if (mine) {
        if (ui_button(a->state->paused ? "Go on" : "Pause", UI_PRIMARY, 96, !a->state->stopping)) app_toggle_pause(a);
        ui_beside(8);
        if (ui_button(a->state->stopping ? "Stopping" : "Stop", UI_PLAIN, 96, !a->state->stopping)) work_stop(a->work);
        return;
    }
    if (ui_button(start, UI_PRIMARY, 96, !busy && !can_resume)) app_start(a, false);
    ui_beside(8);
    if (ui_button("Go on", can_resume ? UI_PRIMARY : UI_PLAIN, 96, !busy && can_resume)) app_start(a, true);
}

void layout_colors(app *a)
{
    colors = a->theme;
}
