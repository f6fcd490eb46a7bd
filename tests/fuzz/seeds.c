/* Binary seeds, written by the code that writes such files: seeds DIR makes DIR/NAME/ for fuzz_NAME. Seeds that are text are in seeds/. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pumice/kernel.h>

#include "files/file.h"
#include "files/gguf.h"
#include "files/safetensors.h"
#include "gpu/gpu.h"
#include "model/gpt.h"
#include "model/gguf_model.h"
#include "text/tokenizer_gguf.h"

#define SPACE "\xE2\x96\x81" /* U+2581 */

static const char *root;
static bool fine = true;

/* root/fuzzer/name, its folder made; lives until the next call. */
static const char *place(const char *fuzzer, const char *name)
{
    static char path[1000];
    snprintf(path, sizeof path, "%s/%s/%s", root, fuzzer, name);
    fine = fine && file_make_dir_of(NULL, path) == PM_OK;
    return path;
}

static void put(const char *fuzzer, const char *name, const void *data, size_t size)
{
    fine = fine && file_write(NULL, place(fuzzer, name), data, size) == PM_OK;
}

/* A small model's weights in all four types, and a head beside the token table, as fuzz_safetensors takes them: header and data in parts. Each name
 * begins with `front`. With `shared` the file has the token table only as the head, as __metadata__ says. */
static void weights(const char *seed, const pm_gpt_config *small, const char *front, bool shared)
{
    enum { PREFIX = 8, MOST = 24 };
    static const st_dtype types[] = {ST_F32, ST_F16, ST_BF16, ST_F64};
    static const st_meta meta = {"transformer.wte.weight", "lm_head.weight"};
    static char names[MOST][GPT_NAME_MAX + 32];
    static const char zeros[1024];
    const pm_gpt_config config = gpt_config_filled(small);
    tensor_list list = {0};
    st_tensor tensors[MOST];
    char *file = NULL;
    size_t size = 0;
    fine = fine && tensors_list(NULL, &config, &arch_of(&config)->hf, &list) == PM_OK && list.count < MOST;
    for (uint32_t i = 0; fine && i <= list.count; i++) {
        const tensor_row *row = &list.rows[i % list.count]; /* the head is a second token table */
        const st_dtype type = types[i % 4];
        const uint64_t bytes = (uint64_t)row->rows * row->cols * st_dtype_size(type);
        snprintf(names[i], sizeof names[i], "%s%s", front, i < list.count ? row->name : "lm_head.weight");
        tensors[i] = (st_tensor){names[i], type, 2, {row->rows, row->cols}, zeros, bytes};
    }
    const char *path = place("weights", seed);
    fine = fine && st_write(NULL, path, tensors + shared, list.count + 1 - shared, &meta, shared) == PM_OK &&
           file_read(NULL, path, &file, &size) == PM_OK;
    if (fine) {
        const size_t header =
            (unsigned char)file[0] + 256 * (size_t)(unsigned char)file[1]; /* the length's lower bytes */
        char *parts = malloc(size);
        fine = parts != NULL;
        if (fine) {
            memcpy(parts, file + PREFIX, header);
            memcpy(parts + header, "\n----\n", 6);
            memcpy(parts + header + 6, file + PREFIX + header, size - PREFIX - header);
            put("weights", seed, parts, size - 2);
        }
        free(parts);
    }
    free(file);
    tensors_free(&list);
}

static void npy(void)
{
    static const char header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }\n";
    char file[10 + sizeof header - 1 + 12] = "\x93NUMPY\x01";
    file[8] = sizeof header - 1;
    memcpy(file + 10, header, sizeof header - 1);
    put("npy", "three", file, sizeof file);
}

/* Every type of metadata and of tensors that is written; two blocks of a type that is only read, with a header of their own. */
static void gguf(void)
{
    static const gguf_dtype types[] = {GGUF_F32, GGUF_F16, GGUF_BF16, GGUF_Q8_0, GGUF_Q4_0};
    static const gguf_text words[] = {{"<s>", 3}, {"", 0}, {"a", 1}};
    static const float scores[] = {0, -1.5f, 2};
    static const int32_t kinds[] = {3, -1, 1};
    static const uint64_t dims[] = {32, 2};
    static const unsigned char read_only[64 + 2 * 144] = "GGUF\3\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                                         "\1\0\0\0\0\0\0\0q\1\0\0\0\0\2\0\0\0\0\0\0\x0c";
    float values[64];
    gguf_writer *w = NULL;
    for (int i = 0; i < 64; i++) values[i] = (float)(i - 32) / 8;
    fine = fine && gguf_writer_make(NULL, place("gguf", "written"), &w) == PM_OK;
    if (!fine) return;
    gguf_put_text(w, "general.architecture", "gpt2");
    gguf_put_u32(w, "u32", 12);
    gguf_put_u64(w, "u64", 1);
    gguf_put_i32(w, "i32", -1);
    gguf_put_f32(w, "f32", 1e-5f);
    gguf_put_bool(w, "yes", true);
    gguf_put_strings(w, "words", words, 3);
    gguf_put_f32s(w, "scores", scores, 3);
    gguf_put_i32s(w, "kinds", kinds, 3);
    for (int i = 0; i < 5; i++) gguf_put_tensor(w, gguf_dtype_name(types[i]), types[i], 2, dims);
    fine = gguf_write_begin(w) == PM_OK;
    for (int i = 0; i < 5; i++) gguf_put_floats(w, values, 64);
    fine = gguf_write_commit(&w) == PM_OK && fine;
    put("gguf", "read-only", read_only, sizeof read_only);
}

static pm_status zeros(void *user, uint32_t param, uint64_t first, uint64_t count, float *out)
{
    (void)user, (void)param, (void)first;
    memset(out, 0, (size_t)count * sizeof *out);
    return PM_OK;
}

/* A small model's file with a tokenizer: of bytes, or of some pieces. */
static void gguf_model(const char *seed, pm_gpt_config config)
{
    static const gguf_text pieces[] = {{"<unk>", 5}, {"<s>", 3}, {"\xE2\x96\x81", 3}, {"t", 1}, {"e", 1},
                                       {"te", 2},    {"12", 2}};
    static const float scores[] = {0, 0, -3, -4, -5, -1, 0};
    static const int32_t types[] = {2, 3, 1, 1, 1, 1, 4};
    const tok_gguf_model model = {config.vocab, 1, 2, 3, TOK_NONE, 0};
    gguf_writer *w = NULL;
    pm_tokenizer *tok = NULL;
    config = gpt_config_filled(&config);
    fine = fine && gguf_writer_make(NULL, place("gguf_model", seed), &w) == PM_OK &&
           pm_tokenizer_bytes(NULL, &tok) == PM_OK;
    if (!fine) return;
    fine = gguf_model_put(NULL, "", w, &config, GGUF_F16) == PM_OK;
    if (config.vocab >= 256) {
        fine = fine && tok_gguf_put(NULL, "", tok, &model, w) == PM_OK;
    } else {
        gguf_put_text(w, "tokenizer.ggml.model", "llama");
        gguf_put_strings(w, "tokenizer.ggml.tokens", pieces, 7);
        gguf_put_f32s(w, "tokenizer.ggml.scores", scores, 7);
        gguf_put_i32s(w, "tokenizer.ggml.token_type", types, 7);
        gguf_put_u32(w, "tokenizer.ggml.bos_token_id", 1);
        gguf_put_text(w, "tokenizer.chat_template", "{{ messages }}");
    }
    fine = fine && gguf_write_begin(w) == PM_OK;
    fine = fine && gguf_model_write(NULL, w, &config, (gpt_source){zeros, NULL}) == PM_OK;
    fine = gguf_write_commit(&w) == PM_OK && fine;
    pm_tokenizer_destroy(&tok);
}

/* A field of Protocol Buffers with bytes; sizes are below 128. Returns the place behind it. */
static char *field(char *at, int number, const void *data, size_t size)
{
    *at++ = (char)(number << 3 | 2);
    *at++ = (char)size;
    memcpy(at, data, size);
    return at + size;
}

/* tokenizer.model behind a configuration and a text: the bytes or none, some pieces, one of each further type. */
static void sentencepiece(const char *seed, bool bytes)
{
    static const char *const pieces[] = {SPACE, "a", "b", "ab", SPACE "a", "abab", SPACE SPACE, "\xC3\xA9"};
    static const char head[] = "{\"add_bos_token\":true}\n----\nab a  abab \xC3\xA9<s>xyz\n----\n";
    static char file[8192];
    char one[64], name[8], *at = file + sizeof head - 1, *end;
    memcpy(file, head, sizeof head - 1);
    for (int i = 0; i < (bytes ? 3 + 256 : 3); i++) {
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)(i - 3) & 0xFF);
        const char *const text = i == 0 ? "<unk>" : i == 1 ? "<s>" : i == 2 ? "xy" : name;
        end = field(one, 1, text, strlen(text));
        *end++ = 3 << 3;
        *end++ = (char)(i == 0 ? 2 : i == 1 ? 3 : i == 2 ? 4 : 6);
        at = field(at, 1, one, (size_t)(end - one));
    }
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        const float score = -(float)(i / 2);
        end = field(one, 1, pieces[i], strlen(pieces[i]));
        *end++ = 2 << 3 | 5;
        memcpy(end, &score, sizeof score);
        at = field(at, 1, one, (size_t)(end + sizeof score - one));
    }
    const char trainer[] = {3 << 3, 2, (char)0x98, 0x02, bytes}; /* fields 3 and 35 */
    const char normalizer[] = {3 << 3, 1, 4 << 3, bytes};
    at = field(at, 2, trainer, sizeof trainer);
    at = field(at, 3, normalizer, sizeof normalizer);
    put("sentencepiece", seed, file, (size_t)(at - file));
}

/* The small ones among Pumice's own kernels, with buffer addresses and with bindings. */
static void spirv(void)
{
    enum { MOST_WORDS = 900 };
    for (size_t k = 0; fine && pm_builtin_name(k); k++)
        for (int bda = 0; bda < 2; bda++) {
            size_t count;
            const uint32_t *words = pm_builtin_words(k, bda, &count);
            char name[64];
            if (!gpu_kernel_built((kernel_id)k) || count > MOST_WORDS) continue;
            snprintf(name, sizeof name, "%s%s", pm_builtin_name(k), bda ? "-bda" : "");
            put("spirv", name, words, count * sizeof *words);
        }
}

int main(int argc, char **argv)
{
    static const pm_gpt_config gpt2 = {.arch = PM_ARCH_GPT2, .vocab = 3, .ctx = 2, .embd = 4, .heads = 1, .layers = 1},
                               qwen2 = {.arch = PM_ARCH_QWEN2,
                                        .vocab = 3,
                                        .ctx = 2,
                                        .embd = 8,
                                        .heads = 2,
                                        .kv_heads = 1,
                                        .layers = 1,
                                        .inner = 3};
    if (argc != 2 || file_make_dir(NULL, argv[1]) != PM_OK) return 2;
    root = argv[1];
    weights("small", &gpt2, "", false);
    weights("wrapped", &gpt2, "module._orig_mod.", false);
    weights("shared", &gpt2, "", true);
    weights("qwen2", &qwen2, "", false);
    npy();
    gguf();
    gguf_model("gpt2",
               (pm_gpt_config){.arch = PM_ARCH_GPT2, .vocab = 256, .ctx = 2, .embd = 4, .heads = 1, .layers = 1});
    gguf_model("llama", (pm_gpt_config){.arch = PM_ARCH_LLAMA,
                                        .vocab = 7,
                                        .ctx = 8,
                                        .embd = 8,
                                        .heads = 2,
                                        .layers = 1,
                                        .inner = 3,
                                        .rotary = {.scaling = PM_ROTARY_LLAMA3, .factor = 8, .original = 64}});
    gguf_model("gemma3", (pm_gpt_config){.arch = PM_ARCH_GEMMA3,
                                         .vocab = 9,
                                         .ctx = 8,
                                         .embd = 8,
                                         .heads = 2,
                                         .layers = 1,
                                         .inner = 3,
                                         .query_scalar = 9});
    sentencepiece("bytes", true);
    sentencepiece("plain", false);
    spirv();
    if (!fine) fprintf(stderr, "seeds: cannot write them all into %s\n", root);
    return fine ? 0 : 1;
}
