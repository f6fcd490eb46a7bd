/* Writes a model folder of a real size with random weights and the byte tokenizer, for tools/real-sizes.sh.
 * usage: make_model NAME DIR; without arguments it prints the names. */
#include <stdio.h>
#include <string.h>

#include <pumice/pumice.h>

static void print_line(void *user, pm_log_level level, const char *line)
{
    (void)user;
    (void)level;
    fprintf(stderr, "make_model: %s\n", line);
}

/* Sizes as released. GPT-1: Radford et al., 2018; GPT-2: 2019; the others: config.json of the model of that name on huggingface.co. */
static const struct size {
    const char *name;
    pm_gpt_config config;
} sizes[] = {
    {"gpt1", {.arch = PM_ARCH_GPT1, .vocab = 40478, .ctx = 512, .embd = 768, .heads = 12, .layers = 12}},
    {"gpt2", {.arch = PM_ARCH_GPT2, .vocab = 50257, .ctx = 1024, .embd = 768, .heads = 12, .layers = 12}},
    {"smollm2-135m",
     {.arch = PM_ARCH_LLAMA,
      .vocab = 49152,
      .ctx = 8192,
      .embd = 576,
      .heads = 9,
      .kv_heads = 3,
      .layers = 30,
      .inner = 1536,
      .rotary.theta = 100000}},
    {"qwen3-0.6b",
     {.arch = PM_ARCH_QWEN3,
      .vocab = 151936,
      .ctx = 40960,
      .embd = 1024,
      .heads = 16,
      .kv_heads = 8,
      .head = 128,
      .layers = 28,
      .inner = 3072}},
    {"llama-3.2-1b",
     {.arch = PM_ARCH_LLAMA,
      .vocab = 128256,
      .ctx = 131072,
      .embd = 2048,
      .heads = 32,
      .kv_heads = 8,
      .layers = 16,
      .inner = 8192,
      .rotary = {.theta = 500000, .scaling = PM_ROTARY_LLAMA3, .factor = 32, .low = 1, .high = 4, .original = 8192}}},
    {"qwen3-1.7b",
     {.arch = PM_ARCH_QWEN3,
      .vocab = 151936,
      .ctx = 40960,
      .embd = 2048,
      .heads = 16,
      .kv_heads = 8,
      .head = 128,
      .layers = 28,
      .inner = 6144}},
};
enum { SIZES = sizeof sizes / sizeof *sizes };

int main(int argc, char **argv)
{
    const pm_log log = {print_line, NULL, PM_LOG_WARN};
    const pm_device_params params = {.log = log};
    const struct size *wanted = NULL;
    for (int i = 0; i < SIZES; i++) {
        if (argc == 1) puts(sizes[i].name);
        if (argc == 3 && strcmp(argv[1], sizes[i].name) == 0) wanted = &sizes[i];
    }
    if (argc == 1) return 0;
    if (!wanted) {
        fprintf(stderr, "usage: make_model NAME DIR\n");
        return 2;
    }
    pm_device *device = NULL;
    pm_model *model = NULL;
    pm_tokenizer *bytes = NULL;
    pm_status status = pm_device_open(&params, &device);
    if (status == PM_OK) status = pm_model_create(device, &wanted->config, 1, &model);
    if (status == PM_OK) status = pm_model_save(model, argv[2]);
    if (status == PM_OK) status = pm_tokenizer_bytes(&log, &bytes);
    if (status == PM_OK) status = pm_tokenizer_save(&log, bytes, argv[2]);
    pm_tokenizer_destroy(&bytes);
    pm_model_destroy(&model);
    pm_device_close(&device);
    return status == PM_OK ? 0 : 1;
}
