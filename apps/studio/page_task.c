/* The page Task: teach a task from labelled examples, and try it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "plot.h"

static const char *const kinds[] = {"Classify a text", "Does one text follow from another", "How alike are two texts",
                                    "Choose among options"};
static const char *const inputs[PM_TASK_COUNT][3] = {{"Text", NULL, NULL},
                                                     {"Premise", "Hypothesis", NULL},
                                                     {"Text A", "Text B", NULL},
                                                     {"Passage", "Question", "Options, one a line"}};

static void draw_settings(app *a)
{
    settings *s = a->state->teaching ? &a->state->teach_how : &a->settings; /* a run shows its own */
    const bool free_now = !app_busy(a), fresh = free_now && !s->task_base[0];
    int kind = (int)s->task;
    ui_card_begin("examples", "Task and examples", 0);
    if (ui_choice("Task", kinds, PM_TASK_COUNT, &kind, free_now)) s->task = (uint32_t)kind;
    picker_field(a, "Examples", "JSON lines, .tsv or .csv", s->task_train, sizeof s->task_train, PICK_FILE, free_now);
    picker_field(a, "Validation examples", "may stay empty", s->task_dev, sizeof s->task_dev, PICK_FILE, free_now);
    picker_field(a, "Run folder", "where the model goes", s->task_out, sizeof s->task_out, PICK_FOLDER, free_now);
    ui_card_end();
    ui_card_begin("base", "Model", 0);
    picker_field(a, "Begin with", "empty: a new model", s->task_base, sizeof s->task_base, PICK_MODEL, free_now);
    ui_paragraph(UI_SMALL, a->theme->faint,
                 s->task_base[0] ? "A model of characters knows only those of its text; one of bytes knows all."
                                 : "A new model reads bytes, so that it knows all characters.");
    ui_row(2);
    (void)ui_number("Layers", &s->task_layers, 1, 1024, fresh);
    (void)ui_number("Heads", &s->task_heads, 1, 1024, fresh);
    ui_row(2);
    (void)ui_number("Channels", &s->task_embd, 4, 65536, fresh);
    (void)ui_number("Context", &s->task_ctx, 6, 1048576, fresh);
    ui_row(3);
    (void)ui_number("Epochs", &s->task_epochs, 1, 65536, free_now);
    (void)ui_number("Batch", &s->task_batch, 1, 65536, free_now);
    float lr = settings_task_lr(s);
    if (ui_real("Rate", &lr, 1e-9f, 10, free_now)) s->task_lr = lr;
    ui_card_end();
}

static void draw_answer(app *a)
{
    const work_answer *answer = &a->state->answer;
    char line[80];
    if (!answer->there) return;
    ui_space(4);
    if (answer->label < 0) {
        snprintf(line, sizeof line, "%.3f", (double)answer->score);
        ui_text(UI_TITLE, a->theme->accent, line);
        return;
    }
    for (uint32_t k = 0; k < answer->count; k++)
        layout_bar(answer->labels[k], (double)answer->probabilities[k], (int32_t)k == answer->label, false);
}

static void draw_try(app *a)
{
    bool entered = false;
    ui_card_begin("try", "Try it", 0);
    for (int i = 0; i < 3; i++) {
        const char *name = inputs[a->settings.task][i];
        if (!name) continue;
        if (i == 2) {
            (void)ui_input_area(name, a->try_input[i], sizeof a->try_input[i], 70, !app_busy(a));
        } else {
            (void)ui_input(name, "", a->try_input[i], sizeof a->try_input[i], !app_busy(a));
            entered = entered || ui_entered();
        }
    }
    if (ui_button("Answer", UI_PLAIN, 110, !app_busy(a)) || (entered && !app_busy(a))) app_post(a, WORK_TRY, false);
    draw_answer(a);
    ui_card_end();
}

static void draw_results(app *a, float height)
{
    const work_run *run = &a->state->teach;
    const pm_task_metrics *dev = &a->state->dev;
    bool hovered = false;
    char note[40] = "";
    if (run->steps && dev->n && isfinite(dev->accuracy))
        snprintf(note, sizeof note, "%.1f %% right", 100 * dev->accuracy);
    else if (run->steps && dev->n && isfinite(dev->pearson))
        snprintf(note, sizeof note, "correlation %.3f", dev->pearson);
    layout_run_tiles(a, run, "Loss on dev", note);
    ui_card_begin("curve", NULL, height);
    ui_text(UI_BOLD, a->theme->text, "Loss");
    const ui_rect room = ui_place("plot", ui_width_left(), ui_height_left() - 2 * ui_scale(), &hovered);
    a->plot = plot_loss(a->theme, room, &run->loss_curve, &run->val_curve, run->steps, hovered);
    ui_card_end();
}

void page_task(app *a, ui_rect room)
{
    const float side = 320 * ui_scale(), gap = 16 * ui_scale();
    if (a->narrow) {
        ui_area_begin("task", room);
        if (a->tab_task == 0)
            draw_results(a, -1);
        else if (a->tab_task == 1)
            draw_try(a);
        else
            draw_settings(a);
        ui_area_end();
        return;
    }
    ui_area_begin("results", (ui_rect){room.x, room.y, room.w - side - gap, room.h});
    draw_results(a, -230);
    draw_try(a);
    ui_area_end();
    ui_area_begin("settings", (ui_rect){room.x + room.w - side, room.y, side, room.h});
    draw_settings(a);
    ui_area_end();
}
