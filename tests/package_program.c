/* Not a test by itself: check_packages.sh links it with the library in several ways, also beside other meanings of the library's private names. It goes
 * through patterns, Unicode, JSON, files, a device and training, and prints what must be the same in every way: package_program DIR. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pumice/pumice.h>

static void print_line(void *user, pm_log_level level, const char *line)
{
    (void)user;
    (void)level;
    fprintf(stderr, "package_program: %s\n", line);
}

static const pm_log log_lines = {print_line, NULL, PM_LOG_WARN};
static const char text[] =
    "Pumice flo\xC3\xA4ts on water; basalt doesn't, 12 times out of 12. Pumice floats, basalt doesn't. ";

/* A tokenizer learnt, written and read again, and the text there and back. */
static pm_status tokenize(const char *dir)
{
    pm_tokenizer *learnt = NULL, *read = NULL;
    uint32_t *tokens = NULL;
    size_t count = 0, size = 0, at = 0;
    pm_status status = pm_tokenizer_train(&log_lines, "text", text, sizeof text - 1, 270, &learnt);
    if (status == PM_OK) status = pm_tokenizer_save(&log_lines, learnt, dir);
    if (status == PM_OK) status = pm_tokenizer_load(&log_lines, dir, &read);
    if (status == PM_OK) status = pm_tokenizer_encode(&log_lines, read, "text", text, sizeof text - 1, &tokens, &count);
    for (size_t i = 0; i < count && status == PM_OK; i++) {
        const char *piece = pm_tokenizer_piece(read, tokens[i], &size);
        if (at + size > sizeof text - 1 || memcmp(text + at, piece, size) != 0) status = PM_INTERNAL;
        at += size;
    }
    if (status == PM_OK && at != sizeof text - 1) status = PM_INTERNAL;
    if (status == PM_OK)
        printf("%s: %u tokens of %u, hash %016llx\n", pm_tokenizer_kind(read), (unsigned)count,
               (unsigned)pm_tokenizer_vocab(read), (unsigned long long)pm_tokenizer_hash(read));
    free(tokens);
    pm_tokenizer_destroy(&learnt);
    pm_tokenizer_destroy(&read);
    return status;
}

/* Two steps of a model that is written and read in between. */
static pm_status train(const char *dir)
{
    enum { BATCH = 2, TIME = 8 };
    const pm_device_params params = {.log = log_lines};
    const pm_gpt_config config = {.vocab = 256, .ctx = TIME, .embd = 16, .heads = 2, .layers = 1};
    const pm_train_params steps = {.batch = BATCH, .steps = 2, .lr = 1e-2f};
    int32_t tokens[BATCH * TIME], targets[BATCH * TIME];
    pm_device *device = NULL;
    pm_status status = pm_device_open(&params, &device);
    for (int i = 0; i < BATCH * TIME; i++) tokens[i] = (unsigned char)text[i], targets[i] = (unsigned char)text[i + 1];
    for (int i = 0; i < 2 && status == PM_OK; i++) {
        pm_model *model = NULL;
        pm_trainer *trainer = NULL;
        pm_step step;
        status = i ? pm_model_load(device, dir, &model) : pm_model_create(device, &config, 1, &model);
        if (status == PM_OK) status = pm_trainer_create(model, &steps, &trainer);
        if (status == PM_OK) status = pm_trainer_step_tokens(trainer, tokens, targets, &step);
        if (status == PM_OK) printf("loss %a\n", (double)step.loss);
        if (status == PM_OK) status = pm_model_save(model, dir);
        pm_trainer_destroy(&trainer);
        pm_model_destroy(&model);
    }
    pm_device_close(&device);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    pm_status status = tokenize(argv[1]);
    if (status == PM_OK) status = train(argv[1]);
    if (status != PM_OK) fprintf(stderr, "package_program: %s\n", pm_status_text(status));
    return status == PM_OK ? 0 : 1;
}
