/* Checkpoints of a run: weights and both moments, the step, the loss scale, and what makes it the same run. */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "train/adamw.h"

/* What a resumed run must have in common with the one that saved, as text. */
enum { MOST_FACTS = 32, FACT_MAX = 32 };
typedef struct fact {
    const char *key;
    char value[FACT_MAX];
    const char *absent; /* what a checkpoint without the key means; NULL: nothing */
} fact;
typedef struct facts {
    fact all[MOST_FACTS];
    int count;
} facts;

void fact_number(facts *f, const char *key, uint64_t value, const char *absent);
void fact_float(facts *f, const char *key, float value);
void fact_text(facts *f, const char *key, const char *value, const char *absent);
void facts_of_model(facts *f, const pm_gpt_config *config);

/* checkpoint.safetensors in `dir`, at once or not at all; the one that was there, where it is known to be whole, stays as
 * checkpoint.previous.safetensors. note may be NULL. */
pm_status checkpoint_save(adamw *a, const facts *f, uint32_t step, const char *dir, const char *note);
/* Where the checkpoint is damaged: the one before it, after a warning. Fails: PM_IO, PM_FORMAT; the weights are then what they were. *note, where
 * wanted, is malloc'd. */
pm_status checkpoint_load(adamw *a, const facts *f, const char *dir, uint32_t *step, char **note);

#endif
