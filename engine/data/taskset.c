/* Examples as sequences of tokens: texts between the task's special tokens, cut to the context. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "data/task.h"

/* One text's tokens. */
typedef struct part {
    uint32_t *tokens;
    size_t count;
} part;

enum { MOST_PARTS = 3, MOST_CHOICES = 1000 };

typedef struct reader {
    row_file file;
    pm_taskset *set;
    const pm_tokenizer *tok;
    uint32_t ctx;
    bool by_index; /* a label may be a class's index */
    bool was_cut;  /* a text of the present example */
} reader;

static pm_status no_memory(const reader *r)
{
    return log_fail(r->file.log, PM_NO_HOST_MEMORY, "%s: out of memory for its examples", r->file.path);
}

/* Room for `more` elements behind `count`. */
static bool reserve(void **array, size_t count, size_t more, size_t *capacity, size_t size)
{
    if (count + more <= *capacity) return true;
    size_t wanted = *capacity ? *capacity : 1024;
    while (wanted < count + more) wanted *= 2;
    void *p = realloc(*array, wanted * size);
    if (!p) return false;
    *array = p;
    *capacity = wanted;
    return true;
}

/* <s> first $ last <e>; with one part <s> part <e>; with three, the first two are joined. A plain task's text has no special tokens. What does
 * not fit is cut from the end of the first part, then of the second, then of the third. */
static pm_status frame(reader *r, const part *parts, int count)
{
    pm_taskset *s = r->set;
    const bool framed = !s->task.plain;
    size_t length[MOST_PARTS], total = 0, room = r->ctx - (!framed ? 0 : count > 1 ? 3 : 2);
    for (int p = 0; p < count; p++) total += length[p] = parts[p].count;
    for (int p = 0; p < count && total > room; p++) {
        size_t less = total - room < length[p] ? total - room : length[p];
        length[p] -= less;
        total -= less;
        r->was_cut = true;
    }
    if (!reserve((void **)&s->tokens, s->token_count, total + 3, &s->token_capacity, sizeof *s->tokens) ||
        !reserve((void **)&s->sequences, s->sequence_count, 1, &s->sequence_capacity, sizeof *s->sequences))
        return no_memory(r);
    int32_t *to = s->tokens + s->token_count, *at = to;
    if (framed) *at++ = (int32_t)task_token(&s->task, TASK_START);
    for (int p = 0; p < count; p++) {
        if (framed && p > 0 && p + 1 == count) *at++ = (int32_t)task_token(&s->task, TASK_DELIMITER);
        for (size_t i = 0; i < length[p]; i++) *at++ = (int32_t)parts[p].tokens[i];
    }
    if (framed) *at++ = (int32_t)task_token(&s->task, TASK_EXTRACT);
    /* transformers reads the answer at the last token that is not padding: tokens behind it do not count */
    while (!framed && at - to > 1 && at[-1] == s->task.plain_pad) at--;
    uint32_t n = (uint32_t)(at - to);
    s->sequences[s->sequence_count++] = (task_sequence){s->token_count, n};
    s->token_count += n;
    if (n > s->longest) s->longest = n;
    return PM_OK;
}

/* A text's tokens; `spaced` puts a space before it, since other text comes first. */
static pm_status encode(reader *r, const char *key, const char *text, bool spaced, part *out)
{
    char name[512];
    snprintf(name, sizeof name, "%s:%zu: \"%s\"", r->file.path, r->file.line, key);
    size_t size = strlen(text);
    char *joined = malloc(size + 2);
    if (!joined) return no_memory(r);
    joined[0] = ' ';
    memcpy(joined + 1, text, size + 1);
    pm_status status = pm_tokenizer_encode(r->file.log, r->tok, name, spaced ? joined : text, size + spaced,
                                           &out->tokens, &out->count);
    free(joined);
    if (status == PM_OK && out->count == 0) return rows_fail(&r->file, "\"%s\" has no tokens", key);
    return status;
}

static pm_status encode_field(reader *r, const char *key, bool spaced, part *out)
{
    const char *text;
    pm_status status = rows_string(&r->file, key, &text);
    return status == PM_OK ? encode(r, key, text, spaced, out) : status;
}

/* ---- the four forms ---- */

static pm_status read_text(reader *r, part parts[MOST_PARTS])
{
    pm_status status = encode_field(r, "text", false, &parts[0]);
    return status == PM_OK ? frame(r, parts, 1) : status;
}

static pm_status read_pair(reader *r, part parts[MOST_PARTS])
{
    bool both_ways = r->set->task.kind == PM_TASK_SIMILAR;
    pm_status status = encode_field(r, both_ways ? "text_a" : "premise", false, &parts[0]);
    if (status == PM_OK) status = encode_field(r, both_ways ? "text_b" : "hypothesis", false, &parts[1]);
    if (status == PM_OK) status = frame(r, parts, 2);
    if (status == PM_OK && both_ways) status = frame(r, (part[]){parts[1], parts[0]}, 2);
    return status;
}

static pm_status read_choices(reader *r, part parts[MOST_PARTS])
{
    pm_status status = task_texts(&r->file, PM_TASK_CHOICE);
    if (status != PM_OK) return status;
    const cJSON *choices = rows_get(&r->file, "choices"), *choice;
    const bool passage = rows_get(&r->file, "passage") != NULL, question = rows_get(&r->file, "question") != NULL;
    if (!cJSON_IsArray(choices))
        return rows_fail(&r->file, r->file.typed ? "\"choices\" must be an array of strings"
                                                 : "\"choices\" must be several columns: fields choices=NAME+NAME");
    int count = cJSON_GetArraySize(choices);
    if (count < 2 || count > MOST_CHOICES)
        return rows_fail(&r->file, "\"choices\" has %d; a question needs 2 to %d", count, MOST_CHOICES);
    if (passage) status = encode_field(r, "passage", false, &parts[0]);
    if (status == PM_OK && question) status = encode_field(r, "question", passage, &parts[1]);
    cJSON_ArrayForEach(choice, choices)
    {
        if (status != PM_OK) break;
        if (!cJSON_IsString(choice) || choice->valuestring[strspn(choice->valuestring, " \t\r\n")] == 0)
            return rows_fail(&r->file, "\"choices\" must be an array of strings, none of them empty");
        free(parts[2].tokens);
        parts[2] = (part){0};
        status = encode(r, "choices", choice->valuestring, false, &parts[2]);
        if (status == PM_OK) status = frame(r, parts, MOST_PARTS);
    }
    return status;
}

/* ---- answers ---- */

/* Only for a plain task; and where a name is a whole number, as in id2label {"0": "1", "1": "2"}, an index would be taken for it. */
static bool takes_index(const pm_task *t)
{
    bool takes = t->plain;
    long long value;
    for (uint32_t k = 0; takes && t->labels && k < t->outputs; k++) takes = !task_label_number(t->labels[k], &value);
    return takes;
}

static pm_status read_label(reader *r, int32_t *out)
{
    const pm_task *t = &r->set->task;
    char text[LABEL_MAX];
    bool number;
    pm_status status = task_label_text(&r->file, text, &number);
    if (status != PM_OK) return status;
    for (uint32_t k = 0; k < t->outputs; k++) {
        if (strcmp(text, t->labels[k]) != 0) continue;
        *out = (int32_t)k;
        return PM_OK;
    }
    const long long k = r->by_index && number ? strtoll(text, NULL, 10) : -1;
    if (k >= 0 && k < (long long)t->outputs) {
        *out = (int32_t)k;
        return PM_OK;
    }
    char known[300] = "";
    for (uint32_t i = 0; i < t->outputs; i++) rows_list(known, sizeof known, t->labels[i]);
    return rows_fail(&r->file, "the label %s is not %s (%s)", text, t->plain ? "in id2label" : "in the training file",
                     known);
}

static pm_status read_answer(reader *r, task_example *e)
{
    const pm_task *t = &r->set->task;
    if (t->scores) {
        float score;
        pm_status status = task_score(&r->file, &score);
        if (status == PM_OK) e->score = (score - t->mean) / t->spread;
        return status;
    }
    if (t->kind != PM_TASK_CHOICE) return read_label(r, &e->label);
    double answer = 0;
    pm_status status = task_number(&r->file, "answer", &answer);
    if (status != PM_OK) return status;
    if (!(answer >= 0 && answer < e->sequences) || answer != (double)(int32_t)answer)
        return rows_fail(&r->file, "\"answer\" must be the index of one of the %u choices, 0 to %u",
                         (unsigned)e->sequences, (unsigned)e->sequences - 1);
    e->label = (int32_t)answer;
    return PM_OK;
}

static pm_status read_example(reader *r)
{
    static pm_status (*const read[PM_TASK_COUNT])(reader *, part *) = {
        [PM_TASK_CLASSIFY] = read_text,
        [PM_TASK_ENTAIL] = read_pair,
        [PM_TASK_SIMILAR] = read_pair,
        [PM_TASK_CHOICE] = read_choices,
    };
    pm_taskset *s = r->set;
    part parts[MOST_PARTS] = {{0}};
    task_example e = {.first = s->sequence_count, .label = -1};
    if (!reserve((void **)&s->examples, s->example_count, 1, &s->example_capacity, sizeof *s->examples))
        return no_memory(r);
    r->was_cut = false;
    pm_status status = read[s->task.kind](r, parts);
    for (int p = 0; p < MOST_PARTS; p++) free(parts[p].tokens);
    if (status != PM_OK) return status;
    e.sequences = (uint32_t)(s->sequence_count - e.first);
    if (s->labelled) status = read_answer(r, &e);
    if (e.sequences > s->most_sequences) s->most_sequences = e.sequences;
    s->cut += r->was_cut;
    s->examples[s->example_count++] = e;
    return status;
}

/* ---- the set ---- */

static pm_status count_outputs(reader *r)
{
    pm_taskset *s = r->set;
    s->outputs = malloc((s->example_count + 1) * sizeof *s->outputs);
    if (!s->outputs) return no_memory(r);
    size_t at = 0;
    for (size_t i = 0; i < s->example_count; i++) {
        s->outputs[i] = at;
        at += s->task.kind == PM_TASK_CHOICE ? s->examples[i].sequences : s->task.outputs;
    }
    s->outputs[s->example_count] = at;
    return PM_OK;
}

pm_status pm_taskset_open(const pm_log *log, const char *path, const pm_task *task, const pm_tokenizer *tok,
                          uint32_t ctx, bool labelled, pm_taskset **out)
{
    if (!task->plain && ctx < PM_TASK_SPECIALS + MOST_PARTS)
        return log_fail(log, PM_INVALID,
                        "a context of %u tokens leaves no room for a task's text; it takes %d at least", ctx,
                        PM_TASK_SPECIALS + MOST_PARTS);
    if (pm_tokenizer_vocab(tok) > task->vocab)
        return log_fail(log, PM_FORMAT, "%s: the tokenizer has %u tokens, the model only %u", path,
                        pm_tokenizer_vocab(tok), task->vocab);
    reader r = {.tok = tok, .ctx = ctx, .by_index = takes_index(task)};
    r.set = calloc(1, sizeof *r.set);
    if (!r.set) return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
    r.set->labelled = labelled;
    pm_status status = pm_task_copy(log, task, &r.set->task);
    if (status == PM_OK) status = rows_open(log, path, task->kind, task->scores, task->fields, &r.file);
    for (bool more = true; status == PM_OK;) {
        status = rows_next(&r.file, &more);
        if (!more) break;
        if (status == PM_OK && r.set->example_count == 0) rows_warn_header(&r.file);
        if (status == PM_OK) status = read_example(&r);
    }
    if (status == PM_OK) status = count_outputs(&r);
    rows_close(&r.file);
    if (status == PM_OK)
        *out = r.set;
    else
        pm_taskset_close(&r.set);
    return status;
}

void pm_taskset_close(pm_taskset **set)
{
    pm_taskset *s = *set;
    if (!s) return;
    *set = NULL;
    pm_task_fini(&s->task);
    free(s->examples);
    free(s->sequences);
    free(s->tokens);
    free(s->outputs);
    free(s);
}

size_t pm_taskset_size(const pm_taskset *set)
{
    return set->example_count;
}
size_t pm_taskset_cut(const pm_taskset *set)
{
    return set->cut;
}
uint32_t pm_taskset_longest(const pm_taskset *set)
{
    return set->longest;
}
size_t pm_taskset_all_outputs(const pm_taskset *set)
{
    return set->outputs[set->example_count];
}
uint32_t pm_taskset_outputs(const pm_taskset *set, size_t i, size_t *first)
{
    *first = set->outputs[i];
    return (uint32_t)(set->outputs[i + 1] - set->outputs[i]);
}
const int32_t *pm_taskset_tokens(const pm_taskset *set, size_t i, uint32_t which, uint32_t *count)
{
    const task_sequence *s = &set->sequences[set->examples[i].first + which];
    *count = s->count;
    return set->tokens + s->first;
}

uint64_t taskset_hash(const pm_taskset *set)
{
    uint64_t hash = hash_bytes(HASH_INIT, set->tokens, set->token_count * sizeof *set->tokens);
    for (size_t i = 0; i < set->example_count; i++) {
        const task_example *e = &set->examples[i];
        hash = hash_bytes(hash, &e->label, sizeof e->label);
        hash = hash_bytes(hash, &e->score, sizeof e->score);
    }
    return hash;
}
