/* A small RGB picture to draw on: anti-aliased lines, discs, text. Coordinates are pixels, y downwards. */
#ifndef APPS_RASTER_H
#define APPS_RASTER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct raster_color {
    unsigned char r, g, b;
} raster_color;

typedef struct raster_point {
    float x, y;
} raster_point;

typedef struct raster_box {
    int left, top, right, bottom; /* right and bottom are outside */
} raster_box;

typedef struct raster {
    int width, height;
    unsigned char *pixels;   /* height x width x 3 */
    unsigned char *coverage; /* height x width, of the curve being drawn */
} raster;

/* Makes a white picture. False where memory is short. */
bool raster_init(raster *image, int width, int height);
void raster_fini(raster *image);

/* Mixes a colour into a pixel, which may lie outside. alpha: 0 leaves the pixel, 1 replaces it. */
void raster_blend(raster *image, int x, int y, float alpha, raster_color color);
void raster_fill(raster *image, raster_box box, raster_color color);
/* A curve `width` pixels wide; opacity 0 … 1 holds for the curve as a whole, also where it crosses itself. Drawn inside clip only. */
void raster_curve(raster *image, const raster_point *points, size_t count, float width, float opacity,
                  raster_color color, raster_box clip);
void raster_disc(raster *image, raster_point center, float radius, raster_color color);

/* ---- raster_text.c ---- */

/* ASCII text, whose capitals are 7 * scale pixels high. x, y: its upper left corner; `upwards`: its lower left corner, and the text runs upwards
 * from there. */
void raster_text(raster *image, float x, float y, float scale, bool upwards, const char *text, raster_color color);
float raster_text_width(const char *text, float scale);

/* The picture as a PNG file's bytes, malloc'd; NULL where memory is short. */
unsigned char *raster_png(const raster *image, size_t *size);

#endif
