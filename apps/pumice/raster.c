/* Drawing by coverage: each pixel's share of a shape, from its distance to the shape's edge. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifndef __clang_analyzer__ /* tools/analyze.sh is for our own code */
#define STB_IMAGE_WRITE_IMPLEMENTATION
#endif
#define STB_IMAGE_WRITE_STATIC
#include <stb_image_write.h>

#include "raster.h"

bool raster_init(raster *image, int width, int height)
{
    const size_t area = (size_t)width * (size_t)height;
    *image = (raster){width, height, malloc(3 * area), calloc(area, 1)};
    if (!image->pixels || !image->coverage) {
        raster_fini(image);
        return false;
    }
    memset(image->pixels, 255, 3 * area);
    return true;
}

void raster_fini(raster *image)
{
    free(image->pixels);
    free(image->coverage);
    *image = (raster){0};
}

void raster_blend(raster *image, int x, int y, float alpha, raster_color color)
{
    if (x < 0 || y < 0 || x >= image->width || y >= image->height) return;
    unsigned char *pixel = image->pixels + 3 * ((size_t)y * (size_t)image->width + (size_t)x);
    const unsigned char source[3] = {color.r, color.g, color.b};
    for (int i = 0; i < 3; i++) {
        pixel[i] = (unsigned char)lrintf((float)pixel[i] + alpha * ((float)source[i] - (float)pixel[i]));
    }
}

void raster_fill(raster *image, raster_box box, raster_color color)
{
    for (int y = box.top; y < box.bottom; y++) {
        for (int x = box.left; x < box.right; x++) raster_blend(image, x, y, 1.0f, color);
    }
}

static float clamp01(float value)
{
    return value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value;
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}
static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* Distance of a point from the segment a b. */
static float segment_distance(raster_point a, raster_point b, float x, float y)
{
    const float dx = b.x - a.x, dy = b.y - a.y, square = dx * dx + dy * dy;
    const float at = square > 0.0f ? clamp01(((x - a.x) * dx + (y - a.y) * dy) / square) : 0.0f;
    const float ex = x - (a.x + at * dx), ey = y - (a.y + at * dy);
    return sqrtf(ex * ex + ey * ey);
}

/* Adds a segment to the curve's coverage: the larger of the two, so that joints do not come out darker. */
static void cover_segment(raster *image, raster_point a, raster_point b, float half, raster_box clip)
{
    const int left = max_int(clip.left, (int)floorf(fminf(a.x, b.x) - half - 1.0f));
    const int right = min_int(clip.right, (int)ceilf(fmaxf(a.x, b.x) + half + 1.0f));
    const int top = max_int(clip.top, (int)floorf(fminf(a.y, b.y) - half - 1.0f));
    const int bottom = min_int(clip.bottom, (int)ceilf(fmaxf(a.y, b.y) + half + 1.0f));
    for (int y = top; y < bottom; y++) {
        for (int x = left; x < right; x++) {
            const float distance = segment_distance(a, b, (float)x + 0.5f, (float)y + 0.5f);
            const unsigned char alpha = (unsigned char)lrintf(255.0f * clamp01(half + 0.5f - distance));
            unsigned char *old = &image->coverage[(size_t)y * (size_t)image->width + (size_t)x];
            if (alpha > *old) *old = alpha;
        }
    }
}

void raster_curve(raster *image, const raster_point *points, size_t count, float width, float opacity,
                  raster_color color, raster_box clip)
{
    clip = (raster_box){max_int(clip.left, 0), max_int(clip.top, 0), min_int(clip.right, image->width),
                        min_int(clip.bottom, image->height)};
    for (size_t i = 0; i + 1 < count; i++) cover_segment(image, points[i], points[i + 1], 0.5f * width, clip);
    for (int y = clip.top; y < clip.bottom; y++) {
        for (int x = clip.left; x < clip.right; x++) {
            unsigned char *alpha = &image->coverage[(size_t)y * (size_t)image->width + (size_t)x];
            if (*alpha) raster_blend(image, x, y, opacity * (float)*alpha / 255.0f, color);
            *alpha = 0;
        }
    }
}

void raster_disc(raster *image, raster_point center, float radius, raster_color color)
{
    const int left = (int)floorf(center.x - radius - 1.0f), right = (int)ceilf(center.x + radius + 1.0f);
    const int top = (int)floorf(center.y - radius - 1.0f), bottom = (int)ceilf(center.y + radius + 1.0f);
    for (int y = top; y < bottom; y++) {
        for (int x = left; x < right; x++) {
            const float distance = hypotf((float)x + 0.5f - center.x, (float)y + 0.5f - center.y);
            raster_blend(image, x, y, clamp01(radius + 0.5f - distance), color);
        }
    }
}

unsigned char *raster_png(const raster *image, size_t *size)
{
    int length = 0;
    /* Lines and plain areas are smallest as they are, and this takes half the time of choosing a filter for each row. */
    stbi_write_force_png_filter = 0;
    stbi_write_png_compression_level = 5;
    unsigned char *png =
        stbi_write_png_to_mem(image->pixels, 3 * image->width, image->width, image->height, 3, &length);
    if (png) *size = (size_t)length;
    return png;
}
