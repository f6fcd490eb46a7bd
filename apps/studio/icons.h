/* The rail's icons, drawn. */
#ifndef STUDIO_ICONS_H
#define STUDIO_ICONS_H

#include "app.h"

void icon_draw(app_page page, ui_point at, float size, ui_color color);

#endif
