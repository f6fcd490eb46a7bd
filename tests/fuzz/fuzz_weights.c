/* The weights of small models with a good config.json: of one whose parameters are a tensor each, and of one with several tensors in some. An accepted
 * file gives every parameter. */
#include <math.h>

#include "helper_fuzz.h"
#include "model/weights.h"

static const pm_gpt_config configs[] = {
    {.arch = PM_ARCH_GPT2, .vocab = 3, .ctx = 2, .embd = 4, .heads = 1, .layers = 1},
    {.arch = PM_ARCH_QWEN2, .vocab = 3, .ctx = 2, .embd = 8, .heads = 2, .kv_heads = 1, .layers = 1, .inner = 3}};

static pm_status count_piece(void *user, uint32_t param, uint64_t first, uint64_t count, const float *values)
{
    (void)param, (void)first;
    fuzz_touch(values, sizeof *values * (size_t)count);
    *(uint64_t *)user += count;
    return PM_OK;
}

static void read_as(const pm_gpt_config *config)
{
    weights w;
    gpt_layout layout;
    uint64_t numbers = 0;
    const pm_gpt_config filled = gpt_config_filled(config);
    REQUIRE(fuzz_done(gpt_layout_make(fuzz_log(), &filled, NULL, UINT64_MAX, &layout)));
    if (fuzz_done(weights_open(fuzz_log(), fuzz_dir(), &filled, &w))) {
        REQUIRE(fuzz_done(gpt_copy(fuzz_log(), &layout, weights_source(&w), count_piece, &numbers)));
        REQUIRE(numbers == pm_gpt_config_parameters(config));
        weights_close(&w);
    }
    gpt_layout_fini(&layout);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_safetensors("model.safetensors", data, size);
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) read_as(&configs[i]);
    return 0;
}
