/* One file or several. The index is trusted as little as the files. */
#include "files/shards.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/copy.h"
#include "files/json_file.h"

enum { MAX_SHARDS = 1000 };

#define SUFFIX ".safetensors"

static pm_status no_memory(const pm_log *log, const char *path)
{
    return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for its list of tensors", path);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const shard_tensor *)a)->tensor->name, ((const shard_tensor *)b)->tensor->name);
}

/* Takes the ref's path over where the file is there and fine. */
static pm_status open_shard(const pm_log *log, file_ref *ref, bool *found, shard *out)
{
    bool there = true;
    const pm_status status = st_open_ref(log, ref, found ? &there : NULL, &out->file);
    if (found) *found = there;
    if (status != PM_OK || !there) return status;
    out->path = ref->path;
    out->name = ref->path + strlen(ref->path) - strlen(ref->name);
    ref->path = NULL;
    return PM_OK;
}

/* ---- one file ---- */

static pm_status open_single(const pm_log *log, file_ref *ref, bool *found, shard_set *set)
{
    set->origin = copy_text(ref->path);
    set->shards = calloc(1, sizeof *set->shards);
    if (!set->origin || !set->shards) return no_memory(log, ref->path);
    pm_status status = open_shard(log, ref, found, &set->shards[0]);
    if (status != PM_OK || !*found) return status;
    set->shard_count = 1;
    const st_file *file = &set->shards[0].file;
    set->tensors = calloc(file->tensor_count + 1, sizeof *set->tensors);
    if (!set->tensors) return no_memory(log, set->origin);
    for (size_t i = 0; i < file->tensor_count; i++)
        set->tensors[set->tensor_count++] = (shard_tensor){&file->tensors[i], &set->shards[0]};
    return PM_OK;
}

/* ---- an index ---- */

/* Whether it is a safetensors file's name, without a folder. */
static bool is_file_name(const char *name)
{
    const size_t n = strlen(name), suffix = sizeof SUFFIX - 1;
    if (n <= suffix || n > 200 || name[0] == '.' || strcmp(name + n - suffix, SUFFIX) != 0) return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == '/' || name[i] == '\\') return false;
    return true;
}

/* The shard of that name; a new one is opened. */
static pm_status shard_named(const pm_log *log, const file_source *in, const char *name, shard_set *set,
                             const shard **out)
{
    for (size_t i = 0; i < set->shard_count; i++)
        if (strcmp(set->shards[i].name, name) == 0) {
            *out = &set->shards[i];
            return PM_OK;
        }
    if (set->shard_count == MAX_SHARDS)
        return log_fail(log, PM_FORMAT, "%s: it names more than %d files", set->origin, MAX_SHARDS);
    file_ref ref;
    pm_status status = file_ref_make(log, in, name, &ref);
    if (status != PM_OK) return status;
    status = open_shard(log, &ref, NULL, &set->shards[set->shard_count]);
    file_ref_free(&ref);
    if (status == PM_OK) *out = &set->shards[set->shard_count++];
    return status;
}

static pm_status add_entry(const pm_log *log, const file_source *in, const cJSON *item, shard_set *set)
{
    const shard *from = NULL;
    if (!cJSON_IsString(item) || !is_file_name(item->valuestring))
        return log_fail(log, PM_FORMAT, "%s: '%s' must be in a file NAME" SUFFIX " of the same folder, not in '%s'",
                        set->origin, st_show(item->string).text,
                        cJSON_IsString(item) ? st_show(item->valuestring).text : "?");
    pm_status status = shard_named(log, in, item->valuestring, set, &from);
    if (status != PM_OK) return status;
    const st_tensor *tensor = st_find(&from->file, item->string);
    if (!tensor)
        return log_fail(log, PM_FORMAT, "%s: tensor '%s' is missing; %s says that it is here", from->path,
                        st_show(item->string).text, set->origin);
    set->tensors[set->tensor_count++] = (shard_tensor){tensor, from};
    return PM_OK;
}

static pm_status open_index(const pm_log *log, const file_ref *ref, bool *found, shard_set *set)
{
    cJSON *root;
    size_t count = 0;
    if (!(set->origin = copy_text(ref->path))) return no_memory(log, ref->path);
    pm_status status = json_file_read(log, ref, "another way", found, &root);
    if (status != PM_OK || !*found) return status;
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(root, "weight_map"), *item;
    if (!cJSON_IsObject(map)) {
        cJSON_Delete(root);
        return log_fail(log, PM_FORMAT, "%s: has no object weight_map", set->origin);
    }
    cJSON_ArrayForEach(item, map) count++;
    set->tensors = calloc(count + 1, sizeof *set->tensors);
    set->shards = calloc(MAX_SHARDS, sizeof *set->shards); /* never moved: tensors point into it */
    if (!set->tensors || !set->shards) status = no_memory(log, set->origin);
    cJSON_ArrayForEach(item, map)
    {
        if (status == PM_OK) status = add_entry(log, ref->from, item, set);
    }
    cJSON_Delete(root);
    return status;
}

/* ---- both ---- */

/* Fails for missing weights. The line names an older model's file, where there is one. */
static pm_status none_here(const pm_log *log, const file_source *from)
{
    static const char *const others[] = {"pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5",
                                         "flax_model.msgpack"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        file_ref ref;
        pm_status status = file_ref_make(log, from, others[i], &ref);
        if (status != PM_OK) return status;
        const bool there = file_ref_named(&ref);
        if (there)
            status = log_fail(log, PM_FORMAT,
                              "%s: this format is not read; get the model in the safetensors format "
                              "(model.safetensors)",
                              ref.path);
        file_ref_free(&ref);
        if (there) return status;
    }
    return log_fail(log, PM_IO, "%s: there is no model.safetensors and no model.safetensors.index.json in it",
                    file_source_name(from));
}

/* By name, each once. */
static pm_status sort_tensors(const pm_log *log, shard_set *set)
{
    if (set->tensor_count) qsort(set->tensors, set->tensor_count, sizeof *set->tensors, compare_names);
    for (size_t i = 1; i < set->tensor_count; i++)
        if (compare_names(&set->tensors[i - 1], &set->tensors[i]) == 0)
            return log_fail(log, PM_FORMAT, "%s: tensor '%s' is there twice", set->origin,
                            st_show(set->tensors[i].tensor->name).text);
    return PM_OK;
}

pm_status shards_open_from(const pm_log *log, const file_source *from, shard_set *out)
{
    bool found = false;
    shard_set set = {0};
    file_ref single = {0}, index = {0};
    pm_status status = file_ref_make(log, from, "model" SUFFIX, &single);
    if (status == PM_OK) status = file_ref_make(log, from, "model" SUFFIX ".index.json", &index);
    if (status == PM_OK) status = open_single(log, &single, &found, &set);
    if (status == PM_OK && !found) {
        shards_close(&set);
        status = open_index(log, &index, &found, &set);
    }
    if (status == PM_OK && !found) status = none_here(log, from);
    file_ref_free(&single);
    file_ref_free(&index);
    if (status == PM_OK) status = sort_tensors(log, &set);
    if (status == PM_OK)
        *out = set;
    else
        shards_close(&set);
    return status;
}

pm_status shards_open(const pm_log *log, const char *dir, shard_set *out)
{
    return shards_open_from(log, &(file_source){.dir = dir}, out);
}

void shards_close(shard_set *set)
{
    for (size_t i = 0; i < set->shard_count; i++) {
        st_close(&set->shards[i].file);
        free(set->shards[i].path);
    }
    free(set->shards);
    free(set->tensors);
    free(set->origin);
    *set = (shard_set){0};
}
