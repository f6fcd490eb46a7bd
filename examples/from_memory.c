/* Continues a text with a model that is in memory: from_memory DIR|FILE.gguf PROMPT [TOKENS]. The files are read first, in place of what a program would have
 * in an archive or in itself. From there on nothing is read from the disk or written to it; what Pumice keeps for its next start is the program's, too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pumice/pumice.h>

/* ---- files in memory ---- */

enum { FILES = 10 };
static const char *const names[FILES] = {
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
};

/* The file's bytes, or NULL. The caller frees. */
static void *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *data = NULL;
    size_t room = 1 << 16, used = 0;
    while (file && (data = realloc(data, room *= 2)) != NULL) {
        used += fread(data + used, 1, room - used, file);
        if (used < room) break;
    }
    if (file) fclose(file);
    *size = used;
    return data;
}

static void add_file(pm_memory_file files[FILES], size_t *count, const char *name, const char *path)
{
    size_t size;
    const void *data = read_file(path, &size);
    if (data) files[(*count)++] = (pm_memory_file){name, data, size};
}

/* A GGUF file stands for all the files of a folder. */
static size_t read_files(const char *from, pm_memory_file files[FILES])
{
    const size_t length = strlen(from);
    size_t count = 0;
    if (length > 5 && strcmp(from + length - 5, ".gguf") == 0) {
        add_file(files, &count, "model.gguf", from);
        return count;
    }
    for (size_t i = 0; i < FILES; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", from, names[i]);
        add_file(files, &count, names[i], path);
    }
    return count;
}

/* ---- what Pumice keeps between runs: compiled pipelines, above all ---- */

typedef struct blob {
    char name[128];
    void *data;
    size_t size;
} blob;

/* A program would put this into its settings or its own cache. */
typedef struct store {
    blob blobs[8];
    size_t count;
} store;

static blob *find(store *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->blobs[i].name, name) == 0) return &s->blobs[i];
    return NULL;
}

static pm_status cache_load(void *user, const char *name, const void **data, size_t *size)
{
    const blob *b = find(user, name);
    if (!b) return PM_NO_FILE;
    *data = b->data;
    *size = b->size;
    return PM_OK;
}

static pm_status cache_store(void *user, const char *name, const void *data, size_t size)
{
    store *s = user;
    blob *b = find(s, name);
    void *copy = malloc(size ? size : 1);
    if (!copy) return PM_NO_HOST_MEMORY;
    memcpy(copy, data, size);
    if (!b && s->count < sizeof s->blobs / sizeof *s->blobs) {
        b = &s->blobs[s->count++];
        snprintf(b->name, sizeof b->name, "%s", name);
    }
    if (!b) {
        free(copy);
        return PM_IO;
    }
    free(b->data);
    b->data = copy;
    b->size = size;
    return PM_OK;
}

/* ---- the model ---- */

static void print_line(void *user, pm_log_level level, const char *line)
{
    (void)user;
    fprintf(stderr, "%s%s\n", level == PM_LOG_ERROR ? "error: " : "", line);
}

static pm_status write_text(const pm_log *log, pm_model *model, const pm_tokenizer *tokenizer, const char *prompt,
                            unsigned long count)
{
    const pm_sampling sampling = {.temperature = 0.8f};
    pm_session *session = NULL;
    uint32_t *tokens = NULL;
    size_t token_count = 0;
    pm_status status = pm_session_create(model, &session);
    if (status == PM_OK)
        status = pm_tokenizer_encode_prompt(log, tokenizer, "the prompt", prompt, strlen(prompt), false, PM_TOKEN_NONE,
                                            &tokens, &token_count);
    if (status == PM_OK) status = pm_session_feed(session, tokens, token_count);
    if (status == PM_OK) printf("%s", prompt);
    for (unsigned long i = 0; i < count && status == PM_OK; i++) {
        uint32_t token = 0;
        size_t size = 0;
        status = pm_session_sample(session, &sampling, &token);
        const char *piece = status == PM_OK ? pm_tokenizer_piece(tokenizer, token, &size) : NULL;
        if (piece) fwrite(piece, 1, size, stdout);
        if (status == PM_OK) status = pm_session_feed(session, &token, 1);
    }
    printf("\n");
    free(tokens);
    pm_session_destroy(&session);
    return status;
}

static pm_status run(store *kept, const pm_source *source, const char *prompt, unsigned long count)
{
    const pm_log log = {print_line, NULL, PM_LOG_WARN};
    const pm_device_params params = {
        .log = log, .cache_load = cache_load, .cache_store = cache_store, .cache_user = kept};
    pm_device *device = NULL;
    pm_tokenizer *tokenizer = NULL;
    pm_model *model = NULL;
    pm_status status = pm_device_open(&params, &device);
    if (status == PM_OK) status = pm_tokenizer_load_from(&log, source, &tokenizer);
    if (status == PM_OK) status = pm_model_load_from(device, source, &model);
    if (status == PM_OK) status = write_text(&log, model, tokenizer, prompt, count);
    pm_model_destroy(&model);
    pm_tokenizer_destroy(&tokenizer);
    pm_device_close(&device); /* stores the pipelines */
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: from_memory DIR|FILE.gguf PROMPT [TOKENS]\n");
        return 2;
    }
    pm_memory_file files[FILES];
    pm_source source = {.name = argv[1], .files = files};
    source.file_count = read_files(argv[1], files);
    store kept = {.count = 0};
    const pm_status status = run(&kept, &source, argv[2], argc == 4 ? strtoul(argv[3], NULL, 10) : 100);
    size_t bytes = 0;
    for (size_t i = 0; i < kept.count; i++) {
        bytes += kept.blobs[i].size;
        free(kept.blobs[i].data);
    }
    for (size_t i = 0; i < source.file_count; i++) free((void *)files[i].data);
    if (status == PM_OK) printf("%zu bytes to keep for the next start\n", bytes);
    return status == PM_OK ? 0 : 1;
}
