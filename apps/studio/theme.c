#include "theme.h"

#include <stdio.h>

#define RGBA(r, g, b, a) (((uint32_t)(a) << 24) | ((uint32_t)(b) << 16) | ((uint32_t)(g) << 8) | (uint32_t)(r))
#define HEX(rgb) RGBA((rgb) >> 16 & 255, (rgb) >> 8 & 255, (rgb)&255, 255)

const theme theme_dark = {
    .back = HEX(0x131519),
    .rail = HEX(0x0e1013),
    .card = HEX(0x1b1e24),
    .field = HEX(0x262a32),
    .hover = HEX(0x30353f),
    .border = HEX(0x2a2e37),
    .text = HEX(0xe9ebee),
    .muted = HEX(0x9ba4b0),
    .faint = HEX(0x626b78),
    .accent = HEX(0xff8a5c),
    .accent_strong = HEX(0xcf5325),
    .on_accent = HEX(0xffffff),
    .accent_soft = HEX(0x3a261e),
    .good = HEX(0x4cc38a),
    .bad = HEX(0xff6b6b),
    .warn = HEX(0xe5b454),
    .bad_soft = HEX(0x3a2023),
    .curve = HEX(0xff8a5c),
    .curve_faint = HEX(0x6a4a3c),
    .points = HEX(0x6cb2ff),
    .series = {HEX(0x7d8794), HEX(0x56b4e9), HEX(0xff8a5c), HEX(0x4cc38a)},
};

const theme theme_light = {
    .back = HEX(0xf4f2ee),
    .rail = HEX(0xebe8e2),
    .card = HEX(0xffffff),
    .field = HEX(0xf1efea),
    .hover = HEX(0xe5e2db),
    .border = HEX(0xdedad2),
    .text = HEX(0x1d2025),
    .muted = HEX(0x5d6571),
    .faint = HEX(0x959ba4),
    .accent = HEX(0xc7461a),
    .accent_strong = HEX(0xc7461a),
    .on_accent = HEX(0xffffff),
    .accent_soft = HEX(0xfbe6dc),
    .good = HEX(0x16834f),
    .bad = HEX(0xc42b2b),
    .warn = HEX(0x97660a),
    .bad_soft = HEX(0xfbe3e1),
    .curve = HEX(0xd9531e),
    .curve_faint = HEX(0xf0c3ae),
    .points = HEX(0x1f6fd0),
    .series = {HEX(0x8a919b), HEX(0x0072b2), HEX(0xd9531e), HEX(0x009e73)},
};

ui_color theme_fade(ui_color color, float opacity)
{
    return (color & 0xffffffu) | (uint32_t)(opacity * 255.0f + 0.5f) << 24;
}

const char *theme_hex(ui_color color, char text[8])
{
    snprintf(text, 8, "#%02x%02x%02x", (unsigned)(color & 255), (unsigned)(color >> 8 & 255),
             (unsigned)(color >> 16 & 255));
    return text;
}
