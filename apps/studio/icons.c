#include "icons.h"

static ui_point in(ui_point at, float size, float x, float y)
{
    return (ui_point){at.x + size * x, at.y + size * y};
}

static void lines(ui_point at, float size, const float *xy, int count, ui_color color)
{
    ui_point points[16];
    for (int i = 0; i < count; i++) points[i] = in(at, size, xy[2 * i], xy[2 * i + 1]);
    ui_draw_lines(points, count, color, size * 0.09f);
}

static void bar(ui_point at, float size, float x, float y, float w, float h, ui_color color)
{
    ui_draw_rect((ui_rect){at.x + size * x, at.y + size * y, size * w, size * h}, color, size * 0.06f);
}

void icon_draw(app_page page, ui_point at, float size, ui_color color)
{
    static const float axes[] = {0.08f, 0.06f, 0.08f, 0.92f, 0.95f, 0.92f};
    static const float fall[] = {0.22f, 0.16f, 0.32f, 0.46f, 0.46f, 0.62f, 0.66f, 0.71f, 0.92f, 0.75f};
    static const float pen[] = {0.10f, 0.90f, 0.16f, 0.66f, 0.70f, 0.12f, 0.88f, 0.30f, 0.34f, 0.84f, 0.10f, 0.90f};
    static const float tick[] = {0.06f, 0.24f, 0.16f, 0.34f, 0.34f, 0.12f};
    static const float tick2[] = {0.06f, 0.72f, 0.16f, 0.82f, 0.34f, 0.60f};
    static const float words[] = {0.50f, 0.24f, 0.95f, 0.24f}, words2[] = {0.50f, 0.72f, 0.95f, 0.72f};
    switch (page) {
    case PAGE_TRAIN:
        lines(at, size, axes, 3, color);
        lines(at, size, fall, 5, color);
        break;
    case PAGE_WRITE: lines(at, size, pen, 6, color); break;
    case PAGE_TASK:
        lines(at, size, tick, 3, color);
        lines(at, size, words, 2, color);
        lines(at, size, tick2, 3, color);
        lines(at, size, words2, 2, color);
        break;
    case PAGE_PROFILE:
        bar(at, size, 0.05f, 0.10f, 0.55f, 0.20f, color);
        bar(at, size, 0.30f, 0.40f, 0.65f, 0.20f, color);
        bar(at, size, 0.15f, 0.70f, 0.40f, 0.20f, color);
        break;
    default:
        ui_draw_frame((ui_rect){at.x + size * 0.20f, at.y + size * 0.20f, size * 0.60f, size * 0.60f}, color,
                      size * 0.08f, size * 0.09f);
        bar(at, size, 0.40f, 0.40f, 0.20f, 0.20f, color);
        for (int i = 0; i < 3; i++) {
            const float k = 0.32f + 0.15f * (float)i;
            bar(at, size, k, 0.03f, 0.07f, 0.14f, color);
            bar(at, size, k, 0.83f, 0.07f, 0.14f, color);
            bar(at, size, 0.03f, k, 0.14f, 0.07f, color);
            bar(at, size, 0.83f, k, 0.14f, 0.07f, color);
        }
    }
}
