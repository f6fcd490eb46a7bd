/* Text on a picture: glyphs of a TrueType font that CMake embeds (font.h), antialiased by stb_truetype. A build without a font draws plain strokes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "raster.h"

#ifdef PUMICE_FONT

#ifndef __clang_analyzer__ /* tools/analyze.sh is for our own code */
#define STB_TRUETYPE_IMPLEMENTATION
#endif
#define STBTT_STATIC
#include <stb_truetype.h>

#include "font.h" /* static const unsigned char font_bytes[] */

enum { CAPITAL = 7 }; /* pixels of a capital's height at scale 1 */

/* Fills in the font, and returns the factor from its units to pixels; 0 where the font cannot be read. */
static float open_font(stbtt_fontinfo *font, float scale)
{
    int x0, y0, x1, y1;
    if (!stbtt_InitFont(font, font_bytes, 0) || !stbtt_GetCodepointBox(font, 'H', &x0, &y0, &x1, &y1)) return 0;
    return CAPITAL * scale / (float)y1;
}

/* From one character to the next, in pixels. */
static float advance(const stbtt_fontinfo *font, float units, const char *at)
{
    int width, bearing;
    stbtt_GetCodepointHMetrics(font, (unsigned char)at[0], &width, &bearing);
    return units *
           (float)(width +
                   (at[1] ? stbtt_GetCodepointKernAdvance(font, (unsigned char)at[0], (unsigned char)at[1]) : 0));
}

float raster_text_width(const char *text, float scale)
{
    stbtt_fontinfo font;
    const float units = open_font(&font, scale);
    float width = 0;
    for (; units > 0 && *text; text++) width += advance(&font, units, text);
    return width;
}

void raster_text(raster *image, float x, float y, float scale, bool upwards, const char *text, raster_color color)
{
    stbtt_fontinfo font;
    const float units = open_font(&font, scale);
    float pen = upwards ? -y : x;                                               /* along the text */
    const int base = (int)lrintf((upwards ? x : y) + (CAPITAL + 0.5f) * scale); /* across it */
    for (; units > 0 && *text; pen += advance(&font, units, text), text++) {
        const int start = (int)floorf(pen);
        int width, height, left, top;
        unsigned char *glyph = stbtt_GetCodepointBitmapSubpixel(&font, units, units, pen - (float)start, 0,
                                                                (unsigned char)*text, &width, &height, &left, &top);
        for (int i = 0; glyph && i < width * height; i++) {
            const int along = start + left + i % width, across = base + top + i / width;
            const float alpha = (float)glyph[i] / 255.0f;
            if (upwards)
                raster_blend(image, across, -along - 1, alpha, color);
            else
                raster_blend(image, along, across, alpha, color);
        }
        stbtt_FreeBitmap(glyph, NULL);
    }
}

#else

#include <stb_easy_font.h>

float raster_text_width(const char *text, float scale)
{
    char copy[128];
    strncpy(copy, text, sizeof copy - 1);
    copy[sizeof copy - 1] = 0;
    return scale * (float)stb_easy_font_width(copy);
}

void raster_text(raster *image, float x, float y, float scale, bool upwards, const char *text, raster_color color)
{
    struct vertex { /* as stb_easy_font.h lays it out */
        float x, y, z;
        unsigned char color[4];
    };
    enum { QUADS = 4096 };
    char copy[128];
    struct vertex *corners = malloc(QUADS * 4 * sizeof *corners);
    if (!corners) return; /* a plot without this text is better than none */
    strncpy(copy, text, sizeof copy - 1);
    copy[sizeof copy - 1] = 0;
    const int quads = stb_easy_font_print(0, 0, copy, NULL, corners, QUADS * 4 * (int)sizeof *corners);
    for (int i = 0; i < quads; i++) {
        const struct vertex *low = &corners[4 * i], *high = &corners[4 * i + 2];
        const int x0 = (int)lrintf(scale * low->x), x1 = (int)lrintf(scale * high->x);
        const int y0 = (int)lrintf(scale * low->y), y1 = (int)lrintf(scale * high->y);
        const int ox = (int)lrintf(x), oy = (int)lrintf(y);
        const raster_box box = upwards ? (raster_box){ox + y0, oy - x1, ox + y1, oy - x0}
                                       : (raster_box){ox + x0, oy + y0, ox + x1, oy + y1};
        raster_fill(image, box, color);
    }
    free(corners);
}

#endif
