/* roofline.png: what each kernel reaches against what the device allows at its FLOPs per byte (Williams, Waterman and Patterson, 2009). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"
#include "raster.h"

enum { WIDTH = 1640, HEIGHT = 900, LABELS = 13 };
static const raster_box FRAME = {120, 96, 1160, 800};
#define TAG 13.0f /* radius of a number's disc */

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
    const pm_peaks *peaks;
    const profile_line *lines;
    size_t count;
    raster_point tags[LABELS];          /* where numbers are */
    const profile_line *tagged[LABELS]; /* and of which lines */
    size_t tag_count;
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
    return c->peaks->fma_flops_per_s > 0 && c->peaks->copy_bytes_per_s > 0;
}

/* ---- axes ---- */

static void include(axis *a, double value)
{
    if (!(value > 0)) return;
    a->low = fmin(a->low, log10(value));
    a->high = fmax(a->high, log10(value));
}

/* Rounds an axis out: some room around, at least two decades, whole tenths. */
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
        include(&c->x, 2 * c->peaks->fma_flops_per_s /
                           c->peaks->copy_bytes_per_s); /* the ridge, and some of what is behind it */
        include(&c->y, c->peaks->fma_flops_per_s);
        include(&c->y, c->peaks->matrix_flops_per_s);
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

/* ---- roofs ---- */

/* Draws a roof from the slope to the frame's end, with its name above. */
static void draw_roof(chart *c, const char *name, double flops)
{
    const raster_point ends[2] = {place(c, flops / c->peaks->copy_bytes_per_s, flops),
                                  place(c, pow(10, c->x.high), flops)};
    char text[80], number[32];
    raster_curve(&c->image, ends, 2, 3, 1, INK, FRAME);
    snprintf(text, sizeof text, "%s: %s GFLOP/s", name, profile_number(1e-9 * flops, number));
    raster_text(&c->image, (float)FRAME.right - 12 - raster_text_width(text, 2), ends[1].y - 24, 2, false, text, INK);
}

static void draw_roofs(chart *c)
{
    if (!has_roofs(c)) {
        const char *text = "the device's own peaks are not known";
        raster_text(&c->image, (float)FRAME.left + 16, (float)FRAME.top + 16, 2, false, text, INK);
        return;
    }
    const double bytes = c->peaks->copy_bytes_per_s, matrix = c->peaks->matrix_flops_per_s;
    const double most = fmax(c->peaks->fma_flops_per_s, matrix), left = pow(10, c->x.low);
    const raster_point slope[2] = {place(c, left, left * bytes), place(c, most / bytes, most)};
    char text[80], number[32];
    raster_curve(&c->image, slope, 2, 3, 1, INK, FRAME);
    draw_roof(c, "FMA", c->peaks->fma_flops_per_s);
    if (matrix > 0) draw_roof(c, "matrix units", matrix);
    /* Beside the slope, where it enters the frame. */
    snprintf(text, sizeof text, "copy: %s GB/s", profile_number(1e-9 * bytes, number));
    const double low = pow(10, c->y.low + 0.08 * (c->y.high - c->y.low)), x0 = fmax(1.2 * left, low / bytes);
    raster_point at = place(c, x0, x0 * bytes);
    at.x += 22;
    raster_text(&c->image, at.x, at.y, 2, false, text, INK);
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

/* ---- numbers, and what they stand for ---- */

static bool is_free(const chart *c, raster_point at)
{
    if (at.x < (float)FRAME.left + TAG || at.x > (float)FRAME.right - TAG || at.y < (float)FRAME.top + TAG ||
        at.y > (float)FRAME.bottom - TAG)
        return false;
    for (size_t i = 0; i < c->tag_count; i++)
        if (hypotf(at.x - c->tags[i].x, at.y - c->tags[i].y) < 2.2f * TAG) return false;
    return true;
}

static void draw_tag(chart *c, raster_point at, size_t number, pm_direction direction)
{
    char text[8];
    snprintf(text, sizeof text, "%u", (unsigned)number);
    raster_disc(&c->image, at, TAG + 1, COLORS[direction]);
    raster_disc(&c->image, at, TAG - 1, WHITE);
    raster_text(&c->image, at.x - 0.5f * raster_text_width(text, 2) + 1, at.y - 8, 2, false, text, INK);
}

/* Places a number in the middle of its point, or at the nearest free place around. Draws the leader to it; the numbers are drawn after all
 * leaders. */
static void place_number(chart *c, const profile_line *line)
{
    const raster_point middle = place(c, intensity(line), speed(line));
    raster_point at = middle;
    for (int ring = 0; ring < 8 && !is_free(c, at); ring++) {
        for (int k = 0; k < 16; k++) {
            const float angle = 0.39269908f * (float)k, reach = 1.2f * TAG * (float)(ring + 1);
            at = (raster_point){middle.x + reach * cosf(angle), middle.y + reach * sinf(angle)};
            if (is_free(c, at)) break;
        }
    }
    const raster_point leader[2] = {middle, at};
    raster_curve(&c->image, leader, 2, 1.5f, 1, INK, WHOLE);
    c->tags[c->tag_count] = at;
    c->tagged[c->tag_count++] = line;
}

static void draw_entry(chart *c, const profile_line *line, size_t number)
{
    const float y = (float)FRAME.top + 16 + 54 * (float)(number - 1), x = (float)FRAME.right + 36;
    char name[80], more[80], kernel[44], shape[40], share[32], rate[32];
    const double roof = pm_profile_roof_share(&line->sum, c->peaks);
    snprintf(name, sizeof name, "%.30s %s", line->sum.op, profile_shape(&line->sum, shape));
    snprintf(kernel, sizeof kernel, "%.40s", line->sum.kernel);
    int used = snprintf(more, sizeof more, "%s %% of time, %s GFLOP/s", profile_number(100 * line->share, share),
                        profile_number(1e-9 * speed(line), rate));
    if (isfinite(roof)) snprintf(more + used, sizeof more - (size_t)used, ", %.0f %% of roof", 100 * roof);
    draw_tag(c, (raster_point){x, y + 12}, number, line->sum.direction);
    raster_text(&c->image, x + 22, y - 12, 2, false, name, INK);
    raster_text(&c->image, x + 22, y + 9, 1.5f, false, kernel, INK);
    raster_text(&c->image, x + 22, y + 25, 1.5f, false, more, INK);
}

static void draw_labels(chart *c)
{
    for (size_t i = 0; i < c->count && c->tag_count < LABELS; i++) {
        if (!drawable(&c->lines[i]) || c->lines[i].share < 0.005) continue;
        place_number(c, &c->lines[i]);
    }
    for (size_t i = 0; i < c->tag_count; i++) {
        draw_tag(c, c->tags[i], i + 1, c->tagged[i]->sum.direction);
        draw_entry(c, c->tagged[i], i + 1);
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

bool roofline_draw(const char *path, const char *title, const profile_line *lines, size_t count, const pm_peaks *peaks)
{
    chart c = {.peaks = peaks, .lines = lines, .count = count};
    unsigned char *png = NULL;
    size_t size = 0;
    bool good = false;
    if (raster_init(&c.image, WIDTH, HEIGHT)) {
        set_axes(&c);
        draw_x(&c);
        draw_y(&c);
        draw_points(&c);
        draw_roofs(&c);
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
