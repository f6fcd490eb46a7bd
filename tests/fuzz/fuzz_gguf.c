/* A GGUF file, on the disk and by a program's functions: both must find the same. What is accepted can be read whole, and comes back from a file that is
 * written from it. */
#include <stdlib.h>
#include <string.h>

#include "helper_fuzz.h"
#include "files/gguf.h"

enum { MOST = 1 << 16 /* elements that are compared */ };

typedef struct input {
    const uint8_t *data;
    size_t size;
} input;

static pm_status open_input(void *user, const char *name, void **file, uint64_t *size)
{
    (void)name;
    *file = user;
    *size = ((const input *)user)->size;
    return PM_OK;
}

static pm_status read_input(void *user, void *file, uint64_t at, void *to, size_t size)
{
    const input *in = file;
    REQUIRE(file == user && size && at <= in->size && size <= in->size - at);
    memcpy(to, in->data + at, size);
    return PM_OK;
}

static bool open_by_functions(input *in, gguf_file *out)
{
    const pm_source given = {.open = open_input, .read = read_input, .user = in};
    file_source from;
    file_ref ref;
    bool fine = fuzz_done(file_source_given(fuzz_log(), &given, sizeof given, &from)) &&
                fuzz_done(file_ref_make(fuzz_log(), &from, "model.gguf", &ref));
    REQUIRE(fine);
    fine = fuzz_done(gguf_open_ref(fuzz_log(), &ref, NULL, out));
    file_ref_free(&ref);
    return fine;
}

/* Every value; the getters fail with a line, or do not. */
static void read_values(const gguf_file *file)
{
    for (size_t i = 0; i < file->meta_count; i++) {
        const gguf_meta *m = &file->meta[i];
        uint32_t u32;
        uint64_t u64;
        int64_t i64;
        float f32;
        bool flag;
        gguf_text text;
        REQUIRE(gguf_find_meta(file, m->key) == m && (m->is_array || m->values.count == 1));
        for (size_t k = 0; k < m->values.count; k++) {
            if (m->values.type == GGUF_VALUE_STRING) {
                text = gguf_array_string(&m->values, k);
                fuzz_touch(text.data, text.size);
            } else if (m->values.type != GGUF_VALUE_BOOL) {
                (void)gguf_array_number(&m->values, k);
            } else {
                REQUIRE(m->values.data[k] <= 1);
            }
        }
        const bool is_u32 = fuzz_done(gguf_u32(fuzz_log(), file, m->key, NULL, &u32));
        const bool is_u64 = fuzz_done(gguf_u64(fuzz_log(), file, m->key, NULL, &u64));
        const bool is_i64 = fuzz_done(gguf_i64(fuzz_log(), file, m->key, NULL, &i64));
        REQUIRE(!is_u32 || (is_u64 && is_i64 && u32 == u64 && i64 == (int64_t)u32));
        (void)fuzz_done(gguf_f32(fuzz_log(), file, m->key, NULL, &f32));
        (void)fuzz_done(gguf_bool(fuzz_log(), file, m->key, NULL, &flag));
        (void)fuzz_done(gguf_string(fuzz_log(), file, m->key, NULL, &text));
    }
}

/* All elements of a readable tensor, which the caller frees; NULL: it has too many, or cannot be read. */
static float *read_tensor(const gguf_file *file, const gguf_tensor *t)
{
    if (t->count > MOST) return NULL;
    float *values = malloc((size_t)t->count * sizeof *values + 1);
    REQUIRE(values);
    if (fuzz_done(gguf_floats(fuzz_log(), file, t, 0, (size_t)t->count, values))) return values;
    REQUIRE(!gguf_dtype_readable(t->dtype));
    free(values);
    return NULL;
}

/* The same by both, whole and from the middle on. */
static void compare(const gguf_file *a, const gguf_file *b)
{
    REQUIRE(a->meta_count == b->meta_count && a->tensor_count == b->tensor_count);
    for (size_t i = 0; i < a->tensor_count; i++) {
        const gguf_tensor *s = &a->tensors[i], *t = &b->tensors[i];
        REQUIRE(gguf_find(a, s->name) == s && s->start == t->start && s->size == t->size);
        float *values = read_tensor(a, s);
        float *others = values ? read_tensor(b, t) : NULL;
        const size_t count = (size_t)s->count, middle = count / 3;
        if (values) {
            REQUIRE(others && memcmp(values, others, count * sizeof *values) == 0);
            REQUIRE(fuzz_done(gguf_floats(fuzz_log(), b, t, middle, count - middle, others)));
            REQUIRE(memcmp(values + middle, others, (count - middle) * sizeof *values) == 0);
        }
        free(values);
        free(others);
    }
}

/* All of it again, its numbers as F32. */
static void write_again(const gguf_file *file)
{
    gguf_writer *w = NULL;
    gguf_file again;
    const char *path = fuzz_file("again.gguf", "", 0);
    for (size_t i = 0; i < file->tensor_count; i++) {
        const gguf_tensor *t = &file->tensors[i];
        if (!gguf_dtype_readable(t->dtype) || t->count > MOST || strlen(t->name) >= GGUF_NAME_MAX) return;
    }
    REQUIRE(fuzz_done(gguf_writer_make(fuzz_log(), path, &w)));
    for (size_t i = 0; i < file->meta_count; i++) gguf_put_meta(w, &file->meta[i]);
    for (size_t i = 0; i < file->tensor_count; i++)
        gguf_put_tensor(w, file->tensors[i].name, GGUF_F32, file->tensors[i].rank, file->tensors[i].dims);
    REQUIRE(fuzz_done(gguf_write_begin(w)));
    for (size_t i = 0; i < file->tensor_count; i++) {
        float *values = read_tensor(file, &file->tensors[i]);
        gguf_put_floats(w, values, (size_t)file->tensors[i].count);
        free(values);
    }
    REQUIRE(fuzz_done(gguf_write_commit(&w)));
    REQUIRE(fuzz_done(gguf_open(fuzz_log(), path, &again)) && again.tensor_count == file->tensor_count);
    for (size_t i = 0; i < file->tensor_count; i++) {
        const gguf_tensor *s = &file->tensors[i], *t = &again.tensors[i];
        float *values = read_tensor(file, s), *others = read_tensor(&again, t);
        REQUIRE(strcmp(s->name, t->name) == 0 && memcmp(s->dims, t->dims, sizeof s->dims) == 0);
        REQUIRE(memcmp(values, others, (size_t)s->count * sizeof *values) == 0);
        free(values);
        free(others);
    }
    for (size_t i = 0; i < again.meta_count; i++) {
        const gguf_meta *m = &again.meta[i], *from = gguf_find_meta(file, m->key);
        REQUIRE(from && from->is_array == m->is_array && from->values.type == m->values.type);
        REQUIRE(from->values.count == m->values.count);
    }
    gguf_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gguf_file file, other;
    input in = {data, size};
    const bool fine = fuzz_done(gguf_open(fuzz_log(), fuzz_file("model.gguf", data, size), &file));
    REQUIRE(open_by_functions(&in, &other) == fine);
    if (!fine) return 0;
    read_values(&file);
    read_values(&other);
    compare(&file, &other);
    write_again(&file);
    gguf_close(&other);
    gguf_close(&file);
    return 0;
}
