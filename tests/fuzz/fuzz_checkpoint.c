/* A checkpoint's metadata: the facts that must agree, the step, the loss scale, the note. The model has no parameters, so no device is needed. */
#include <stdlib.h>
#include <string.h>

#include "helper_fuzz.h"
#include "gpu/gpu_internal.h"
#include "train/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pm_device *device = calloc(1, sizeof *device);
    REQUIRE(device);
    device->log = *fuzz_log();
    pm_model model = {.device = device};
    adamw a = {.model = &model, .scale = {.scale = 1}};
    facts same = {.count = 0};
    uint32_t step = 0;
    char *note = NULL;
    fact_text(&same, "arch", "gpt2", "gpt2");
    fact_number(&same, "layers", 2, NULL);
    fact_float(&same, "lr", 1e-3f)->kind = FACT_FREE;
    fuzz_safetensors("checkpoint.safetensors", data, size);
    if (fuzz_done(checkpoint_load(&a, &same, fuzz_dir(), &step, &note))) {
        REQUIRE(a.scale.scale > 0 && a.scale.skipped <= step);
        fuzz_touch(note, strlen(note));
        REQUIRE(fuzz_done(checkpoint_save(&a, &same, step, fuzz_dir(), note)));
        const loss_scale scale = a.scale;
        const uint32_t steps = step;
        free(note);
        REQUIRE(fuzz_done(checkpoint_load(&a, &same, fuzz_dir(), &step, &note)));
        REQUIRE(step == steps && a.scale.scale == scale.scale && a.scale.good == scale.good);
        free(note);
    }
    free(device);
    return 0;
}
