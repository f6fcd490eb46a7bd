/* OpenAI's release of GPT-1: params_shapes.json, beside 1,000 numbers. An accepted release gives every parameter. */
#include <stdio.h>

#include "helper_fuzz.h"
#include "model/openai.h"

static pm_status count_piece(void *user, uint32_t param, uint64_t first, uint64_t count, const float *values)
{
    (void)param, (void)first;
    fuzz_touch(values, sizeof *values * (size_t)count);
    *(uint64_t *)user += count;
    return PM_OK;
}

static void make_numbers(void)
{
    enum { HEADER = 118, NUMBERS = 1000 };
    static char file[10 + HEADER + 4 * NUMBERS] = "\x93NUMPY\x01";
    file[8] = HEADER;
    snprintf(file + 10, HEADER + 1, "%-*s\n", HEADER - 1,
             "{'descr': '<f4', 'fortran_order': False, 'shape': (1000,), }");
    file[10 + HEADER] = 0;
    fuzz_file("params_0.npy", file, sizeof file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    openai_release release;
    pm_gpt_config config;
    if (!made) make_numbers();
    made = true;
    fuzz_file("params_shapes.json", data, size);
    if (!fuzz_done(openai_open(fuzz_log(), fuzz_dir(), 1, &config, &release))) return 0;
    gpt_layout layout;
    uint64_t numbers = 0;
    REQUIRE(fuzz_done(gpt_layout_make(fuzz_log(), &config, NULL, UINT64_MAX, &layout)));
    REQUIRE(fuzz_done(gpt_copy(fuzz_log(), &layout, openai_source(&release), count_piece, &numbers)));
    REQUIRE(numbers == pm_gpt_config_parameters(&config));
    gpt_layout_fini(&layout);
    openai_close(&release);
    return 0;
}
