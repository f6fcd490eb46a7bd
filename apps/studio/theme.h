/* Colours. */
#ifndef STUDIO_THEME_H
#define STUDIO_THEME_H

#include <stdint.h>

typedef uint32_t ui_color; /* 0xAABBGGRR */

typedef struct theme {
    ui_color back, rail, card, field, hover, border;
    ui_color text, muted, faint;
    ui_color accent, accent_strong, on_accent, accent_soft;
    ui_color good, bad, warn, bad_soft;
    ui_color curve, curve_faint, points; /* the smoothed loss, each step's, validation */
    ui_color series[4];                  /* by pm_direction: none, forward, backward, optimizer */
} theme;

extern const theme theme_dark, theme_light;

/* A colour with another opacity, 0 to 1. */
ui_color theme_fade(ui_color color, float opacity);
/* "#rrggbb" */
const char *theme_hex(ui_color color, char text[8]);

#endif
