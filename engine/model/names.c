/* Finds the tensor that holds a parameter, and reports tensors that no parameter takes. */
#include "model/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* ---- plain names ---- */

/* Parts that module wrappers add anywhere in a name, and prefixes of all of a model's parameters. Multimodal models have a language_model. */
static const char *const wrappers[] = {"_orig_mod.", "module.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.",
                                       "_forward_module."};
static const char *const owners[] = {"transformer.", "model.", "language_model."};

/* Length of the entry that `name` begins with; 0: none. */
static size_t begins_with(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const size_t n = strlen(list[i]);
        if (strncmp(name, list[i], n) == 0) return n;
    }
    return 0;
}

static void make_plain(const char *name, char out[GPT_NAME_MAX])
{
    size_t used = 0, skip;
    while (*name) {
        if ((skip = begins_with(name, wrappers, sizeof wrappers / sizeof *wrappers)) ||
            (used == 0 && (skip = begins_with(name, owners, sizeof owners / sizeof *owners)))) {
            name += skip;
            continue;
        }
        const size_t part = strcspn(name, "."), n = part + (name[part] == '.');
        if (n >= GPT_NAME_MAX - used) {
            used = 0;
            break;
        }
        memcpy(out + used, name, n);
        used += n;
        name += n;
    }
    out[used] = 0;
}

static int by_plain(const void *a, const void *b)
{
    const named_tensor *x = a, *y = b;
    const int order = strcmp(x->plain, y->plain);
    return order ? order : strcmp(x->tensor->tensor->name, y->tensor->tensor->name);
}

pm_status names_open(const pm_log *log, const shard_set *set, name_table *out)
{
    name_table t = {set, calloc(set->tensor_count + 1, sizeof *t.rows)};
    if (!t.rows) return log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory for its tensors' names", set->origin);
    for (size_t i = 0; i < set->tensor_count; i++) {
        t.rows[i].tensor = &set->tensors[i];
        make_plain(set->tensors[i].tensor->name, t.rows[i].plain);
    }
    qsort(t.rows, set->tensor_count, sizeof *t.rows, by_plain);
    *out = t;
    return PM_OK;
}

void names_close(name_table *table)
{
    free(table->rows);
    *table = (name_table){0};
}

/* ---- finding ---- */

/* The first row that is not before this plain name. */
static size_t lower_bound(const name_table *t, const char *plain)
{
    size_t low = 0, high = t->set->tensor_count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (strcmp(t->rows[middle].plain, plain) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t count_rows(const name_table *t, const char *plain, size_t first)
{
    size_t n = 0;
    while (first + n < t->set->tensor_count && strcmp(t->rows[first + n].plain, plain) == 0) n++;
    return n;
}

named_tensor *names_row(const name_table *t, const char *plain)
{
    const size_t at = lower_bound(t, plain);
    return count_rows(t, plain, at) ? &t->rows[at] : NULL;
}

named_tensor *names_twin(const name_table *t, const named_tensor *row)
{
    const size_t first = lower_bound(t, row->plain), n = count_rows(t, row->plain, first);
    for (size_t i = first; i < first + n && row->plain[0]; i++)
        if (&t->rows[i] != row && !t->rows[i].used) return &t->rows[i];
    return NULL;
}

/* The row of a tensor's full name. */
static named_tensor *row_of(const name_table *t, const char *name)
{
    char plain[GPT_NAME_MAX];
    make_plain(name, plain);
    const size_t first = lower_bound(t, plain), n = count_rows(t, plain, first);
    for (size_t i = first; i < first + n; i++)
        if (strcmp(t->rows[i].tensor->tensor->name, name) == 0) return &t->rows[i];
    return NULL;
}

/* By an entry {parameter: tensor} of __metadata__. */
static named_tensor *row_by_metadata(const name_table *t, const char *plain)
{
    for (size_t s = 0; s < t->set->shard_count; s++) {
        const st_file *file = &t->set->shards[s].file;
        for (size_t i = 0; i < file->meta_count; i++) {
            char key[GPT_NAME_MAX];
            make_plain(file->meta[i].key, key);
            named_tensor *row = strcmp(key, plain) == 0 ? row_of(t, file->meta[i].value) : NULL;
            if (row) return row;
        }
    }
    return NULL;
}

/* How many characters two names share at both ends. */
static size_t likeness(const char *a, const char *b)
{
    const size_t na = strlen(a), nb = strlen(b), least = na < nb ? na : nb;
    size_t front = 0, back = 0;
    while (front < least && a[front] == b[front]) front++;
    while (back < least - front && a[na - 1 - back] == b[nb - 1 - back]) back++;
    return front + back;
}

/* Fails for a missing parameter. The line names the tensors with the nearest names. */
static pm_status missing(const pm_log *log, const name_table *t, const char *name)
{
    enum { SHOWN = 3 };
    const shard_set *set = t->set;
    size_t best[SHOWN], count = 0;
    for (size_t i = 0; i < set->tensor_count; i++) {
        const size_t own = likeness(name, set->tensors[i].tensor->name);
        size_t at = count;
        while (at > 0 && likeness(name, set->tensors[best[at - 1]].tensor->name) < own) at--;
        if (at == SHOWN) continue;
        if (count < SHOWN) count++;
        memmove(best + at + 1, best + at, (count - at - 1) * sizeof *best);
        best[at] = i;
    }
    char shown[320] = "";
    for (size_t i = 0; i < count; i++) {
        const size_t used = strlen(shown);
        snprintf(shown + used, sizeof shown - used, "%s%s", i ? ", " : "",
                 st_show(set->tensors[best[i]].tensor->name).text);
    }
    if (!count) return log_fail(log, PM_FORMAT, "%s: %s is missing; the file has no tensors", set->origin, name);
    return log_fail(log, PM_FORMAT, "%s: %s is missing; the tensors there are %s%s (%zu in all)", set->origin, name,
                    shown, set->tensor_count > count ? ", …" : "", set->tensor_count);
}

pm_status names_find(const pm_log *log, name_table *t, const char *name, bool tied, const shard_tensor **out)
{
    char plain[GPT_NAME_MAX];
    make_plain(name, plain);
    named_tensor *row = row_of(t, name);
    if (!row) {
        const size_t first = lower_bound(t, plain), n = count_rows(t, plain, first);
        if (n > 1)
            return log_fail(log, PM_FORMAT, "%s: %s and %s could both be %s", t->set->origin,
                            st_show(t->rows[first].tensor->tensor->name).text,
                            st_show(t->rows[first + 1].tensor->tensor->name).text, name);
        if (n == 1) row = &t->rows[first];
    }
    if (!row) row = row_by_metadata(t, plain);
    if (!row && tied) row = names_row(t, "lm_head.weight");
    if (!row) return missing(log, t, name);
    row->used = true;
    *out = row->tensor;
    return PM_OK;
}

/* ---- what is not used ---- */

/* A plain name's block, and the rest of the name; false where it is not in a block. */
static bool in_block(const char *plain, uint32_t *block, const char **rest)
{
    static const char *const owners_of_blocks[] = {"h.", "layers."};
    const size_t skip = begins_with(plain, owners_of_blocks, sizeof owners_of_blocks / sizeof *owners_of_blocks);
    if (!skip) return false;
    char *end;
    const char *digits = plain + skip;
    const unsigned long n = *digits >= '0' && *digits <= '9' ? strtoul(digits, &end, 10) : UINT32_MAX;
    if (n >= UINT32_MAX || *end != '.') return false;
    *block = (uint32_t)n;
    *rest = end + 1;
    return true;
}

/* Masks and positions, which transformers computes and keeps beside the parameters. */
static bool is_buffer(const char *plain)
{
    uint32_t block;
    const char *rest;
    if (!strcmp(plain, "position_ids") || !strcmp(plain, "rotary_emb.inv_freq")) return true;
    if (!in_block(plain, &block, &rest)) return false;
    return !strcmp(rest, "attn.bias") || !strcmp(rest, "attn.masked_bias") ||
           !strcmp(rest, "self_attn.rotary_emb.inv_freq");
}

/* A tensor's name in the warning: its own, or that of its whole block as "h.12.*". */
static void group_name(const named_tensor *row, const pm_gpt_config *config, char *out, size_t size)
{
    uint32_t block;
    const char *rest, *name = row->tensor->tensor->name;
    if (!in_block(row->plain, &block, &rest) || block < config->layers) {
        snprintf(out, size, "%s", st_show(name).text);
        return;
    }
    char digits[32];
    snprintf(digits, sizeof digits, "%.*s.%u.", (int)strcspn(row->plain, "."), row->plain, (unsigned)block);
    const char *at = strstr(name, digits); /* NULL where a wrapper's part lies between */
    snprintf(out, size, "%.*s%s*", at ? (int)(at - name) : 0, name, digits);
}

/* Names outside of blocks first; then blocks in the order of their numbers. */
static int by_block(const void *a, const void *b)
{
    const named_tensor *const *x = a, *const *y = b;
    uint32_t left = 0, right = 0;
    const char *rest;
    const bool a_block = in_block((*x)->plain, &left, &rest), b_block = in_block((*y)->plain, &right, &rest);
    if (a_block != b_block) return a_block ? 1 : -1;
    if (left != right) return left < right ? -1 : 1;
    return strcmp((*x)->plain, (*y)->plain);
}

void names_tell_unused(const pm_log *log, const name_table *t, const pm_gpt_config *config)
{
    enum { SHOWN = 4 };
    const size_t all = t->set->tensor_count;
    size_t buffers = 0, others = 0, groups = 0;
    const named_tensor **unused = calloc(all + 1, sizeof *unused);
    if (!unused) return; /* only the lines are lost */
    for (size_t i = 0; i < all; i++) {
        if (t->rows[i].used) continue;
        if (is_buffer(t->rows[i].plain))
            buffers++;
        else
            unused[others++] = &t->rows[i];
    }
    qsort(unused, others, sizeof *unused, by_block);
    char shown[512] = "", last[128] = "";
    for (size_t i = 0; i < others; i++) {
        char name[sizeof last];
        group_name(unused[i], config, name, sizeof name);
        if (strcmp(name, last) == 0) continue;
        memcpy(last, name, sizeof last);
        const size_t used = strlen(shown);
        if (groups++ < SHOWN) snprintf(shown + used, sizeof shown - used, "%s%s", used ? ", " : "", name);
    }
    if (others)
        log_line(log, PM_LOG_WARN, "%s: %zu of its %zu tensors are not used, since config.json leaves them out: %s%s",
                 t->set->origin, others, all, shown, groups > SHOWN ? ", …" : "");
    if (buffers)
        log_line(log, PM_LOG_INFO, "%s: %zu of its %zu tensors are masks and positions, which are not read",
                 t->set->origin, buffers, all);
    free(unused);
}
