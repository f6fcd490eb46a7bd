/* The GGUF format, versions 2 and 3 (github.com/ggml-org/ggml, docs/gguf.md): a little-endian header of metadata by key and tensors by name, then
 * the tensors' data. Reading trusts nothing. It knows no model: what keys and names mean is the caller's. Version 3 is written. */
#ifndef FILES_GGUF_H
#define FILES_GGUF_H

#include "files/source.h"

/* ---- types ---- */

/* The types of tensors: name, number in a file, elements of a block, bytes of a block (ggml.h and ggml-common.h there). */
#define GGUF_DTYPE_LIST(X)                                                                                             \
    X(F32, 0, 1, 4)                                                                                                    \
    X(F16, 1, 1, 2)                                                                                                    \
    X(Q4_0, 2, 32, 18)                                                                                                 \
    X(Q4_1, 3, 32, 20)                                                                                                 \
    X(Q5_0, 6, 32, 22)                                                                                                 \
    X(Q5_1, 7, 32, 24)                                                                                                 \
    X(Q8_0, 8, 32, 34)                                                                                                 \
    X(Q8_1, 9, 32, 36)                                                                                                 \
    X(Q2_K, 10, 256, 84)                                                                                               \
    X(Q3_K, 11, 256, 110)                                                                                              \
    X(Q4_K, 12, 256, 144)                                                                                              \
    X(Q5_K, 13, 256, 176)                                                                                              \
    X(Q6_K, 14, 256, 210)                                                                                              \
    X(Q8_K, 15, 256, 292)                                                                                              \
    X(IQ2_XXS, 16, 256, 66)                                                                                            \
    X(IQ2_XS, 17, 256, 74)                                                                                             \
    X(IQ3_XXS, 18, 256, 98)                                                                                            \
    X(IQ1_S, 19, 256, 50)                                                                                              \
    X(IQ4_NL, 20, 32, 18)                                                                                              \
    X(IQ3_S, 21, 256, 110)                                                                                             \
    X(IQ2_S, 22, 256, 82)                                                                                              \
    X(IQ4_XS, 23, 256, 136)                                                                                            \
    X(I8, 24, 1, 1)                                                                                                    \
    X(I16, 25, 1, 2)                                                                                                   \
    X(I32, 26, 1, 4)                                                                                                   \
    X(I64, 27, 1, 8)                                                                                                   \
    X(F64, 28, 1, 8)                                                                                                   \
    X(IQ1_M, 29, 256, 56)                                                                                              \
    X(BF16, 30, 1, 2)                                                                                                  \
    X(TQ1_0, 34, 256, 54)                                                                                              \
    X(TQ2_0, 35, 256, 66)                                                                                              \
    X(MXFP4, 39, 32, 17)                                                                                               \
    X(NVFP4, 40, 64, 36)                                                                                               \
    X(Q1_0, 41, 128, 18)                                                                                               \
    X(Q2_0, 42, 64, 18)

typedef enum gguf_dtype {
#define GGUF_DTYPE_ENUM(name, number, block, bytes) GGUF_##name = number,
    GGUF_DTYPE_LIST(GGUF_DTYPE_ENUM)
#undef GGUF_DTYPE_ENUM
} gguf_dtype;

/* The name, such as "Q8_0"; NULL outside the list. */
const char *gguf_dtype_name(gguf_dtype dtype);
/* Elements and bytes of a block; 0 outside the list. */
uint32_t gguf_dtype_block(gguf_dtype dtype);
uint32_t gguf_dtype_size(gguf_dtype dtype);
/* F32, F16, BF16, Q8_0, Q4_0, Q4_K and Q6_K can be read as floats, and all but the last two written. */
bool gguf_dtype_readable(gguf_dtype dtype);
bool gguf_dtype_written(gguf_dtype dtype);

/* The types of metadata, in the order of their numbers in a file: name, bytes of a value (0: it varies). */
#define GGUF_VALUE_LIST(X)                                                                                             \
    X(U8, 1)                                                                                                           \
    X(I8, 1)                                                                                                           \
    X(U16, 2)                                                                                                          \
    X(I16, 2)                                                                                                          \
    X(U32, 4)                                                                                                          \
    X(I32, 4)                                                                                                          \
    X(F32, 4)                                                                                                          \
    X(BOOL, 1)                                                                                                         \
    X(STRING, 0)                                                                                                       \
    X(ARRAY, 0)                                                                                                        \
    X(U64, 8)                                                                                                          \
    X(I64, 8)                                                                                                          \
    X(F64, 8)

typedef enum gguf_value {
#define GGUF_VALUE_ENUM(name, bytes) GGUF_VALUE_##name,
    GGUF_VALUE_LIST(GGUF_VALUE_ENUM)
#undef GGUF_VALUE_ENUM
        GGUF_VALUES
} gguf_value;

/* Bytes without a 0 behind them. In files they should be UTF-8, but only keys and tensors' names are checked. */
typedef struct gguf_text {
    const char *data;
    size_t size;
} gguf_text;

/* ---- reading ---- */

enum { GGUF_MAX_RANK = 4, GGUF_NAME_MAX = 64 /* bytes of a tensor's name */ };

/* Values of one type, within a file's header. */
typedef struct gguf_array {
    gguf_value type; /* never GGUF_VALUE_ARRAY */
    size_t count;
    const unsigned char *data;
    const uint32_t *starts; /* strings: where each begins in the header [count + 1], as if one more followed */
} gguf_array;

typedef struct gguf_meta {
    char *key;
    bool is_array;
    gguf_array values; /* one, where it is no array */
} gguf_meta;

typedef struct gguf_tensor {
    char *name;
    gguf_dtype dtype;
    uint32_t rank;
    uint64_t
        dims[GGUF_MAX_RANK]; /* the fastest first: a matrix of R rows and C columns has [C, R]; 1 beyond the rank */
    uint64_t count;          /* of elements */
    uint64_t start, size;    /* bytes: where its data begin, from the file's first byte, and how many they are */
} gguf_tensor;

typedef struct gguf_file {
    char *path; /* for log lines */
    file_view view;
    unsigned char *room; /* the header, where the view has no memory */
    uint32_t version, alignment;
    gguf_meta *meta; /* in file order */
    size_t meta_count;
    gguf_tensor *tensors; /* in file order */
    size_t tensor_count;
    const gguf_tensor **by_name; /* the same, sorted */
} gguf_file;

/* Opens and checks everything: counts and sizes within the file, keys and names unique, types known, values of bool 0 or 1, general.alignment, the
 * tensors' data aligned, in range, without overlap. Fails: PM_IO, PM_FORMAT with one line that names path, and key or tensor. Arrays of arrays are
 * refused. */
pm_status gguf_open(const pm_log *log, const char *path, gguf_file *out);
/* The same of any file; `found` as in file_ref_read. */
pm_status gguf_open_ref(const pm_log *log, const file_ref *ref, bool *found, gguf_file *out);
void gguf_close(gguf_file *file);
/* Whether a source is one GGUF file in place of a folder: its path is that of such a file, or the program's files have a model.gguf. Fails as its
 * functions do. And that file. */
pm_status gguf_is_source(const pm_log *log, const file_source *from, bool *out);
pm_status gguf_open_source(const pm_log *log, const file_source *from, gguf_file *out);

const gguf_meta *gguf_find_meta(const gguf_file *file, const char *key); /* or NULL */
const gguf_tensor *gguf_find(const gguf_file *file, const char *name);   /* or NULL */

/* The value of a key. *found: whether the file has it; only then *out is written. NULL: it must be. Integers of all widths are taken where they fit,
 * and as numbers too. Fails: PM_FORMAT with one line that names file and key, where the type or range is another. */
pm_status gguf_u32(const pm_log *log, const gguf_file *file, const char *key, bool *found, uint32_t *out);
pm_status gguf_u64(const pm_log *log, const gguf_file *file, const char *key, bool *found, uint64_t *out);
pm_status gguf_i64(const pm_log *log, const gguf_file *file, const char *key, bool *found, int64_t *out);
pm_status gguf_f32(const pm_log *log, const gguf_file *file, const char *key, bool *found, float *out);
pm_status gguf_bool(const pm_log *log, const gguf_file *file, const char *key, bool *found, bool *out);
/* The text lives as long as the file is open. */
pm_status gguf_string(const pm_log *log, const gguf_file *file, const char *key, bool *found, gguf_text *out);
/* Arrays of strings, of integers of any width, of numbers of any type. They live as long as the file is open. */
pm_status gguf_strings(const pm_log *log, const gguf_file *file, const char *key, bool *found, gguf_array *out);
pm_status gguf_integers(const pm_log *log, const gguf_file *file, const char *key, bool *found, gguf_array *out);
pm_status gguf_numbers(const pm_log *log, const gguf_file *file, const char *key, bool *found, gguf_array *out);

/* Element i < count of such an array, at once. */
gguf_text gguf_array_string(const gguf_array *strings, size_t i);
/* False where it is above INT64_MAX, which only U64 can be. */
bool gguf_array_integer(const gguf_array *integers, size_t i, int64_t *out);
double gguf_array_number(const gguf_array *numbers, size_t i);

bool gguf_text_is(gguf_text text, const char *want);

/* Bytes [at, at + size) of a tensor's data, as file_view_piece. */
pm_status gguf_piece(const pm_log *log, const gguf_file *file, const gguf_tensor *tensor, uint64_t at, size_t size,
                     void *room, const unsigned char **out);
/* Elements [first, first + count) as floats, which begin and end anywhere. Read each piece once: its pages are dropped. Fails: PM_FORMAT for a type
 * that is not readable; PM_IO, PM_NO_HOST_MEMORY. */
pm_status gguf_floats(const pm_log *log, const gguf_file *file, const gguf_tensor *tensor, uint64_t first, size_t count,
                      float *out);

/* ---- writing ---- */

enum { GGUF_ALIGNMENT = 32 }; /* of the files written here */

/* A file being made: first its metadata and tensors are declared, then gguf_write_begin, then the tensors' floats follow in the order declared. It
 * appears whole at commit, or not at all. Functions without a status keep their first failure, which comes out of begin or commit. */
typedef struct gguf_writer gguf_writer;
pm_status gguf_writer_make(const pm_log *log, const char *path, gguf_writer **out);

void gguf_put_u32(gguf_writer *w, const char *key, uint32_t value);
void gguf_put_u64(gguf_writer *w, const char *key, uint64_t value);
void gguf_put_i32(gguf_writer *w, const char *key, int32_t value);
void gguf_put_f32(gguf_writer *w, const char *key, float value);
void gguf_put_bool(gguf_writer *w, const char *key, bool value);
void gguf_put_string(gguf_writer *w, const char *key, gguf_text value);
void gguf_put_text(gguf_writer *w, const char *key, const char *value); /* which ends with 0 */
void gguf_put_strings(gguf_writer *w, const char *key, const gguf_text *values, size_t count);
void gguf_put_f32s(gguf_writer *w, const char *key, const float *values, size_t count);
void gguf_put_i32s(gguf_writer *w, const char *key, const int32_t *values, size_t count);
/* A pair of another file, as it is; general.alignment is left out. */
void gguf_put_meta(gguf_writer *w, const gguf_meta *meta);
/* dims [rank], the fastest first, which must be a multiple of the type's block. A name has at most 63 bytes: ggml keeps 64 with a 0. */
void gguf_put_tensor(gguf_writer *w, const char *name, gguf_dtype dtype, uint32_t rank, const uint64_t *dims);

/* Checks what was declared and begins the file. Fails: PM_INVALID, PM_IO, with one line. */
pm_status gguf_write_begin(gguf_writer *w);
/* The next floats of the tensor at hand; the pieces' sizes are free, but none goes beyond its tensor. They are rounded to its type as ggml's reference
 * quantizers do. F16 and BF16 take no number that would become infinite; Q8_0 and Q4_0 take only values whose scale fits into a half. */
void gguf_put_floats(gguf_writer *w, const float *values, size_t count);
/* Fails: PM_INVALID where floats are missing, or what a function before kept. *writer becomes NULL in any case. */
pm_status gguf_write_commit(gguf_writer **writer);
void gguf_write_abandon(gguf_writer **writer);

#endif
