/* Widgets and drawing, immediate mode: a thin interface in C. ui_imgui.cpp makes it of Dear ImGui. Lengths are in units of 1/96 inch at 100 %, and
 * grow with the scale, except in ui_draw_*: those have pixels. */
#ifndef STUDIO_UI_H
#define STUDIO_UI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "render.h"
#include "theme.h"

typedef struct ui_rect {
    float x, y, w, h; /* pixels of the window */
} ui_rect;
typedef struct ui_point {
    float x, y;
} ui_point;

typedef enum ui_font { UI_BODY, UI_SMALL, UI_BOLD, UI_TITLE, UI_FIGURE, UI_MONO, UI_FONTS } ui_font;
typedef enum ui_kind { UI_PLAIN, UI_PRIMARY, UI_DANGER, UI_QUIET } ui_kind;

/* ---- life ---- */

bool ui_open(window *w, char why[256]);
void ui_close(void);
/* Puts the interface onto a device, with fonts of this scale; again after a change of either. */
bool ui_attach(render *r, float scale);
void ui_detach(void);
void ui_set_theme(const theme *colors);
float ui_scale(void);

/* Between these two a frame is built; ui_record draws it. */
void ui_frame_begin(void);
void ui_frame_end(void);
void ui_record(void *user, VkCommandBuffer commands);
/* Whether keys without Ctrl belong to a text field, a menu or the widget with the frame around it. */
bool ui_wants_keys(void);
/* Whether a window or a list is open above the page: all keys are its own. */
bool ui_menu_open(void);
/* Whether a text field has the cursor, which blinks. */
bool ui_blinks(void);
void ui_copy(const char *text); /* to the clipboard */

/* ---- areas ---- */

/* A part of the window in which widgets stand below each other; it scrolls where they need more. */
void ui_area_begin(const char *id, ui_rect rect);
void ui_area_end(void);
/* A card. height 0: as high as its contents; less: all of the area's rest but so many. title NULL: none. */
void ui_card_begin(const char *id, const char *title, float height);
void ui_card_end(void);
/* The next `count` fields or buttons stand beside each other. */
void ui_row(int count);
void ui_space(float height);
void ui_tighten(void); /* no room between the last one and the next */
void ui_beside(float gap);
float ui_width_left(void); /* pixels */
float ui_height_left(void);
/* Room for something drawn; *hovered tells whether the mouse is there. */
ui_rect ui_place(const char *id, float width, float height, bool *hovered); /* pixels */
ui_point ui_mouse(void);
float ui_wheel(void);
bool ui_dragged(float *dx); /* the mouse is held down in the last place */

/* ---- widgets: true where the user did something ---- */

void ui_text(ui_font font, ui_color color, const char *text);
void ui_paragraph(ui_font font, ui_color color, const char *text);
/* width 0: as wide as its text, less: as much as is left. */
bool ui_button(const char *text, ui_kind kind, float width, bool enabled);
bool ui_rail_button(const char *id, ui_rect rect, bool current, bool *hovered, bool *focused);
bool ui_input(const char *label, const char *hint, char *text, size_t size, bool enabled);
bool ui_entered(void); /* Enter ended the last ui_input */
/* With a button behind it; *browse: that was pressed. */
bool ui_path(const char *label, const char *hint, char *text, size_t size, bool enabled, bool *browse);
bool ui_input_area(const char *label, char *text, size_t size, float height, bool enabled);
bool ui_number(const char *label, uint32_t *value, uint32_t low, uint32_t high, bool enabled);
bool ui_real(const char *label, float *value, float low, float high, bool enabled);
bool ui_slider(const char *label, float *value, float low, float high, const char *format, bool enabled);
bool ui_choice(const char *label, const char *const *names, int count, int *value, bool enabled);
bool ui_segments(const char *id, const char *const *names, int count, int *value);
bool ui_check(const char *label, bool *value, bool enabled);
bool ui_select(const char *text, bool chosen);
void ui_progress(double share);
void ui_focus_next(void); /* the next widget gets the keys */
void ui_show_end(void);   /* scrolls the area to here */

/* Tables: columns, then cell by cell. */
bool ui_table_begin(const char *id, const char *const *heads, const float *widths, int columns, float height);
void ui_cell(ui_font font, ui_color color, bool right, const char *text);
void ui_cell_cut(ui_font font, ui_color color, const char *text); /* what does not fit ends with an ellipsis */
void ui_table_end(void);

/* A window above the others. False: it is closed. */
void ui_modal_open(const char *title);
bool ui_modal_begin(const char *title, float width, float height);
void ui_modal_end(void);
void ui_modal_close(void);

/* ---- drawing, in pixels ---- */

void ui_draw_rect(ui_rect rect, ui_color color, float round);
void ui_draw_frame(ui_rect rect, ui_color color, float round, float thick);
void ui_draw_line(ui_point a, ui_point b, ui_color color, float thick);
void ui_draw_lines(const ui_point *points, int count, ui_color color, float thick);
void ui_draw_disc(ui_point center, float radius, ui_color color);
void ui_draw_ring(ui_point center, float radius, ui_color color, float thick);
void ui_draw_text(ui_font font, ui_point at, ui_color color, const char *text);
/* A part of a text, and how many bytes of it fit into a line of this width: whole words where one fits. */
void ui_draw_part(ui_font font, ui_point at, ui_color color, const char *text, size_t size);
size_t ui_wrap(ui_font font, const char *text, size_t size, float width);
float ui_part_width(ui_font font, const char *text, size_t size);
bool ui_visible(ui_rect rect);
float ui_text_width(ui_font font, const char *text);
float ui_text_height(ui_font font);
void ui_clip(ui_rect rect);
void ui_unclip(void);
void ui_tip(const char *text);

#ifdef __cplusplus
}
#endif
#endif
