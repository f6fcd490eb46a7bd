/* Weights' files of Llama, Mistral, Qwen and Gemma: names and shapes, parameters that are several tensors, what is missing or left over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/half.h"
#include "files/file.h"
#include "helper_decoder.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_source.h"
#include "model/weights.h"

enum { MOST = 48, VALUES = 1 << 14 };
static pm_log log_here;
static char dir[300];

static int begin(void **state)
{
    log_here = test_log();
    const int made = test_root_make(state);
    snprintf(dir, sizeof dir, "%s", test_path(test_root, "model"));
    return made;
}

/* ---- files ----------------------------------------------------------------------------------------------------------- */

/* A small file's configuration. */
static pm_gpt_config load(const char *file, const char *changes)
{
    pm_gpt_config c;
    if (decoder_load_with(&log_here, file, changes, &c) != PM_OK) fail_msg("%s", test_last_error());
    return c;
}

typedef struct weights_file {
    st_tensor all[MOST];
    char names[MOST][128];
    uint32_t count;
    st_dtype dtype;
} weights_file;

/* Values that every type holds exactly; each tensor has its own. */
static float value_of(const char *name, uint64_t i)
{
    uint32_t hash = 5;
    for (; *name; name++) hash = 31 * hash + (unsigned char)*name;
    return ((float)((hash + 7 * i) % 251) - 125.0f) / 64.0f;
}

static uint16_t narrow(float value, st_dtype dtype)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return dtype == ST_BF16 ? (uint16_t)(bits >> 16) : half_from_float(value);
}

/* One more tensor, whose values are those of the name `like`. */
static st_tensor *add(weights_file *f, const char *name, const char *like, uint64_t rows, uint64_t cols)
{
    assert_true(f->count < MOST && rows * cols <= VALUES);
    st_tensor *t = &f->all[f->count];
    const uint32_t size = st_dtype_size(f->dtype);
    unsigned char *data = malloc(rows * cols * size);
    assert_non_null(data);
    for (uint64_t i = 0; i < rows * cols; i++) {
        const float value = value_of(like, i);
        const uint16_t half = narrow(value, f->dtype);
        memcpy(data + i * size, size == 4 ? (const void *)&value : (const void *)&half, size);
    }
    snprintf(f->names[f->count], sizeof f->names[0], "%s", name);
    *t = (st_tensor){.name = f->names[f->count++],
                     .dtype = f->dtype,
                     .rank = rows > 1 ? 2 : 1,
                     .shape = {rows > 1 ? rows : cols, rows > 1 ? cols : 0},
                     .data = data,
                     .size = rows * cols * size};
    return t;
}

/* All tensors of a configuration, the last first, each with `front` before its name. */
static void make(weights_file *f, const pm_gpt_config *c, st_dtype dtype, const char *front)
{
    f->dtype = dtype;
    f->count = 0;
    tensor_list list;
    assert_int_equal(tensors_list(&log_here, c, &arch_of(c)->hf, &list), PM_OK);
    for (uint32_t i = list.count; i-- > 0;) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", front, list.rows[i].name);
        add(f, name, list.rows[i].name, list.rows[i].rows, list.rows[i].cols);
    }
    tensors_free(&list);
}

static void drop(weights_file *f)
{
    for (uint32_t i = 0; i < f->count; i++) free((void *)f->all[i].data);
    f->count = 0;
}

static st_tensor *named(weights_file *f, const char *name)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (strcmp(f->names[i], name) == 0) return &f->all[i];
    fail_msg("no %s", name);
    return NULL;
}

/* As one file, or as so many with an index, tensor by tensor in turn. */
static void write_files(const weights_file *f, uint32_t shards)
{
    static char index[16384];
    int n = sprintf(index, "{\"weight_map\":{");
    assert_int_equal(file_make_dir(NULL, dir), PM_OK);
    test_dir_clear(dir);
    assert_int_equal(file_make_dir(NULL, dir), PM_OK);
    if (!shards)
        assert_int_equal(st_write(NULL, test_path(dir, "model.safetensors"), f->all, f->count, NULL, 0), PM_OK);
    for (uint32_t s = 0; s < shards; s++) {
        st_tensor own[MOST];
        size_t count = 0;
        char name[40];
        snprintf(name, sizeof name, "part%u.safetensors", s);
        for (uint32_t i = s; i < f->count; i += shards) {
            own[count++] = f->all[i];
            n += sprintf(index + n, "%s\"%s\":\"%s\"", s + i ? "," : "", f->names[i], name);
        }
        assert_int_equal(st_write(NULL, test_path(dir, name), own, count, NULL, 0), PM_OK);
    }
    if (shards) {
        n += sprintf(index + n, "}}");
        test_write(test_path(dir, "model.safetensors.index.json"), index, (size_t)n);
    }
}

/* ---- names and shapes ------------------------------------------------------------------------------------------------ */

/* Names of a block: rows and columns in letters; in which files they are. */
enum { LLAMA = 1, BIASED = 2, MISTRAL = 4, QWEN2 = 8, QWEN3 = 16, GEMMA3 = 32, ALL = 63 };
static const struct {
    const char *name;
    char rows, cols;
    int in;
} block[] = {
    {"input_layernorm.weight", '1', 'C', ALL},
    {"self_attn.q_proj.weight", 'H', 'C', ALL},
    {"self_attn.k_proj.weight", 'K', 'C', ALL},
    {"self_attn.v_proj.weight", 'K', 'C', ALL},
    {"self_attn.o_proj.weight", 'C', 'H', ALL},
    {"self_attn.q_proj.bias", '1', 'H', BIASED | QWEN2},
    {"self_attn.k_proj.bias", '1', 'K', BIASED | QWEN2},
    {"self_attn.v_proj.bias", '1', 'K', BIASED | QWEN2},
    {"self_attn.o_proj.bias", '1', 'C', BIASED},
    {"self_attn.q_norm.weight", '1', 'D', QWEN3 | GEMMA3},
    {"self_attn.k_norm.weight", '1', 'D', QWEN3 | GEMMA3},
    {"post_attention_layernorm.weight", '1', 'C', ALL},
    {"pre_feedforward_layernorm.weight", '1', 'C', GEMMA3},
    {"post_feedforward_layernorm.weight", '1', 'C', GEMMA3},
    {"mlp.gate_proj.weight", 'F', 'C', ALL},
    {"mlp.up_proj.weight", 'F', 'C', ALL},
    {"mlp.down_proj.weight", 'C', 'F', ALL},
    {"mlp.gate_proj.bias", '1', 'F', BIASED},
    {"mlp.up_proj.bias", '1', 'F', BIASED},
    {"mlp.down_proj.bias", '1', 'C', BIASED},
};

static const struct {
    const char *file, *changes;
    int kind;
} models[] = {
    {decoder_small_llama, "{}", LLAMA},
    {decoder_small_llama, "{'attention_bias':true,'mlp_bias':true,'tie_word_embeddings':true}", BIASED},
    {decoder_small_mistral, "{}", MISTRAL},
    {decoder_small_qwen2, "{'tie_word_embeddings':true}", QWEN2},
    {decoder_small_qwen3, "{}", QWEN3},
    {decoder_small_gemma3, "{'head_dim':16}", GEMMA3},
};
enum { MODELS = sizeof models / sizeof *models };

static uint32_t letter(const pm_gpt_config *c, char of)
{
    return of == 'C'   ? c->embd
           : of == 'H' ? c->heads * c->head
           : of == 'K' ? c->kv_heads * c->head
           : of == 'D' ? c->head
           : of == 'F' ? c->inner
                       : 1;
}

static void expect_row(const tensor_list *list, const char *name, uint32_t rows, uint32_t cols, bool vector)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (strcmp(list->rows[i].name, name) == 0) {
            const tensor_row *row = &list->rows[i];
            if (row->rows != rows || row->cols != cols || row->vector != vector)
                fail_msg("%s has (%u,%u), not (%u,%u)", name, row->rows, row->cols, rows, cols);
            return;
        }
    fail_msg("no %s", name);
}

static void test_names(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODELS; m++) {
        const pm_gpt_config c = load(models[m].file, models[m].changes);
        tensor_list list;
        uint32_t count = 2 + c.untied;
        assert_int_equal(tensors_list(&log_here, &c, &arch_of(&c)->hf, &list), PM_OK);
        expect_row(&list, "model.embed_tokens.weight", c.vocab, c.embd, false);
        expect_row(&list, "model.norm.weight", 1, c.embd, true);
        if (c.untied) expect_row(&list, "lm_head.weight", c.vocab, c.embd, false);
        for (uint32_t layer = 0; layer < c.layers; layer++)
            for (size_t i = 0; i < sizeof block / sizeof *block; i++) {
                char name[80];
                if (!(block[i].in & models[m].kind)) continue;
                snprintf(name, sizeof name, "model.layers.%u.%s", layer, block[i].name);
                expect_row(&list, name, letter(&c, block[i].rows), letter(&c, block[i].cols), block[i].rows == '1');
                count++;
            }
        assert_int_equal(list.count, count);
        tensors_free(&list);
    }
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

/* Every parameter in pieces of this size is its tensors', one behind the other. */
static void read_all(weights *w, const pm_gpt_config *c, uint64_t piece)
{
    static float out[4 * VALUES];
    const gpt_source source = weights_source(w);
    uint32_t at = 0;
    for (uint32_t p = 0; p < arch_param_count(c); p++) {
        uint64_t total = 0;
        for (uint32_t i = at; i < w->list.count && w->list.rows[i].param == p; i++)
            total += (uint64_t)w->list.rows[i].rows * w->list.rows[i].cols;
        assert_true(total > 0 && total <= 4 * VALUES);
        for (uint64_t first = 0; first < total; first += piece) {
            const uint64_t n = total - first < piece ? total - first : piece;
            assert_int_equal(source.read(source.user, p, first, n, out + first), PM_OK);
        }
        for (uint64_t first = 0; at < w->list.count && w->list.rows[at].param == p; at++) {
            const tensor_row *row = &w->list.rows[at];
            for (uint64_t i = 0; i < (uint64_t)row->rows * row->cols; i++)
                if (out[first + i] != value_of(row->name, i))
                    fail_msg("%s: number %u of %g", row->name, (unsigned)i, (double)out[first + i]);
            first += (uint64_t)row->rows * row->cols;
        }
    }
    assert_int_equal(at, w->list.count);
}

static void test_pieces(void **state)
{
    (void)state;
    static const st_dtype dtypes[] = {ST_F32, ST_F16, ST_BF16};
    static const uint64_t pieces[] = {7, 333, 1 << 20};
    for (size_t m = 0; m < MODELS; m++)
        for (uint32_t d = 0; d < 3; d++)
            for (uint32_t shards = 0; shards <= 3; shards += 3) {
                const pm_gpt_config c = load(models[m].file, models[m].changes);
                weights_file f;
                make(&f, &c, dtypes[d], "");
                archive files;
                write_files(&f, shards);
                archive_make(&files, dir);
                for (int kind = 0; kind <= WAYS; kind++) {
                    weights w;
                    file_source from = {.dir = dir};
                    if (kind < WAYS) {
                        const pm_source *source = archive_source(&files, (way)kind);
                        assert_int_equal(file_source_given(&log_here, source, sizeof *source, &from), PM_OK);
                    }
                    test_log_reset();
                    if (weights_open_from(&log_here, &from, &c, &w) != PM_OK) fail_msg("%s", test_last_error());
                    assert_int_equal(test_log_count(PM_LOG_WARN) + test_log_count(PM_LOG_INFO), 0);
                    read_all(&w, &c, pieces[kind % 3]);
                    weights_close(&w);
                }
                archive_free(&files);
                drop(&f);
            }
}

/* ---- wrong files ----------------------------------------------------------------------------------------------------- */

static void refused(const pm_gpt_config *c, const weights_file *f, const char *line)
{
    weights w;
    write_files(f, 0);
    test_log_reset();
    const pm_status status = weights_open(&log_here, dir, c, &w);
    if (status != PM_FORMAT || !strstr(test_last_error(), line))
        fail_msg("status %d, no '%s' in: %s", status, line, test_last_error());
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
}

/* Opens and reads; so many warnings and infos. */
static void taken(const pm_gpt_config *c, const weights_file *f, unsigned warnings, unsigned infos)
{
    weights w;
    write_files(f, 0);
    test_log_reset();
    if (weights_open(&log_here, dir, c, &w) != PM_OK) fail_msg("%s", test_last_error());
    read_all(&w, c, 1 << 20);
    weights_close(&w);
    if (test_log_count(PM_LOG_WARN) != warnings || test_log_count(PM_LOG_INFO) != infos)
        fail_msg("%u warnings, %u infos; %s", test_log_count(PM_LOG_WARN), test_log_count(PM_LOG_INFO),
                 test_last_warning());
}

/* A tensor that is missing or has another shape or type is told by its own name. */
static void test_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *name, *shape;
    } parts[] = {{"self_attn.q_proj.weight", "[48, 48]"},
                 {"self_attn.k_proj.weight", "[16, 48]"},
                 {"self_attn.v_proj.weight", "[16, 48]"},
                 {"self_attn.v_proj.bias", "[16]"},
                 {"mlp.gate_proj.weight", "[32, 48]"},
                 {"mlp.up_proj.weight", "[32, 48]"},
                 {"mlp.up_proj.bias", "[32]"},
                 {"mlp.down_proj.weight", "[48, 32]"}};
    const pm_gpt_config c = load(decoder_small_llama, "{'attention_bias':true,'mlp_bias':true}");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char name[80], line[160];
        weights_file f;
        make(&f, &c, ST_F32, "");
        snprintf(name, sizeof name, "model.layers.1.%s", parts[i].name);
        st_tensor *t = named(&f, name);
        t->name = (char *)"model.layers.1.other";
        snprintf(line, sizeof line, "%s is missing; the tensors there are ", name);
        refused(&c, &f, line);
        t->name = name;
        if (t->rank == 2 && t->shape[0] != t->shape[1]) {
            const uint64_t rows = t->shape[0];
            t->shape[0] = t->shape[1];
            t->shape[1] = rows;
            snprintf(line, sizeof line, "%s should have the shape %s, and has [%u, %u]: it is transposed", name,
                     parts[i].shape, (unsigned)t->shape[0], (unsigned)t->shape[1]);
            refused(&c, &f, line);
            t->shape[1] = t->shape[0];
            t->shape[0] = rows;
        }
        t->shape[0] /= 2;
        t->size /= 2;
        snprintf(line, sizeof line, "%s should have the shape %s, and has ", name, parts[i].shape);
        refused(&c, &f, line);
        t->dtype = ST_I32;
        t->shape[0] *= 2;
        t->size *= 2;
        snprintf(line, sizeof line, "%s should have the dtype F32, F16, BF16 or F64, and has I32", name);
        refused(&c, &f, line);
        drop(&f);
    }
}

/* Products beside each other in one tensor, as Phi 3 has them, are no parts. */
static void test_fused(void **state)
{
    (void)state;
    const pm_gpt_config c = load(decoder_small_llama, "{}");
    weights_file f;
    make(&f, &c, ST_F32, "");
    named(&f, "model.layers.0.self_attn.q_proj.weight")->name = (char *)"model.layers.0.self_attn.qkv_proj.weight";
    refused(&c, &f,
            "model.layers.0.self_attn.q_proj.weight is missing; the tensors there are model.layers.0.self_attn.qkv");
    drop(&f);
}

static void test_left_over(void **state)
{
    (void)state;
    const pm_gpt_config c = load(decoder_small_llama, "{}");
    weights_file f;
    make(&f, &c, ST_F32, "");
    add(&f, "model.layers.0.self_attn.rotary_emb.inv_freq", "", 1, 4);
    add(&f, "model.layers.1.self_attn.rotary_emb.inv_freq", "", 1, 4);
    taken(&c, &f, 0, 1);
    add(&f, "model.rotary_emb.inv_freq", "", 1, 4);
    taken(&c, &f, 0, 1);
    add(&f, "model.layers.0.self_attn.q_norm.weight", "", 1, 8);
    add(&f, "model.layers.2.input_layernorm.weight", "", 1, 48);
    taken(&c, &f, 1, 1);
    assert_non_null(strstr(test_last_warning(), ": model.layers.0.self_attn.q_norm.weight, model.layers.2.*"));
    drop(&f);
}

/* A tied model's lm_head.weight: the same, another, of another type, alone; an untied one's is missing. */
static void test_tied(void **state)
{
    (void)state;
    const pm_gpt_config tied = load(decoder_small_gemma3, "{}"), untied = load(decoder_small_qwen3, "{}");
    weights_file f;
    make(&f, &tied, ST_BF16, "");
    add(&f, "lm_head.weight", "model.embed_tokens.weight", tied.vocab, tied.embd);
    taken(&tied, &f, 0, 0);
    drop(&f);
    make(&f, &tied, ST_BF16, "");
    add(&f, "lm_head.weight", "another", tied.vocab, tied.embd);
    taken(&tied, &f, 1, 0);
    assert_non_null(strstr(test_last_warning(), "lm_head.weight is not the token table"));
    drop(&f);
    make(&f, &tied, ST_BF16, "");
    named(&f, "model.embed_tokens.weight")->name = (char *)"lm_head.weight";
    taken(&tied, &f, 0, 0);
    drop(&f);
    make(&f, &untied, ST_F32, "");
    named(&f, "lm_head.weight")->name = (char *)"other";
    refused(&untied, &f, "lm_head.weight is missing");
    drop(&f);
}

/* The language model within a multimodal one, by the names of transformers 4 and 5; and wrapped. */
static void test_within(void **state)
{
    (void)state;
    static const char *const fronts[] = {"language_model.", "model.language_model.", "module.",
                                         "language_model._orig_mod."};
    const pm_gpt_config c = load(decoder_small_gemma3, "{}"), untied = load(decoder_small_llama, "{}");
    for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++) {
        weights_file f;
        make(&f, &c, ST_F32, fronts[i]);
        taken(&c, &f, 0, 0);
        add(&f, "vision_tower.encoder.layers.0.norm.weight", "", 1, 4);
        add(&f, "multi_modal_projector.mm_soft_emb_norm.weight", "", 1, 4);
        taken(&c, &f, 1, 0);
        drop(&f);
        make(&f, &untied, ST_F32, fronts[i]);
        taken(&untied, &f, 0, 0);
        drop(&f);
    }
}

static void test_not_finite(void **state)
{
    (void)state;
    const pm_gpt_config c = load(decoder_small_qwen2, "{}");
    weights_file f;
    make(&f, &c, ST_BF16, "");
    weights w;
    memcpy((char *)named(&f, "model.layers.1.self_attn.k_proj.bias")->data, "\x80\x7f", 2);
    write_files(&f, 0);
    test_log_reset();
    assert_int_equal(weights_open(&log_here, dir, &c, &w), PM_OK);
    gpt_layout layout;
    static float out[VALUES];
    assert_int_equal(gpt_layout_make(&log_here, &c, NULL, UINT64_MAX, &layout), PM_OK);
    for (uint32_t p = 0; p < layout.count; p++) {
        const uint64_t n = (uint64_t)layout.params[p].rows * layout.params[p].cols;
        const gpt_source source = weights_source(&w);
        assert_true(n <= VALUES);
        assert_int_equal(source.read(source.user, p, 0, n, out), PM_OK);
    }
    assert_int_equal(test_log_count(PM_LOG_WARN), 1);
    assert_non_null(strstr(test_last_warning(), "model.layers.1.self_attn.k_proj.bias has values that are not finite"));
    gpt_layout_fini(&layout);
    weights_close(&w);
    drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),  cmocka_unit_test(test_pieces),     cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_fused),  cmocka_unit_test(test_left_over),  cmocka_unit_test(test_tied),
        cmocka_unit_test(test_within), cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests(tests, begin, test_root_remove);
}
