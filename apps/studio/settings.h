/* What the user chose, kept between runs as JSON in the user's configuration folder. One table has every setting: for the file and for scripts. */
#ifndef STUDIO_SETTINGS_H
#define STUDIO_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SETTINGS_PATH = 1024, SETTINGS_PROMPT = 4096 };

typedef struct settings {
    /* the window */
    char device[256]; /* as of pm_adapter_choose */
    bool light;
    uint32_t scale; /* percent, 100 to 200 */
    uint32_t width, height, page;
    /* training */
    char data[SETTINGS_PATH], out[SETTINGS_PATH];
    uint32_t tokenizer; /* 0 characters, 1 bytes */
    uint32_t layers, heads, embd, ctx, batch, steps, warmup, eval_every;
    float lr, dropout;
    uint32_t seed;
    /* writing */
    char model[SETTINGS_PATH], prompt[SETTINGS_PROMPT];
    float temperature, top_p;
    uint32_t top_k, tokens;
    /* a task */
    uint32_t task; /* pm_task_kind */
    char task_train[SETTINGS_PATH], task_dev[SETTINGS_PATH], task_base[SETTINGS_PATH], task_out[SETTINGS_PATH];
    uint32_t task_layers, task_heads, task_embd, task_ctx, task_batch, task_epochs;
    float task_lr; /* 0: as of settings_task_lr */
    /* the profile */
    uint32_t profile_steps;
} settings;

void settings_default(settings *s);
/* By name; a number that is out of range is not taken. False: no such name, or no such value. */
bool settings_set(settings *s, const char *name, const char *value);

/* The task's learning rate: what was chosen, else less where it begins with a model. */
float settings_task_lr(const settings *s);

/* The file: PATH, or studio.json in the user's configuration folder where it is NULL, or none where it is "". What is not in the file, or wrong there, keeps
 * its default. */
void settings_load(settings *s, const char *path);
/* False: it could not be written. */
bool settings_save(const settings *s, const char *path);

#endif
