/* Writes a model folder of a real size with random weights and the byte tokenizer, for tools/real-sizes.sh.
 * usage: make_model gpt1|gpt2 DIR */
#include <stdio.h>
#include <string.h>

#include <pumice/pumice.h>

static void print_line(void *user, pm_log_level level, const char *line)
{
    (void)user;
    (void)level;
    fprintf(stderr, "make_model: %s\n", line);
}

int main(int argc, char **argv)
{
    /* The released sizes: GPT-1 116,534,784 parameters (Radford et al., 2018), GPT-2's smallest 124,439,808 (2019). */
    const pm_gpt_config gpt1 = {
        .arch = PM_ARCH_GPT1, .vocab = 40478, .ctx = 512, .embd = 768, .heads = 12, .layers = 12};
    const pm_gpt_config gpt2 = {
        .arch = PM_ARCH_GPT2, .vocab = 50257, .ctx = 1024, .embd = 768, .heads = 12, .layers = 12};
    const pm_log log = {print_line, NULL, PM_LOG_WARN};
    const pm_device_params params = {.log = log};
    if (argc != 3 || (strcmp(argv[1], "gpt1") != 0 && strcmp(argv[1], "gpt2") != 0)) {
        fprintf(stderr, "usage: make_model gpt1|gpt2 DIR\n");
        return 2;
    }
    pm_device *device = NULL;
    pm_model *model = NULL;
    pm_tokenizer *bytes = NULL;
    pm_status status = pm_device_open(&params, &device);
    if (status == PM_OK) status = pm_model_create(device, strcmp(argv[1], "gpt1") == 0 ? &gpt1 : &gpt2, 1, &model);
    if (status == PM_OK) status = pm_model_save(model, argv[2]);
    if (status == PM_OK) status = pm_tokenizer_bytes(&log, &bytes);
    if (status == PM_OK) status = pm_tokenizer_save(&log, bytes, argv[2]);
    pm_tokenizer_destroy(&bytes);
    pm_model_destroy(&model);
    pm_device_close(&device);
    return status == PM_OK ? 0 : 1;
}
