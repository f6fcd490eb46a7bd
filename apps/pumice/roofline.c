/* roofline.png: what each kernel reaches against what the device allows at its FLOPs per byte (Williams, Waterman and Patterson, 2009). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"
#include "raster.h"

enum { WIDTH = 1400, HEIGHT = 900, LABELS = 12 };
static const raster_box FRAME = {120, 96, 1370, 800};
static const raster_box WHOLE = {0, 0, WIDTH, HEIGHT};

/* Okabe and Ito's blue, vermilion and bluish green, told apart with every common colour blindness. */
static const raster_color COLORS[] = {{120, 120, 120}, {0, 114, 178}, {213, 94, 0}, {0, 158, 115}}; /* by direction */
static const raster_color INK = {40, 40, 40}, GRID = {232, 232, 232}, DECADE = {208, 208, 208}, WHITE = {255, 255, 255};

typedef struct axis {
    double low, high; /* powers of ten, as exponents */
} axis;

typedef struct chart {
    raster image;
    axis x, y; /* FLOP a byte, FLOP a second */
    const pm_profile_roofs *roofs;
    const profile_line *lines;
    size_t count;
    raster_box taken[LABELS + 2]; /* by texts */
    size_t taken_count;
} chart;

static bool drawable(const profile_line *line)
{
    return line->sum.flops > 0 && line->sum.bytes > 0 && line->sum.total_ms > 0;
}

static double intensity(const profile_line *line)
{
    return line->sum.flops / line->sum.bytes;
}

static double speed(const profile_line *line)
{
    return line->sum.flops / (1e-3 * line->sum.total_ms);
}

static bool has_roofs(const chart *c)
{
    return c->roofs->flops > 0 && c->roofs->bytes > 0;
}

/* ---- axes ---- */

static void include(axis *a, double value)
{
    if (!(value > 0)) return;
    a->low = fmin(a->low, log10(value));
    a->high = fmax(a->high, log10(value));
}

/* Some room around, at least two decades, whole tenths. */
static void round_out(axis *a, double fallback)
{
    if (a->low > a->high) *a = (axis){fallback, fallback};
    a->low -= 0.25;
    a->high += 0.25;
    while (a->high - a->low < 2) {
        a->low -= 0.1;
        a->high += 0.1;
    }
    a->low = floor(10 * a->low) / 10;
    a->high = ceil(10 * a->high) / 10;
}

static void set_axes(chart *c)
{
    c->x = c->y = (axis){INFINITY, -INFINITY};
    for (size_t i = 0; i < c->count; i++) {
        if (!drawable(&c->lines[i])) continue;
        include(&c->x, intensity(&c->lines[i]));
        include(&c->y, speed(&c->lines[i]));
    }
    if (has_roofs(c)) {
        include(&c->x, 2 * c->roofs->flops / c->roofs->bytes); /* the ridge, and some of what is behind it */
        include(&c->y, c->roofs->flops);
    }
    round_out(&c->x, 0);
    round_out(&c->y, 9);
}

static raster_point place(const chart *c, double x, double y)
{
    return (raster_point){
        (float)(FRAME.left + (log10(x) - c->x.low) / (c->x.high - c->x.low) * (FRAME.right - FRAME.left)),
        (float)(FRAME.bottom - (log10(y) - c->y.low) / (c->y.high - c->y.low) * (FRAME.bottom - FRAME.top))};
}

/* "0.1", "1", "100" */
static const char *power_text(int exponent, char text[32])
{
    snprintf(text, 32, "%.*f", exponent < 0 ? -exponent : 0, pow(10, exponent));
    return text;
}

static void draw_x(chart *c)
{
    char text[32];
    for (int e = (int)floor(c->x.low); e <= (int)ceil(c->x.high); e++) {
        for (int k = 9; k >= 1; k--) { /* the decade last, over its neighbours */
            const double value = k * pow(10, e);
            if (log10(value) < c->x.low || log10(value) > c->x.high) continue;
            const int column = (int)lrintf(place(c, value, 1).x);
            raster_fill(&c->image, (raster_box){column, FRAME.top, column + 1, FRAME.bottom}, k == 1 ? DECADE : GRID);
            if (k > 1) continue;
            raster_fill(&c->image, (raster_box){column, FRAME.bottom, column + 2, FRAME.bottom + 8}, INK);
            power_text(e, text);
            raster_text(&c->image, (float)column - 0.5f * raster_text_width(text, 2), (float)FRAME.bottom + 14, 2,
                        false, text, INK);
        }
    }
    const char *unit = "FLOP per byte, each operand moved once";
    raster_text(&c->image, 0.5f * (float)(FRAME.left + FRAME.right) - 0.5f * raster_text_width(unit, 2.5f),
                (float)FRAME.bottom + 52, 2.5f, false, unit, INK);
}

static void draw_y(chart *c)
{
    char text[32];
    for (int e = (int)floor(c->y.low); e <= (int)ceil(c->y.high); e++) {
        for (int k = 9; k >= 1; k--) {
            const double value = k * pow(10, e);
            if (log10(value) < c->y.low || log10(value) > c->y.high) continue;
            const int row = (int)lrintf(place(c, 1, value).y);
            raster_fill(&c->image, (raster_box){FRAME.left, row, FRAME.right, row + 1}, k == 1 ? DECADE : GRID);
            if (k > 1) continue;
            raster_fill(&c->image, (raster_box){FRAME.left - 8, row, FRAME.left, row + 2}, INK);
            power_text(e - 9, text);
            raster_text(&c->image, (float)FRAME.left - 14 - raster_text_width(text, 2), (float)row - 8, 2, false, text,
                        INK);
        }
    }
    const char *unit = "GFLOP/s";
    raster_text(&c->image, 16, 0.5f * (float)(FRAME.top + FRAME.bottom) + 0.5f * raster_text_width(unit, 2.5f), 2.5f,
                true, unit, INK);
}

/* ---- texts that keep clear of each other ---- */

static bool overlap(raster_box a, raster_box b)
{
    return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

static bool is_free(const chart *c, raster_box box)
{
    if (box.left < FRAME.left || box.right > FRAME.right || box.top < FRAME.top || box.bottom > FRAME.bottom)
        return false;
    for (size_t i = 0; i < c->taken_count; i++)
        if (overlap(box, c->taken[i])) return false;
    return true;
}

static void take(chart *c, raster_box box)
{
    if (c->taken_count < sizeof c->taken / sizeof *c->taken) c->taken[c->taken_count++] = box;
}

/* ---- roofs ---- */

static void draw_roofs(chart *c)
{
    if (!has_roofs(c)) {
        const char *text = "the device's own peaks are not known";
        raster_text(&c->image, (float)FRAME.left + 16, (float)FRAME.top + 16, 2, false, text, INK);
        return;
    }
    const double flops = c->roofs->flops, bytes = c->roofs->bytes, ridge = flops / bytes;
    const double left = pow(10, c->x.low), right = pow(10, c->x.high);
    const raster_point roof[3] = {place(c, left, left * bytes), place(c, ridge, flops), place(c, right, flops)};
    char text[80], number[32];
    raster_curve(&c->image, roof, 3, 3, 1, INK, FRAME);
    snprintf(text, sizeof text, "FMA: %s GFLOP/s", profile_number(1e-9 * flops, number));
    const float x = (float)FRAME.right - 12 - raster_text_width(text, 2);
    raster_text(&c->image, x, roof[2].y - 24, 2, false, text, INK);
    take(c, (raster_box){(int)x, (int)roof[2].y - 26, FRAME.right, (int)roof[2].y + 3});
    /* Beside the slope, where it enters the frame. */
    snprintf(text, sizeof text, "copy: %s GB/s", profile_number(1e-9 * bytes, number));
    const double low = pow(10, c->y.low + 0.12 * (c->y.high - c->y.low));
    raster_point at = place(c, fmax(left * 1.2, low / bytes), fmax(left * 1.2 * bytes, low));
    at.x += 18;
    raster_text(&c->image, at.x, at.y, 2, false, text, INK);
    take(c, (raster_box){(int)at.x, (int)at.y, (int)(at.x + raster_text_width(text, 2)), (int)at.y + 18});
}

/* ---- points ---- */

/* Its area is the share of time; the smallest can still be seen. */
static float radius(const profile_line *line)
{
    return fmaxf(4, 70 * sqrtf((float)line->share));
}

static void draw_points(chart *c)
{
    for (size_t i = 0; i < c->count; i++) { /* the heaviest first, under the others */
        const profile_line *line = &c->lines[i];
        if (!drawable(line)) continue;
        const raster_point at = place(c, intensity(line), speed(line));
        raster_disc(&c->image, at, radius(line) + 1.5f, WHITE);
        raster_disc(&c->image, at, radius(line), COLORS[line->sum.direction]);
    }
}

/* Two rows at the first of some places around the point that is free; none is: no label. */
static void draw_label(chart *c, const profile_line *line)
{
    const raster_point at = place(c, intensity(line), speed(line));
    char name[80], more[80], shape[40], share[32];
    snprintf(name, sizeof name, "%.30s %s", line->sum.op, profile_shape(&line->sum, shape));
    const double roof = pm_profile_roof_share(&line->sum, c->roofs);
    if (isfinite(roof))
        snprintf(more, sizeof more, "%s %% of time, %.0f %% of roof", profile_number(100 * line->share, share),
                 100 * roof);
    else
        snprintf(more, sizeof more, "%s %% of time", profile_number(100 * line->share, share));
    const int width = (int)fmaxf(raster_text_width(name, 2), raster_text_width(more, 1.5f)), height = 34;
    for (int ring = 0; ring < 6; ring++) {
        for (int k = 0; k < 8; k++) { /* right, lower right, … */
            const double angle = k * 0.7853981633974483, reach = (double)radius(line) + 10 + 26 * ring;
            const double x = (double)at.x + reach * cos(angle), y = (double)at.y + reach * sin(angle);
            raster_box box = {.left = (int)(cos(angle) > 0.1    ? x
                                            : cos(angle) < -0.1 ? x - width
                                                                : x - width / 2.0),
                              .top = (int)(y - height / 2.0 + 0.5 * height * sin(angle))};
            box.right = box.left + width;
            box.bottom = box.top + height;
            if (!is_free(c, box)) continue;
            const raster_point nearest = {fminf(fmaxf(at.x, (float)box.left), (float)box.right),
                                          fminf(fmaxf(at.y, (float)box.top), (float)box.bottom)};
            const raster_point leader[2] = {at, nearest};
            if (ring > 0) raster_curve(&c->image, leader, 2, 1, 1, INK, WHOLE);
            raster_text(&c->image, (float)box.left, (float)box.top, 2, false, name, INK);
            raster_text(&c->image, (float)box.left, (float)box.top + 19, 1.5f, false, more, INK);
            take(c, box);
            return;
        }
    }
}

static void draw_labels(chart *c)
{
    size_t labelled = 0;
    for (size_t i = 0; i < c->count && labelled < LABELS; i++) {
        if (!drawable(&c->lines[i]) || c->lines[i].share < 0.01) continue;
        draw_label(c, &c->lines[i]);
        labelled++;
    }
}

static void draw_title(chart *c, const char *title)
{
    float x = (float)FRAME.left;
    raster_text(&c->image, x, 22, 2.5f, false, title, INK);
    raster_text(&c->image, x, 60, 2, false, "area: share of the device's time", INK);
    x += raster_text_width("area: share of the device's time", 2) + 50;
    for (int d = PM_DIRECTION_FORWARD; d <= PM_DIRECTION_OPTIMIZER; d++) {
        const char *name = pm_direction_name((pm_direction)d);
        raster_disc(&c->image, (raster_point){x, 67}, 8, COLORS[d]);
        raster_text(&c->image, x + 18, 60, 2, false, name, INK);
        x += raster_text_width(name, 2) + 60;
    }
}

bool roofline_draw(const char *path, const char *title, const profile_line *lines, size_t count,
                   const pm_profile_roofs *roofs)
{
    chart c = {.roofs = roofs, .lines = lines, .count = count};
    unsigned char *png = NULL;
    size_t size = 0;
    bool good = false;
    if (raster_init(&c.image, WIDTH, HEIGHT)) {
        set_axes(&c);
        draw_x(&c);
        draw_y(&c);
        draw_roofs(&c);
        draw_points(&c);
        draw_labels(&c);
        raster_fill(&c.image, (raster_box){FRAME.left, FRAME.top, FRAME.left + 2, FRAME.bottom + 2}, INK);
        raster_fill(&c.image, (raster_box){FRAME.left, FRAME.bottom, FRAME.right, FRAME.bottom + 2}, INK);
        draw_title(&c, title);
        png = raster_png(&c.image, &size);
    }
    if (png) {
        good = app_replace(path, png, size);
    } else {
        app_error("%s: out of host memory", path);
    }
    free(png);
    raster_fini(&c.image);
    return good;
}
