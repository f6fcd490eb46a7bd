/* Trains a small model on the bytes of a text: train TEXT DIR [STEPS]. `generate` and `pumice generate` read the folder that it writes. */
#include <stdio.h>
#include <stdlib.h>

#include <pumice/pumice.h>

static void print_line(void *user, pm_log_level level, const char *line)
{
    (void)user;
    fprintf(stderr, "%s%s\n", level == PM_LOG_ERROR ? "error: " : "", line);
}

static pm_status train(pm_device *device, const pm_corpus *text, uint32_t steps, const char *folder)
{
    const pm_gpt_config config = {.vocab = 256, .ctx = 32, .embd = 64, .heads = 4, .layers = 2};
    const pm_train_params params = {.batch = 8, .steps = steps, .lr = 3e-3f, .clip = 1.0f};
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    pm_step step = {0};
    pm_status status = pm_model_create(device, &config, 1, &model);
    if (status == PM_OK) status = pm_trainer_create(model, &params, &trainer);
    for (uint32_t i = 0; i < steps && status == PM_OK; i++) {
        status = pm_trainer_step(trainer, text, 0, pm_corpus_size(text), &step);
        if (status == PM_OK && (step.step == 1 || step.step % 100 == 0 || step.step == steps))
            printf("step %u: loss %.3f\n", (unsigned)step.step, step.loss);
    }
    if (status == PM_OK) status = pm_model_save(model, folder);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: train TEXT DIR [STEPS]\n");
        return 2;
    }
    const long given = argc == 4 ? strtol(argv[3], NULL, 10) : 300;
    if (given < 1 || given > 1000000) {
        fprintf(stderr, "%s: not a number of steps; give 1 to 1000000\n", argv[3]);
        return 2;
    }
    const pm_log log = {print_line, NULL, PM_LOG_WARN};
    const pm_device_params params = {.log = log};
    pm_device *device = NULL;
    pm_tokenizer *bytes = NULL;
    pm_corpus *text = NULL;
    pm_status status = pm_tokenizer_bytes(&log, &bytes);
    if (status == PM_OK) status = pm_corpus_open(&log, argv[1], bytes, &text);
    if (status == PM_OK) status = pm_device_open(&params, &device);
    if (status == PM_OK) printf("on %s\n", pm_device_caps(device)->name);
    if (status == PM_OK) status = train(device, text, (uint32_t)given, argv[2]);
    if (status == PM_OK) status = pm_tokenizer_save(&log, bytes, argv[2]);
    pm_device_close(&device);
    pm_corpus_close(&text);
    pm_tokenizer_destroy(&bytes);
    return status == PM_OK ? 0 : 1;
}
