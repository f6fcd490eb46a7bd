/* The profile's time line and roofline. */
#include <math.h>
#include <stdio.h>

#include "app.h"
#include "plot.h"

/* ---- the time line ---- */

static const char *const lanes[] = {"host", "queue", "device"};

static void draw_time_axis(const theme *t, ui_rect in, double from, double to)
{
    const double step = plot_nice(to - from, (int)fmaxf(2, in.w / (110 * ui_scale())));
    const int digits = step < 0.01 ? 3 : step < 0.1 ? 2 : step < 1 ? 1 : 0;
    char text[40];
    for (double v = ceil(from / step) * step; v <= to; v += step) {
        const float x = floorf(in.x + (float)((v - from) / (to - from)) * in.w) + 0.5f;
        ui_draw_line((ui_point){x, in.y}, (ui_point){x, in.y + in.h}, t->border, 1);
        snprintf(text, sizeof text, "%.*f ms", digits, v);
        if (x + ui_text_width(UI_SMALL, text) / 2 > in.x + in.w) continue;
        ui_draw_text(UI_SMALL, (ui_point){x - ui_text_width(UI_SMALL, text) / 2, in.y + in.h + 5 * ui_scale()},
                     t->muted, text);
    }
}

void plot_timeline(const theme *t, ui_rect room, const work_profile *p, double zoom, double origin, bool hovered)
{
    const float s = ui_scale(), text = ui_text_height(UI_SMALL), left = ui_text_width(UI_SMALL, "device") + 12 * s;
    const ui_rect in = {room.x + left, room.y + 2 * s, room.w - left - 4 * s, room.h - text - 10 * s};
    const float lane = in.h / 3, bar = lane - 8 * s;
    double whole = 1e-3;
    for (uint32_t i = 0; i < p->event_count; i++)
        whole = fmax(whole, (double)(p->events[i].start_ms + p->events[i].ms));
    const double from = origin * whole, to = from + zoom * whole;
    const ui_point mouse = ui_mouse();
    const work_event *under = NULL;
    draw_time_axis(t, in, from, to);
    for (int i = 0; i < 3; i++) {
        const float y = in.y + lane * (float)i + 4 * s;
        ui_draw_rect((ui_rect){in.x, y, in.w, bar}, t->field, 4 * s);
        ui_draw_text(UI_SMALL, (ui_point){room.x, y + (bar - text) / 2}, t->muted, lanes[i]);
    }
    ui_clip(in);
    float filled[3] = {-1, -1, -1}; /* bars narrower than a pixel are drawn once */
    for (uint32_t i = 0; i < p->event_count; i++) {
        const work_event *e = &p->events[i];
        const double begin = (double)e->start_ms, end = begin + (double)e->ms;
        if (end < from || begin > to || e->track > 2) continue;
        const float x0 = in.x + (float)((begin - from) / (to - from)) * in.w;
        const float x1 = fmaxf(in.x + (float)((end - from) / (to - from)) * in.w, x0 + 1);
        const float y = in.y + lane * (float)e->track + 4 * s;
        const ui_color color = e->track == 2   ? t->series[e->direction & 3]
                               : e->track == 1 ? theme_fade(t->muted, 0.6f)
                                               : theme_fade(t->points, 0.7f);
        if (mouse.x >= x0 && mouse.x < x1 && mouse.y >= y && mouse.y < y + bar) under = e;
        if (x1 <= filled[e->track]) continue;
        filled[e->track] = x1;
        ui_draw_rect((ui_rect){x0, y, x1 - x0 - (x1 - x0 > 4 ? 1 : 0), bar}, color, x1 - x0 > 6 * s ? 3 * s : 0);
        const char *name = p->names[e->row];
        if (x1 - x0 > ui_text_width(UI_SMALL, name) + 8 * s)
            ui_draw_text(UI_SMALL, (ui_point){x0 + 4 * s, y + (bar - text) / 2}, e->track == 1 ? t->text : t->card,
                         name);
    }
    ui_unclip();
    if (!under || !hovered) return;
    char tip[160];
    snprintf(tip, sizeof tip, "%s\n%s\n%.3f ms, from %.3f ms", p->names[under->row],
             under->track == 2 ? pm_direction_name((pm_direction)under->direction) : lanes[under->track],
             (double)under->ms, (double)under->start_ms);
    ui_tip(tip);
}

/* ---- the roofline ---- */

typedef struct chart {
    ui_rect in;
    double x0, x1, y0, y1; /* exponents of ten */
} chart;

static ui_point place(const chart *c, double x, double y)
{
    return (ui_point){c->in.x + (float)((log10(x) - c->x0) / (c->x1 - c->x0)) * c->in.w,
                      c->in.y + c->in.h - (float)((log10(y) - c->y0) / (c->y1 - c->y0)) * c->in.h};
}

static bool drawable(const work_row *r)
{
    return r->flops > 0 && r->bytes > 0 && r->ms > 0;
}

static void draw_grid(const theme *t, const chart *c)
{
    const float s = ui_scale(), height = ui_text_height(UI_SMALL);
    char text[32];
    for (int e = (int)ceil(c->x0); e <= (int)floor(c->x1); e++) {
        const float x = floorf(place(c, pow(10, e), 1).x) + 0.5f;
        ui_draw_line((ui_point){x, c->in.y}, (ui_point){x, c->in.y + c->in.h}, t->border, 1);
        snprintf(text, sizeof text, "%g", pow(10, e));
        ui_draw_text(UI_SMALL, (ui_point){x - ui_text_width(UI_SMALL, text) / 2, c->in.y + c->in.h + 5 * s}, t->muted,
                     text);
    }
    for (int e = (int)ceil(c->y0); e <= (int)floor(c->y1); e++) {
        const float y = floorf(place(c, 1, pow(10, e)).y) + 0.5f;
        ui_draw_line((ui_point){c->in.x, y}, (ui_point){c->in.x + c->in.w, y}, t->border, 1);
        snprintf(text, sizeof text, "%g", pow(10, e - 9));
        ui_draw_text(UI_SMALL, (ui_point){c->in.x - ui_text_width(UI_SMALL, text) - 6 * s, y - height / 2}, t->muted,
                     text);
    }
    const char *unit = "FLOP per byte";
    ui_draw_text(UI_SMALL,
                 (ui_point){c->in.x + c->in.w - ui_text_width(UI_SMALL, unit), c->in.y + c->in.h - height - 4 * s},
                 t->faint, unit);
    ui_draw_text(UI_SMALL, (ui_point){c->in.x + 6 * s, c->in.y + 2 * s}, t->faint, "GFLOP/s");
}

static void draw_roof(const theme *t, const chart *c, const pm_peaks *peaks)
{
    const double copy = peaks->copy_bytes_per_s, flops = peaks->fma_flops_per_s;
    if (!(copy > 0) || !(flops > 0)) return;
    const double left = pow(10, c->x0), right = pow(10, c->x1), ridge = flops / copy;
    const ui_point points[3] = {place(c, left, left * copy), place(c, ridge, flops), place(c, right, flops)};
    ui_draw_lines(points, 3, t->muted, 2 * ui_scale());
}

void plot_roofline(const theme *t, ui_rect room, const work_profile *p, bool hovered)
{
    const float s = ui_scale(), left = 52 * s;
    chart c = {.in = {room.x + left, room.y + 4 * s, room.w - left - 6 * s, room.h - ui_text_height(UI_SMALL) - 14 * s},
               .x0 = -1,
               .x1 = 1,
               .y0 = 9,
               .y1 = 10};
    const work_row *under = NULL;
    double most = 0;
    for (uint32_t i = 0; i < p->row_count; i++) {
        const work_row *r = &p->rows[i];
        if (!drawable(r)) continue;
        const double x = log10(r->flops / r->bytes), y = log10(r->flops / (1e-3 * r->ms));
        c.x0 = fmin(c.x0, x - 0.3), c.x1 = fmax(c.x1, x + 0.3), c.y0 = fmin(c.y0, y - 0.3), c.y1 = fmax(c.y1, y + 0.3);
        most = fmax(most, r->ms);
    }
    if (p->peaks.fma_flops_per_s > 0) c.y1 = fmax(c.y1, log10(p->peaks.fma_flops_per_s) + 0.3);
    draw_grid(t, &c);
    ui_clip(c.in);
    draw_roof(t, &c, &p->peaks);
    const ui_point mouse = ui_mouse();
    for (uint32_t i = 0; i < p->row_count; i++) {
        const work_row *r = &p->rows[i];
        if (!drawable(r)) continue;
        const ui_point at = place(&c, r->flops / r->bytes, r->flops / (1e-3 * r->ms));
        const float radius = (3.5f + 9 * (float)sqrt(r->ms / most)) * s;
        ui_draw_disc(at, radius, theme_fade(t->series[r->direction & 3], 0.75f));
        ui_draw_ring(at, radius, t->card, 1.5f * s);
        if (hypotf(mouse.x - at.x, mouse.y - at.y) < radius) under = r;
    }
    ui_unclip();
    if (!under || !hovered) return;
    char tip[260];
    snprintf(tip, sizeof tip, "%s %s %s\n%s\n%.2f ms, %.1f GFLOP/s, %.0f %% of the roof",
             pm_direction_name((pm_direction)under->direction), under->name, under->shape, under->kernel, under->ms,
             1e-6 * under->flops / under->ms, 100 * under->share);
    ui_tip(tip);
}
