#include "plot.h"

#include <math.h>
#include <stdio.h>

#include "app.h"

double plot_nice(double span, int count)
{
    const double raw = span / count, power = pow(10, floor(log10(raw)));
    const double lead = raw / power;
    return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

typedef struct axes {
    ui_rect in;
    double x0, x1, y0, y1;
} axes;

static ui_point at(const axes *a, double x, double y)
{
    return (ui_point){a->in.x + (float)((x - a->x0) / (a->x1 - a->x0)) * a->in.w,
                      a->in.y + a->in.h - (float)((y - a->y0) / (a->y1 - a->y0)) * a->in.h};
}

static void include(double *low, double *high, const float *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) continue;
        *low = fmin(*low, (double)values[i]);
        *high = fmax(*high, (double)values[i]);
    }
}

static void draw_y(const theme *t, const axes *a)
{
    const float height = ui_text_height(UI_SMALL);
    const int count = (int)fmaxf(3, a->in.h / (3.2f * height));
    const double step = plot_nice(a->y1 - a->y0, count);
    const int digits = step < 0.01 ? 3 : step < 0.1 ? 2 : step < 1 ? 1 : 0;
    char text[32];
    for (double v = ceil(a->y0 / step) * step; v <= a->y1 + 1e-9 * step; v += step) {
        const ui_point p = at(a, a->x0, v);
        const float row = floorf(p.y) + 0.5f;
        ui_draw_line((ui_point){a->in.x, row}, (ui_point){a->in.x + a->in.w, row}, t->border, 1);
        snprintf(text, sizeof text, "%.*f", digits, v);
        ui_draw_text(UI_SMALL, (ui_point){a->in.x - ui_text_width(UI_SMALL, text) - 8 * ui_scale(), row - height / 2},
                     t->muted, text);
    }
}

static void draw_x(const theme *t, const axes *a, const char *name)
{
    const int count = (int)fmaxf(2, a->in.w / (90 * ui_scale()));
    const double step = fmax(1, plot_nice(a->x1 - a->x0, count));
    const float below = a->in.y + a->in.h;
    char text[32];
    const float end = a->in.x + a->in.w - ui_text_width(UI_SMALL, name);
    for (double v = 0; v <= a->x1; v += step) {
        const ui_point p = at(a, v, a->y0);
        ui_draw_line((ui_point){floorf(p.x) + 0.5f, below}, (ui_point){floorf(p.x) + 0.5f, below + 4 * ui_scale()},
                     t->faint, 1);
        text_count(v, text);
        const float width = ui_text_width(UI_SMALL, text), x = p.x - width / 2;
        if (x + width > end - 6 * ui_scale()) continue;
        ui_draw_text(UI_SMALL, (ui_point){x, below + 7 * ui_scale()}, t->muted, text);
    }
    ui_draw_text(UI_SMALL, (ui_point){end, below + 7 * ui_scale()}, t->faint, name);
    ui_draw_line((ui_point){a->in.x, floorf(below) + 0.5f}, (ui_point){a->in.x + a->in.w, floorf(below) + 0.5f},
                 t->faint, 1);
}

static void draw_curve(const axes *a, const curve *c, const float *values, ui_color color, float thick)
{
    static ui_point points[CURVE_POINTS];
    int count = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        const ui_point p = at(a, (double)c->x[i], (double)values[i]);
        if (count > 0 && p.x - points[count - 1].x < 0.5f && i + 1 < c->count && c->count > 600) continue;
        points[count++] = p;
    }
    ui_draw_lines(points, count, color, thick);
}

/* What is under the mouse. */
static void draw_hover(const theme *t, const axes *a, const curve *loss, const float *smooth)
{
    const ui_point mouse = ui_mouse();
    if (loss->count == 0 || mouse.x < a->in.x || mouse.x > a->in.x + a->in.w || mouse.y < a->in.y ||
        mouse.y > a->in.y + a->in.h)
        return;
    const double x = a->x0 + (double)((mouse.x - a->in.x) / a->in.w) * (a->x1 - a->x0);
    uint32_t near = 0;
    for (uint32_t i = 0; i < loss->count; i++)
        if (fabs((double)loss->x[i] - x) < fabs((double)loss->x[near] - x)) near = i;
    const ui_point p = at(a, (double)loss->x[near], (double)smooth[near]);
    char text[120], step[32];
    ui_draw_line((ui_point){floorf(p.x) + 0.5f, a->in.y}, (ui_point){floorf(p.x) + 0.5f, a->in.y + a->in.h}, t->faint,
                 1);
    ui_draw_disc(p, 4 * ui_scale(), t->curve);
    snprintf(text, sizeof text, "step %s\nloss %.4f\nmean %.4f", text_count((double)loss->x[near], step),
             (double)loss->y[near], (double)smooth[near]);
    ui_tip(text);
}

ui_rect plot_loss(const theme *t, ui_rect room, const curve *loss, const curve *val, double steps, bool hovered)
{
    static float smooth[CURVE_POINTS];
    const float s = ui_scale(), text = ui_text_height(UI_SMALL);
    double low = INFINITY, high = -INFINITY, last = 1;
    curve_smooth(loss, 1 + loss->count / 80, smooth);
    include(&low, &high, loss->y, loss->count);
    include(&low, &high, val->y, val->count);
    if (loss->count) last = (double)loss->x[loss->count - 1];
    if (!isfinite(low)) low = 0, high = 5;
    const double margin = fmax(0.05 * (high - low), 0.01);
    axes a = {.x0 = 0,
              .x1 = fmax(loss->count == 0 || (steps > 0 && last > 0.25 * steps)
                             ? steps
                             : fmin(fmax(steps, 1), fmax(1.6 * last, 20)),
                         last),
              .y0 = fmax(0, low - margin),
              .y1 = high + margin};
    char widest[32];
    snprintf(widest, sizeof widest, "%.2f", a.y1);
    const float left = ui_text_width(UI_SMALL, widest) + 14 * s;
    a.in = (ui_rect){room.x + left, room.y + 4 * s, room.w - left - 6 * s, room.h - text - 16 * s};
    draw_y(t, &a);
    draw_x(t, &a, "step");
    ui_clip((ui_rect){a.in.x, a.in.y - 2 * s, a.in.w + 4 * s, a.in.h + 4 * s});
    draw_curve(&a, loss, loss->y, t->curve_faint, 1.0f * s);
    draw_curve(&a, loss, smooth, t->curve, 2.5f * s);
    draw_curve(&a, val, val->y, theme_fade(t->points, 0.5f), 1.5f * s);
    for (uint32_t i = 0; i < val->count; i++) {
        const ui_point p = at(&a, (double)val->x[i], (double)val->y[i]);
        ui_draw_disc(p, 5 * s, t->card);
        ui_draw_disc(p, 4 * s, t->points);
    }
    ui_unclip();
    if (hovered) draw_hover(t, &a, loss, smooth);
    return a.in;
}
