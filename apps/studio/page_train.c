/* The page Train: a text, a model's sizes, and the loss as it falls. */
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "plot.h"

static const char *const tokenizers[] = {"Characters", "Bytes"};

static void draw_run_card(app *a, settings *s, bool free_now)
{
    int kind = (int)s->tokenizer;
    ui_card_begin("run", "Text and folder", 0);
    picker_field(a, "Text", "a file, or a folder of .txt files", s->data, sizeof s->data, PICK_FILE, free_now);
    picker_field(a, "Run folder", "where the model goes", s->out, sizeof s->out, PICK_FOLDER, free_now);
    if (ui_choice("Tokens", tokenizers, 2, &kind, free_now)) s->tokenizer = (uint32_t)kind;
    ui_paragraph(UI_SMALL, a->theme->faint,
                 kind == 0 ? "The model knows only the characters of this text." : "The model knows all characters.");
    ui_card_end();
}

static void draw_model_card(settings *s, bool free_now)
{
    ui_card_begin("model", "Model", 0);
    ui_row(2);
    (void)ui_number("Layers", &s->layers, 1, 1024, free_now);
    (void)ui_number("Heads", &s->heads, 1, 1024, free_now);
    ui_row(2);
    (void)ui_number("Channels", &s->embd, 4, 65536, free_now);
    (void)ui_number("Context", &s->ctx, 2, 1048576, free_now);
    ui_card_end();
}

static void draw_steps_card(settings *s, bool free_now)
{
    ui_card_begin("steps", "Steps", 0);
    ui_row(2);
    (void)ui_number("Steps", &s->steps, 1, 1000000000, free_now);
    (void)ui_number("Batch", &s->batch, 1, 65536, free_now);
    ui_row(2);
    (void)ui_real("Learning rate", &s->lr, 1e-9f, 10, free_now);
    (void)ui_number("Warm-up", &s->warmup, 0, 1000000000, free_now);
    ui_row(2);
    (void)ui_number("Validate every", &s->eval_every, 1, 1000000000, free_now);
    (void)ui_real("Dropout", &s->dropout, 0, 0.95f, free_now);
    ui_card_end();
}

static void draw_legend(const theme *t)
{
    static const char *const names[] = {"each step", "mean", "validation"};
    const ui_color colors[] = {t->curve_faint, t->curve, t->points};
    const float s = ui_scale(), height = ui_text_height(UI_SMALL);
    const ui_rect r = ui_place(NULL, ui_width_left(), height, NULL);
    float x = r.x + r.w;
    for (int i = 3; i-- > 0;) {
        x -= ui_text_width(UI_SMALL, names[i]);
        ui_draw_text(UI_SMALL, (ui_point){x, r.y}, t->muted, names[i]);
        x -= 14 * s;
        ui_draw_disc((ui_point){x + 4 * s, r.y + height / 2}, 4 * s, colors[i]);
        x -= 16 * s;
    }
    ui_draw_text(UI_BOLD, (ui_point){r.x, r.y - 2 * s}, t->text, "Loss");
}

static void draw_curve(app *a)
{
    const work_run *run = &a->state->train;
    bool hovered = false;
    ui_card_begin("curve", NULL, -1);
    draw_legend(a->theme);
    const ui_rect room = ui_place("plot", ui_width_left(), ui_height_left() - 2 * ui_scale(), &hovered);
    a->plot = plot_loss(a->theme, room, &run->loss_curve, &run->val_curve, run->steps ? run->steps : a->settings.steps,
                        hovered);
    if (run->loss_curve.count == 0) {
        const char *hint = a->state->doing == WORK_TRAIN   ? "The first step builds the kernels\xe2\x80\xa6"
                           : work_has_run(a->settings.out) ? "The folder has a run: Go on, or Ctrl+Enter, continues it."
                                                           : "Choose a text and a folder, then press Ctrl+Enter.";
        const float width = ui_text_width(UI_BODY, hint);
        ui_draw_text(UI_BODY,
                     (ui_point){a->plot.x + (a->plot.w - width) / 2, a->plot.y + a->plot.h / 2 - 10 * ui_scale()},
                     a->theme->muted, hint);
    }
    ui_card_end();
}

static void draw_results(app *a)
{
    layout_run_tiles(a, &a->state->train, "Validation", NULL);
    ui_space(2);
    ui_progress(a->state->train.steps ? (double)a->state->train.step / a->state->train.steps : 0);
    ui_space(2);
    draw_curve(a);
}

static void draw_settings(app *a)
{
    const bool free_now = !app_busy(a);
    settings *s = a->state->training ? &a->state->train_how : &a->settings; /* a run shows its own */
    draw_run_card(a, s, free_now);
    draw_model_card(s, free_now);
    draw_steps_card(s, free_now);
}

void page_train(app *a, ui_rect room)
{
    const float side = 300 * ui_scale(), gap = 16 * ui_scale();
    if (a->narrow) {
        ui_area_begin("train", room);
        if (a->tab_train == 0)
            draw_results(a);
        else
            draw_settings(a);
        ui_area_end();
        return;
    }
    ui_area_begin("results", (ui_rect){room.x, room.y, room.w - side - gap, room.h});
    draw_results(a);
    ui_area_end();
    ui_area_begin("settings", (ui_rect){room.x + room.w - side, room.y, side, room.h});
    draw_settings(a);
    ui_area_end();
}
