/* The page Write: a model continues a text, with the next tokens' probabilities. */
#include <stdio.h>
#include <string.h>

#include "app.h"

/* The text in lines, the prompt in another colour. */
static void draw_text(app *a)
{
    const work_writing *out = &a->state->writing;
    const float s = ui_scale(), height = ui_text_height(UI_BODY) * 1.45f, width = ui_width_left() - 4 * s;
    size_t at = 0;
    while (at < out->size) {
        const char *line = out->text + at, *end = memchr(line, '\n', out->size - at);
        const size_t whole = end ? (size_t)(end - line) : out->size - at;
        size_t size = whole ? ui_wrap(UI_BODY, line, whole, width) : 0;
        const ui_rect r = ui_place(NULL, width, height, NULL);
        ui_tighten(); /* no room between lines */
        if (ui_visible(r)) {
            const size_t old = at >= out->prompt ? 0 : out->prompt - at < size ? out->prompt - at : size;
            const float skip = ui_part_width(UI_BODY, line, old);
            if (old) ui_draw_part(UI_BODY, (ui_point){r.x, r.y}, a->theme->muted, line, old);
            if (size > old) ui_draw_part(UI_BODY, (ui_point){r.x + skip, r.y}, a->theme->text, line + old, size - old);
        }
        if (size == whole && end) {
            size++; /* the line's end */
        } else {
            while (at + size < out->size && out->text[at + size] == ' ') size++;
        }
        at += size;
    }
    if (a->shown_text != out->size) ui_show_end();
    a->shown_text = (uint32_t)out->size;
}

static void draw_paper(app *a)
{
    const work_writing *out = &a->state->writing;
    char line[260], rate[32];
    ui_card_begin("paper", NULL, a->narrow ? -112 : -138);
    if (out->size == 0)
        ui_paragraph(UI_BODY, a->theme->faint,
                     "Nothing is written yet. Choose a model, type a beginning below, and press Ctrl+Enter.");
    else
        draw_text(a);
    ui_card_end();
    if (out->tokens) {
        snprintf(line, sizeof line, "%u tokens, %s a second%s", (unsigned)out->tokens,
                 text_count(out->tokens_per_s, rate), out->ended ? "; the model ended the text" : "");
        ui_text(UI_SMALL, a->theme->muted, line);
    }
}

void page_write_copy(app *a)
{
    if (a->state->writing.size) ui_copy(a->state->writing.text);
}

static void draw_prompt(app *a)
{
    const bool writing = a->state->doing == WORK_WRITE;
    (void)ui_input_area("Beginning", a->settings.prompt, sizeof a->settings.prompt, a->narrow ? 52 : 76, !writing);
}

static void draw_next(app *a)
{
    const work_writing *out = &a->state->writing;
    ui_card_begin("next", "Next token", 0);
    if (out->next_count == 0)
        ui_paragraph(UI_SMALL, a->theme->faint, "The likeliest tokens appear here, the one taken in colour.");
    for (uint32_t i = 0; i < out->next_count && i < 10; i++)
        layout_bar(out->next[i].text, (double)out->next[i].probability, out->next[i].taken, true);
    ui_card_end();
}

static void draw_settings(app *a)
{
    settings *s = &a->settings;
    const bool live = a->state->doing == WORK_TRAIN && a->state->paused, free_now = !app_busy(a) || live;
    if (ui_button("Copy the text", UI_PLAIN, -1, a->state->writing.size > 0)) page_write_copy(a);
    ui_card_begin("model", "Model", 0);
    if (live)
        ui_paragraph(UI_SMALL, a->theme->accent, "The model of the paused training writes.");
    else
        picker_field(a, "Folder or GGUF file", "a run's, or Hugging Face's", s->model, sizeof s->model, PICK_MODEL,
                     free_now);
    if (a->state->writing.about[0]) ui_paragraph(UI_SMALL, a->theme->muted, a->state->writing.about);
    ui_card_end();
    ui_card_begin("sampling", "Sampling", 0);
    (void)ui_slider("Temperature", &s->temperature, 0, 2, "%.2f", free_now);
    ui_row(2);
    (void)ui_number("Likeliest only", &s->top_k, 0, 1000000000, free_now);
    (void)ui_number("Tokens", &s->tokens, 1, 100000, free_now);
    ui_row(2);
    (void)ui_real("Share (top-p)", &s->top_p, 0, 1, free_now);
    (void)ui_number("Seed", &s->seed, 0, UINT32_MAX, free_now);
    ui_card_end();
}

void page_write(app *a, ui_rect room)
{
    const float side = 300 * ui_scale(), gap = 16 * ui_scale();
    if (a->narrow) {
        ui_area_begin("write", room);
        if (a->tab_write == 0) {
            draw_paper(a);
            draw_prompt(a);
        } else if (a->tab_write == 1) {
            draw_next(a);
        } else {
            draw_settings(a);
        }
        ui_area_end();
        return;
    }
    ui_area_begin("paper", (ui_rect){room.x, room.y, room.w - side - gap, room.h});
    draw_paper(a);
    draw_prompt(a);
    ui_area_end();
    ui_area_begin("side", (ui_rect){room.x + room.w - side, room.y, side, room.h});
    draw_settings(a);
    draw_next(a);
    ui_area_end();
}
