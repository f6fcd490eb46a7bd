/* The page Profile: where the time of a step goes. */
#include <math.h>
#include <stdio.h>

#include "app.h"
#include "plot.h"

static void draw_timeline(app *a, float height)
{
    const work_profile *p = &a->state->profile;
    bool hovered = false;
    float moved = 0;
    ui_card_begin("line", "Time line", height);
    const ui_rect room = ui_place("events", ui_width_left(), ui_height_left() - 2 * ui_scale(), &hovered);
    const float wheel = hovered ? ui_wheel() : 0;
    if (wheel != 0) {
        const double at = fmin(fmax((double)((ui_mouse().x - room.x) / room.w), 0), 1), zoom = a->zoom;
        a->zoom = fmin(fmax(zoom * pow(0.8, (double)wheel), 1e-4), 1);
        a->origin += at * (zoom - a->zoom);
    }
    if (ui_dragged(&moved)) a->origin -= (double)(moved / room.w) * a->zoom;
    a->origin = fmin(fmax(a->origin, 0), 1 - a->zoom);
    plot_timeline(a->theme, room, p, a->zoom, a->origin, hovered);
    ui_card_end();
}

static void draw_zoom(app *a)
{
    const double before = a->zoom;
    if (ui_button("\xe2\x88\x92##out", UI_PLAIN, 40, a->zoom < 1)) a->zoom = fmin(1, a->zoom * 2);
    ui_beside(6);
    if (ui_button("+##in", UI_PLAIN, 40, true)) a->zoom = fmax(1e-4, a->zoom / 2);
    ui_beside(6);
    if (ui_button("\xe2\x86\x90##left", UI_PLAIN, 40, a->origin > 0)) a->origin -= a->zoom / 4;
    ui_beside(6);
    if (ui_button("\xe2\x86\x92##right", UI_PLAIN, 40, a->origin < 1 - a->zoom)) a->origin += a->zoom / 4;
    ui_beside(14);
    a->origin += (before - a->zoom) / 2;
    a->origin = fmin(fmax(a->origin, 0), 1 - a->zoom);
}

static void draw_summary(app *a)
{
    const work_profile *p = &a->state->profile;
    char line[240], flops[32], copy[32];
    snprintf(line, sizeof line, "%u steps in %.1f ms; the device was busy for %.0f %%. Peaks: %sFLOP/s, copies %sB/s",
             (unsigned)p->steps, 1e3 * p->seconds, p->seconds > 0 ? 100 * p->total_ms / (1e3 * p->seconds) : 0,
             text_short(p->peaks.fma_flops_per_s, flops), text_short(p->peaks.copy_bytes_per_s, copy));
    ui_text(UI_SMALL, a->theme->muted, line);
}

static void draw_roofline(app *a, float height)
{
    bool hovered = false;
    ui_card_begin("roof", "Roofline", height);
    const ui_rect room = ui_place("kernels", ui_width_left(), ui_height_left() - 2 * ui_scale(), &hovered);
    plot_roofline(a->theme, room, &a->state->profile, hovered);
    ui_card_end();
}

static void draw_table(app *a, float height)
{
    static const char *const heads[] = {"Operation", "ms", "%", "GFLOP/s", "roof %"};
    static const float widths[] = {-1, 62, 46, 70, 52};
    const work_profile *p = &a->state->profile;
    ui_card_begin("table", "Operations", height);
    if (ui_table_begin("rows", heads, widths, 5, 0)) {
        for (uint32_t i = 0; i < p->row_count; i++) {
            const work_row *r = &p->rows[i];
            char text[120];
            snprintf(text, sizeof text, "%s  %s", r->name, r->shape);
            ui_cell_cut(UI_BODY, a->theme->series[r->direction & 3], text);
            snprintf(text, sizeof text, "%.2f", r->ms);
            ui_cell(UI_BODY, a->theme->text, true, text);
            snprintf(text, sizeof text, "%.1f", p->total_ms > 0 ? 100 * r->ms / p->total_ms : 0);
            ui_cell(UI_BODY, a->theme->muted, true, text);
            snprintf(text, sizeof text, "%.1f", r->ms > 0 ? 1e-6 * r->flops / r->ms : 0);
            ui_cell(UI_BODY, a->theme->text, true, text);
            if (isfinite(r->share))
                snprintf(text, sizeof text, "%.0f", 100 * r->share);
            else
                snprintf(text, sizeof text, "\xe2\x80\x93");
            ui_cell(UI_BODY, a->theme->muted, true, text);
        }
        ui_table_end();
    }
    ui_card_end();
}

static void draw_legend(const theme *t)
{
    float x = 0;
    const float s = ui_scale(), height = ui_text_height(UI_SMALL);
    const ui_rect r = ui_place(NULL, ui_width_left(), height, NULL);
    for (int i = 0; i < 4; i++) {
        const char *name = i ? pm_direction_name((pm_direction)i) : "other";
        ui_draw_disc((ui_point){r.x + x + 4 * s, r.y + height / 2}, 4 * s, t->series[i]);
        ui_draw_text(UI_SMALL, (ui_point){r.x + x + 14 * s, r.y}, t->muted, name);
        x += 30 * s + ui_text_width(UI_SMALL, name);
    }
}

static void draw_empty(app *a)
{
    ui_card_begin("empty", "Nothing is measured yet", 0);
    ui_paragraph(UI_BODY, a->theme->muted,
                 "Press Ctrl+Enter. While a training goes on, its next steps are measured; else some steps of a model "
                 "of the page "
                 "Train's sizes.");
    ui_card_end();
}

void page_profile(app *a, ui_rect room)
{
    const bool there = a->state->profile.there;
    const float gap = 16 * ui_scale();
    ui_area_begin("profile", room);
    if (!there) {
        draw_empty(a);
    } else if (a->narrow) {
        draw_legend(a->theme);
        if (a->tab_profile == 0)
            draw_timeline(a, -1);
        else if (a->tab_profile == 1)
            draw_roofline(a, -1);
        else
            draw_table(a, -1);
    } else {
        draw_zoom(a);
        draw_summary(a);
        draw_legend(a->theme);
        draw_timeline(a, 210);
    }
    const float left = ui_height_left();
    ui_area_end();
    if (!there || a->narrow) return;
    const float y = room.y + room.h - left, width = (room.w - gap) / 2;
    ui_area_begin("roofline", (ui_rect){room.x, y, width, left});
    draw_roofline(a, -1);
    ui_area_end();
    ui_area_begin("operations", (ui_rect){room.x + width + gap, y, width, left});
    draw_table(a, -1);
    ui_area_end();
}
