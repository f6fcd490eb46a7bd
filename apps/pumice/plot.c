/* The plot: scales with round ticks, curves, legend. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "plot.h"
#include "raster.h"

enum { WIDTH = 1200, HEIGHT = 750 };
static const raster_box FRAME = {130, 70, 1160, 660};

/* Okabe and Ito's blue and vermilion, told apart with every common colour blindness. */
static const raster_color BLUE = {0, 114, 178}, VERMILION = {213, 94, 0};
static const raster_color INK = {40, 40, 40}, GRID = {226, 226, 226}, WHITE = {255, 255, 255};
static const raster_box WHOLE = {0, 0, WIDTH, HEIGHT};

typedef struct scale {
    double low, high, tick;
} scale;

/* 1, 2 or 5 times a power of ten that cuts the range into at most `most` pieces. */
static double round_tick(double range, int most)
{
    double tick = pow(10.0, floor(log10(range / most)));
    static const double factors[] = {1, 2, 5, 10};
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        if (range / (tick * factors[i]) <= most) return tick * factors[i];
    }
    return 10 * tick;
}

static void widen(scale *y, const plot_curve *curve)
{
    for (size_t i = 0; i < curve->count; i++) {
        const double value = curve->points[i].value;
        if (!isfinite(value)) continue;
        if (value < y->low) y->low = value;
        if (value > y->high) y->high = value;
    }
}

static scale make_y(const plot_curves *curves)
{
    scale y = {INFINITY, -INFINITY, 0};
    widen(&y, &curves->loss);
    widen(&y, &curves->val_loss);
    if (y.low > y.high) y = (scale){0, 1, 0};
    const double middle = 0.5 * (y.low + y.high);
    /* A flat curve belongs in the middle, and its noise is not worth magnifying. */
    const double least = fmax(1e-2 * fabs(middle), 1e-6);
    if (y.high - y.low < least) y = (scale){middle - 0.5 * least, middle + 0.5 * least, 0};
    y.tick = round_tick(y.high - y.low, 8);
    y.low = y.tick * floor(y.low / y.tick + 1e-9);
    y.high = y.tick * ceil(y.high / y.tick - 1e-9);
    return y;
}

static scale make_x(const plot_curves *curves)
{
    scale x = {0, 1, 0};
    if (curves->loss.count) x.high = fmax(x.high, curves->loss.points[curves->loss.count - 1].step);
    if (curves->val_loss.count) x.high = fmax(x.high, curves->val_loss.points[curves->val_loss.count - 1].step);
    x.tick = fmax(1.0, round_tick(x.high - x.low, 10));
    return x;
}

static float at_x(scale x, double value)
{
    return (float)(FRAME.left + (value - x.low) / (x.high - x.low) * (FRAME.right - FRAME.left));
}

static float at_y(scale y, double value)
{
    return (float)(FRAME.bottom - (value - y.low) / (y.high - y.low) * (FRAME.bottom - FRAME.top));
}

static void draw_axes(raster *image, scale x, scale y, const char *unit)
{
    char text[64];
    const int decimals = y.tick >= 1 ? 0 : (int)ceil(-log10(y.tick) - 1e-9);
    for (long i = lround(y.low / y.tick); (double)i * y.tick <= y.high + 1e-9 * y.tick; i++) {
        const int row = (int)lrintf(at_y(y, (double)i * y.tick));
        raster_fill(image, (raster_box){FRAME.left, row, FRAME.right, row + 1}, GRID);
        raster_fill(image, (raster_box){FRAME.left - 6, row, FRAME.left, row + 2}, INK);
        snprintf(text, sizeof text, "%.*f", decimals, (double)i * y.tick);
        raster_text(image, (float)FRAME.left - 12 - raster_text_width(text, 2), (float)row - 8, 2, false, text, INK);
    }
    for (long i = 0; (double)i * x.tick <= x.high + 1e-9 * x.tick; i++) {
        const int column = (int)lrintf(at_x(x, (double)i * x.tick));
        raster_fill(image, (raster_box){column, FRAME.top, column + 1, FRAME.bottom}, GRID);
        raster_fill(image, (raster_box){column, FRAME.bottom, column + 2, FRAME.bottom + 8}, INK);
        snprintf(text, sizeof text, "%.0f", (double)i * x.tick);
        raster_text(image, (float)column - 0.5f * raster_text_width(text, 2), (float)FRAME.bottom + 14, 2, false, text,
                    INK);
    }
    raster_fill(image, (raster_box){FRAME.left, FRAME.top, FRAME.left + 2, FRAME.bottom + 2}, INK);
    raster_fill(image, (raster_box){FRAME.left, FRAME.bottom, FRAME.right, FRAME.bottom + 2}, INK);
    const float middle_x = 0.5f * (float)(FRAME.left + FRAME.right),
                middle_y = 0.5f * (float)(FRAME.top + FRAME.bottom);
    raster_text(image, middle_x - 0.5f * raster_text_width("step", 2.5f), (float)FRAME.bottom + 48, 2.5f, false, "step",
                INK);
    raster_text(image, 16, middle_y + 0.5f * raster_text_width(unit, 2.5f), 2.5f, true, unit, INK);
}

/* Points of a curve in pixels, without values that are not finite; malloc'd. Each is the mean of up to `reach` neighbours on either side. */
static raster_point *make_points(const plot_curve *curve, scale x, scale y, size_t reach, size_t *count)
{
    raster_point *points = malloc((curve->count + 1) * sizeof *points);
    double *sums = malloc((curve->count + 1) * sizeof *sums); /* of all values before each */
    size_t n = 0;
    if (!points || !sums) goto fail;
    sums[0] = 0;
    for (size_t i = 0; i < curve->count; i++) {
        const double value = curve->points[i].value;
        if (!isfinite(value)) continue;
        points[n].x = at_x(x, curve->points[i].step);
        sums[n + 1] = sums[n] + value;
        n++;
    }
    for (size_t i = 0; i < n; i++) {
        size_t side = reach < i ? reach : i; /* as many before as after, so that the mean does not lag */
        if (side > n - 1 - i) side = n - 1 - i;
        if (side < reach / 4) side = reach / 4; /* near the ends a little lag is better than noise */
        const size_t first = i - (side < i ? side : i), last = i + (side < n - 1 - i ? side : n - 1 - i);
        points[i].y = at_y(y, (sums[last + 1] - sums[first]) / (double)(last - first + 1));
    }
    free(sums);
    *count = n;
    return points;
fail:
    free(points);
    free(sums);
    return NULL;
}

static bool draw_curves(raster *image, const plot_curves *curves, scale x, scale y)
{
    size_t count = 0;
    const size_t reach = curves->loss.count / 80;
    const raster_box clip = {FRAME.left, FRAME.top - 4, FRAME.right + 8, FRAME.bottom};
    raster_point *points = make_points(&curves->loss, x, y, 0, &count);
    if (!points) return false;
    const bool both = curves->loss.count >= 50;
    raster_curve(image, points, count, both ? 1.2f : 2.5f, both ? 0.35f : 1.0f, BLUE, clip);
    if (count == 1) raster_disc(image, points[0], 3, BLUE);
    free(points);
    if (both) {
        points = make_points(&curves->loss, x, y, reach, &count);
        if (!points) return false;
        raster_curve(image, points, count, 2.5f, 1.0f, BLUE, clip);
        free(points);
    }
    points = make_points(&curves->val_loss, x, y, 0, &count);
    if (!points) return false;
    raster_curve(image, points, count, 2.5f, 1.0f, VERMILION, clip);
    for (size_t i = 0; i < count; i++) {
        raster_disc(image, points[i], 6.5f, WHITE);
        raster_disc(image, points[i], 5, VERMILION);
    }
    free(points);
    return true;
}

static void legend_row(raster *image, int row, const char *text, raster_color color, float width, float opacity,
                       bool dot)
{
    const float left = (float)FRAME.right - 424, y = (float)FRAME.top + 26 + 28 * (float)row;
    const raster_point line[2] = {{left, y}, {left + 44, y}};
    raster_curve(image, line, 2, width, opacity, color, WHOLE);
    if (dot) raster_disc(image, (raster_point){left + 22, y}, 5, color);
    raster_text(image, left + 58, y - 8, 2, false, text, INK);
}

static void draw_legend(raster *image, const plot_curves *curves)
{
    const bool both = curves->loss.count >= 50, val = curves->val_loss.count > 0;
    const int rows = (both ? 2 : 1) + (val ? 1 : 0);
    const raster_box box = {FRAME.right - 440, FRAME.top + 8, FRAME.right - 8, FRAME.top + 16 + 28 * rows};
    raster_fill(image, box, GRID);
    raster_fill(image, (raster_box){box.left + 1, box.top + 1, box.right - 1, box.bottom - 1}, WHITE);
    int row = 0;
    if (both) legend_row(image, row++, "training, each step", BLUE, 1.2f, 0.5f, false);
    legend_row(image, row++, both ? "training, running mean" : "training", BLUE, 2.5f, 1.0f, false);
    if (!val) return;
    pm_run_point best = curves->val_loss.points[0];
    for (size_t i = 1; i < curves->val_loss.count; i++) {
        if (curves->val_loss.points[i].value < best.value) best = curves->val_loss.points[i];
    }
    char text[64];
    snprintf(text, sizeof text, "validation, best %.4f at %u", (double)best.value, (unsigned)best.step);
    legend_row(image, row, text, VERMILION, 2.5f, 1.0f, true);
}

bool plot_draw(const char *path, const char *title, const char *unit, const plot_curves *curves)
{
    raster image = {0};
    unsigned char *png = NULL;
    size_t size = 0;
    bool good = false, drawn = false;
    const scale x = make_x(curves), y = make_y(curves);
    if (raster_init(&image, WIDTH, HEIGHT)) {
        draw_axes(&image, x, y, unit);
        raster_text(&image, (float)FRAME.left, 28, 2.5f, false, title, INK);
        drawn = draw_curves(&image, curves, x, y);
        draw_legend(&image, curves);
        png = drawn ? raster_png(&image, &size) : NULL;
    }
    if (png) {
        good = app_replace(path, png, size);
    } else {
        app_error("%s: out of host memory", path);
    }
    free(png);
    raster_fini(&image);
    return good;
}
