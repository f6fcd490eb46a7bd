/* Seeds that are no text, written by what writes such files: seeds DIR makes DIR/NAME/ for fuzz_NAME. Seeds that are text lie in seeds/. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pumice/kernel.h>

#include "base/file.h"
#include "gpu/gpu.h"
#include "model/gpt.h"

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

static pm_status zeros(void *user, uint32_t param, uint64_t first, uint64_t count, float *out)
{
    (void)user, (void)param, (void)first;
    memset(out, 0, sizeof *out * (size_t)count);
    return PM_OK;
}

/* A model's weights, its header in one part, as fuzz_safetensors takes it. */
static void weights(void)
{
    enum { PREFIX = 8 };
    const pm_gpt_config small = {.arch = PM_ARCH_GPT2, .vocab = 3, .ctx = 2, .embd = 4, .heads = 1, .layers = 1};
    const pm_gpt_config config = gpt_config_filled(&small);
    gpt_layout layout;
    char *dir = file_join(root, "made"), *path = dir ? file_join(dir, "model.safetensors") : NULL, *file = NULL;
    size_t size = 0;
    fine = fine && path && gpt_layout_make(NULL, &config, UINT64_MAX, &layout) == PM_OK;
    if (fine) {
        fine = gpt_folder_write(NULL, dir, &config, NULL, &layout, (gpt_source){zeros, NULL}) == PM_OK &&
               file_read(NULL, path, &file, &size) == PM_OK;
        gpt_layout_fini(&layout);
    }
    if (fine) {
        const size_t header =
            (unsigned char)file[0] + 256 * (size_t)(unsigned char)file[1]; /* the length's lower bytes */
        file_writer *to = NULL;
        fine = file_writer_open(NULL, place("weights", "small"), &to) == PM_OK;
        if (fine) {
            file_writer_put(to, file + PREFIX, header);
            file_writer_put(to, "\n----\n", 6);
            file_writer_put(to, file + PREFIX + header, size - PREFIX - header);
            fine = file_writer_commit(&to) == PM_OK;
        }
    }
    free(file);
    free(path);
    free(dir);
}

static void npy(void)
{
    static const char header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }\n";
    char file[10 + sizeof header - 1 + 12] = "\x93NUMPY\x01";
    file[8] = sizeof header - 1;
    memcpy(file + 10, header, sizeof header - 1);
    put("npy", "three", file, sizeof file);
}

/* The small ones of Pumice's own kernels, with buffer addresses and with bindings. */
static void spirv(void)
{
    enum { MOST_WORDS = 900 };
    for (size_t k = 0; fine && pm_builtin_name(k); k++)
        for (int bda = 0; bda < 2; bda++) {
            size_t count;
            const uint32_t *words = pm_builtin_words(k, bda, &count);
            uint32_t seed[1 + MOST_WORDS] = {0}; /* the values of constants come first */
            char name[64];
            if (!gpu_kernel_built((kernel_id)k) || count > MOST_WORDS) continue;
            memcpy(seed + 1, words, count * sizeof *words);
            snprintf(name, sizeof name, "%s%s", pm_builtin_name(k), bda ? "-bda" : "");
            put("spirv", name, seed, (1 + count) * sizeof *seed);
        }
}

int main(int argc, char **argv)
{
    if (argc != 2 || file_make_dir(NULL, argv[1]) != PM_OK) return 2;
    root = argv[1];
    weights();
    npy();
    spirv();
    if (!fine) fprintf(stderr, "seeds: cannot write them all into %s\n", root);
    return fine ? 0 : 1;
}
