/* A model's config.json. An accepted file, written and read again, is the same. */
#include <stdlib.h>
#include <string.h>

#include "helper_fuzz.h"
#include "model/gpt.h"

/* Reads the present config.json; its text as Pumice writes it, or NULL. */
static char *read_config(void)
{
    pm_gpt_config config;
    pm_task task;
    if (!fuzz_done(gpt_config_load(fuzz_log(), fuzz_dir(), &config, &task))) return NULL;
    REQUIRE(fuzz_done(pm_gpt_config_check(fuzz_log(), &config)) && pm_gpt_config_parameters(&config) > 0);
    char *text = gpt_config_text(&config, config.outputs ? &task : NULL);
    pm_task_fini(&task);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_file("config.json", data, size);
    char *text = read_config();
    if (!text) return 0;
    fuzz_file("config.json", text, strlen(text));
    char *again = read_config();
    REQUIRE(again && strcmp(text, again) == 0);
    free(text);
    free(again);
    return 0;
}
