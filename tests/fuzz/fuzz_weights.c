/* The weights of a small model with a good config.json. An accepted file gives every parameter. */
#include <math.h>

#include "helper_fuzz.h"
#include "model/weights.h"

static const pm_gpt_config config = {.arch = PM_ARCH_GPT2, .vocab = 3, .ctx = 2, .embd = 4, .heads = 1, .layers = 1};

static pm_status count_piece(void *user, uint32_t param, uint64_t first, uint64_t count, const float *values)
{
    (void)param, (void)first;
    fuzz_touch(values, sizeof *values * (size_t)count);
    *(uint64_t *)user += count;
    return PM_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weights w;
    gpt_layout layout;
    uint64_t numbers = 0;
    const pm_gpt_config filled = gpt_config_filled(&config);
    REQUIRE(fuzz_done(gpt_layout_make(fuzz_log(), &filled, UINT64_MAX, &layout)));
    fuzz_safetensors("model.safetensors", data, size);
    if (fuzz_done(weights_open(fuzz_log(), fuzz_dir(), &filled, &layout, &w))) {
        REQUIRE(fuzz_done(gpt_copy(fuzz_log(), &layout, weights_source(&w), count_piece, &numbers)));
        REQUIRE(numbers == pm_gpt_config_parameters(&config));
        weights_close(&w);
    }
    gpt_layout_fini(&layout);
    return 0;
}
