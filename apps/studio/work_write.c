/* A model writes, token by token. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "work_parts.h"

/* ---- what the next token may be ---- */

/* A token's bytes as a person reads them: blanks and line ends are seen. */
static void show_piece(const pm_tokenizer *tokenizer, uint32_t token, char out[48])
{
    size_t size = 0, used = 0;
    const char *piece = pm_tokenizer_piece(tokenizer, token, &size);
    out[0] = 0;
    for (size_t i = 0; piece && i < size && used + 6 < 48; i++) {
        const unsigned char c = (unsigned char)piece[i];
        if (c == ' ') {
            used += (size_t)snprintf(out + used, 48 - used, "\xc2\xb7"); /* a middle dot */
        } else if (c == '\n') {
            used += (size_t)snprintf(out + used, 48 - used, "\\n");
        } else if (c < 32 || c == 127 || (c >= 128 && size == 1)) {
            used += (size_t)snprintf(out + used, 48 - used, "\\x%02x", c);
        } else {
            out[used++] = (char)c;
            out[used] = 0;
        }
    }
}

static void show_next(work *w, const pm_tokenizer *tokenizer, const float *logits, uint32_t vocab, uint32_t taken)
{
    uint32_t best[WORK_NEXT], count = 0;
    double sum = 0, highest = -INFINITY;
    for (uint32_t i = 0; i < vocab; i++) highest = fmax(highest, (double)logits[i]);
    for (uint32_t i = 0; i < vocab; i++) {
        sum += exp((double)logits[i] - highest);
        uint32_t at = count < WORK_NEXT ? count++ : WORK_NEXT;
        if (at == WORK_NEXT && logits[i] <= logits[best[WORK_NEXT - 1]]) continue;
        if (at == WORK_NEXT) at--;
        while (at > 0 && logits[i] > logits[best[at - 1]]) {
            best[at] = best[at - 1];
            at--;
        }
        best[at] = i;
    }
    work_writing *out = &work_edit(w)->writing;
    out->next_count = count;
    for (uint32_t i = 0; i < count; i++) {
        show_piece(tokenizer, best[i], out->next[i].text);
        out->next[i].probability = (float)(exp((double)logits[best[i]] - highest) / sum);
        out->next[i].taken = best[i] == taken;
    }
    work_changed(w, false);
}

/* ---- the model ---- */

static pm_status load_model(work *w, const char *dir)
{
    if (!dir[0])
        return work_fail(w, PM_INVALID,
                         "choose a model: the folder of a run, one of Hugging Face's form, or a GGUF file");
    if (w->model && strcmp(w->model_dir, dir) == 0) return PM_OK;
    work_drop_model(w);
    work_stage(w, "opening the model");
    if (files_is_folder(dir) && !files_has(dir, "config.json"))
        return work_fail(w, PM_IO, "%s: no model is in this folder: it has no config.json", dir);
    pm_status status = pm_tokenizer_load(&w->log, dir, &w->tokenizer);
    if (status == PM_OK)
        status = pm_model_load_as(w->device, dir, &(pm_model_params){.weights = PM_WEIGHTS_FILE}, &w->model);
    if (status == PM_OK && pm_tokenizer_vocab(w->tokenizer) > pm_model_config(w->model)->vocab)
        status = work_fail(w, PM_FORMAT, "%s: the tokenizer has more tokens than the model", dir);
    if (status != PM_OK) {
        work_drop_model(w);
    } else {
        snprintf(w->model_dir, sizeof w->model_dir, "%s", dir);
    }
    return status;
}

static pm_status feed_prompt(work *w, pm_session *session, const pm_tokenizer *tokenizer, const pm_text_ends *ends,
                             const char *prompt)
{
    uint32_t *tokens = NULL;
    size_t count = 0;
    pm_status status = pm_tokenizer_encode_prompt(&w->log, tokenizer, "the prompt", prompt, strlen(prompt), false,
                                                  ends->begin, &tokens, &count);
    if (status == PM_OK) status = pm_session_feed(session, tokens, count);
    free(tokens);
    return status;
}

static void show_start(work *w, const pm_model *model, const pm_tokenizer *tokenizer, const char *prompt)
{
    const pm_gpt_config *c = pm_model_config(model);
    work_writing *out = &work_edit(w)->writing;
    out->prompt = out->size = (size_t)snprintf(out->text, sizeof out->text, "%s", prompt);
    out->tokens = out->next_count = 0;
    out->tokens_per_s = 0;
    out->ended = false;
    snprintf(out->about, sizeof out->about, "%s, %u layers, %u channels, context %u, %.2f M parameters, %s tokens",
             pm_arch_title(c->arch), (unsigned)c->layers, (unsigned)c->embd, (unsigned)c->ctx,
             1e-6 * (double)pm_gpt_config_parameters(c), pm_tokenizer_kind(tokenizer));
    work_changed(w, true);
}

/* ---- writing ---- */

enum { MOST_CTX = 4096 }; /* tokens that are seen at most: a cache for 131,072 would take gigabytes */

typedef struct job {
    pm_model *model;
    const pm_tokenizer *tokenizer;
    pm_session *session;
    pm_text_ends ends;
    uint32_t vocab, count;
    double begin;
} job;

static pm_status prepare(work_task *task, job *j)
{
    work *w = task->w;
    const settings *how = &task->request.how;
    pm_status status = task->side ? PM_OK : load_model(w, how->model);
    if (status != PM_OK) return status;
    j->model = task->side ? w->live_model : w->model;
    j->tokenizer = task->side ? w->live_tokenizer : w->tokenizer;
    j->vocab = pm_model_config(j->model)->vocab;
    j->ends = (pm_text_ends){.begin = PM_TOKEN_NONE};
    show_start(w, j->model, j->tokenizer, how->prompt);
    work_stage(w, "reading the prompt");
    if (!task->side) status = pm_text_ends_load(&w->log, how->model, j->tokenizer, j->vocab, &j->ends);
    if (status == PM_OK) status = pm_session_create_as(j->model, &(pm_session_params){.ctx = MOST_CTX}, &j->session);
    if (status == PM_OK) status = feed_prompt(w, j->session, j->tokenizer, &j->ends, how->prompt);
    if (status != PM_OK) return status;
    work_stage(w, "");
    j->begin = pm_profile_now();
    return PM_AGAIN;
}

/* Adds a token to the text. False: that was the last one. */
static bool add_token(work *w, const job *j, uint32_t token, uint32_t most)
{
    size_t size = 0;
    bool end = false;
    const char *piece = pm_tokenizer_piece(j->tokenizer, token, &size);
    for (uint32_t k = 0; k < j->ends.end_count; k++) end = end || token == j->ends.ends[k];
    work_writing *out = &work_edit(w)->writing;
    const double seconds = pm_profile_now() - j->begin;
    const bool full = out->size + size + 1 > sizeof out->text;
    if (piece && !end && !full) {
        memcpy(out->text + out->size, piece, size);
        out->size += size;
        out->text[out->size] = 0;
    }
    out->tokens = j->count;
    out->tokens_per_s = seconds > 0 ? j->count / seconds : 0;
    out->ended = end;
    work_changed(w, false);
    return !end && !full && j->count < most;
}

/* A token a piece. */
pm_status work_write(work_task *task, pm_control *control)
{
    const settings *how = &task->request.how;
    const pm_sampling sampling = {.temperature = how->temperature,
                                  .top_k = how->top_k,
                                  .top_p = how->top_p > 0 ? how->top_p : 1e-30f,
                                  .seed = how->seed};
    uint32_t token = 0;
    job *j = task->data;
    if (!j) {
        j = task->data = calloc(1, sizeof *j);
        return j ? prepare(task, j) : work_fail(task->w, PM_NO_HOST_MEMORY, "out of host memory");
    }
    if (pm_control_cancelled(control)) return PM_CANCELLED;
    pm_status status = pm_session_sample(j->session, &sampling, &token);
    if (status != PM_OK) return status;
    show_next(task->w, j->tokenizer, pm_session_logits(j->session), j->vocab, token);
    j->count++;
    if (!add_token(task->w, j, token, how->tokens)) return PM_OK;
    status = pm_session_feed(j->session, &token, 1);
    return status == PM_OK ? PM_AGAIN : status;
}

void work_write_end(work_task *task, pm_status status)
{
    job *j = task->data;
    if (!j) return;
    pm_session_destroy(&j->session);
    if (status == PM_DEVICE_LOST && !task->side) work_drop_model(task->w);
    free(j);
}
