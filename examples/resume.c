/* Trains on a text in a folder, and goes on where it was stopped or killed: resume TEXT DIR [STEPS]. Ctrl-C ends it; the next call with this DIR does the
 * steps that are left. A device that is lost is opened again. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <pumice/pumice.h>

static pm_control *control; /* what Ctrl-C cancels */

static void stop(int signal)
{
    (void)signal;
    pm_control_cancel(control);
}

static void print_line(void *user, pm_log_level level, const char *line)
{
    (void)user;
    fprintf(stderr, "%s%s\n", level == PM_LOG_ERROR ? "error: " : "", line);
}

typedef struct program {
    pm_log log;
    uint32_t steps;
    pm_device *device;
    pm_run_parts parts;
} program;

/* What is made on a device. The run calls it at first and after each loss. */
static pm_status make(void *user, bool resume, const pm_caps *lost, pm_run_parts *out)
{
    program *p = user;
    const pm_device_params device = {.log = p->log, .control = control};
    const pm_gpt_config config = {.vocab = 256, .ctx = 32, .embd = 64, .heads = 4, .layers = 2};
    const pm_train_params params = {.batch = 8, .steps = p->steps, .lr = 3e-3f, .clip = 1.0f};
    (void)resume; /* the weights come from the checkpoint then */
    pm_status status = pm_device_open_again(&device, lost, &p->device);
    if (status == PM_OK) status = pm_model_create(p->device, &config, 1, &p->parts.model);
    if (status == PM_OK) status = pm_trainer_create(p->parts.model, &params, &p->parts.trainer);
    *out = p->parts;
    return status;
}

static void unmake(void *user)
{
    program *p = user;
    pm_trainer_destroy(&p->parts.trainer);
    pm_model_destroy(&p->parts.model);
    pm_device_close(&p->device);
}

static pm_status train(program *p, const pm_tokenizer *bytes, const pm_corpus *text, const char *folder)
{
    const size_t size = pm_corpus_size(text);
    const pm_run_params params = {.log = p->log,
                                  .dir = folder,
                                  .resume = true,
                                  .host = {.make = make, .unmake = unmake, .user = p},
                                  .tokenizer = bytes,
                                  .corpus = text,
                                  .train_tokens = size - size / 10, /* the last tenth validates */
                                  .steps = p->steps,
                                  .eval_every = 50,
                                  .save_every = 50,
                                  .control = control};
    pm_run *run = NULL;
    pm_run_info info;
    pm_run_result r;
    pm_status status = pm_run_open(&params, &run);
    while (status == PM_OK && pm_run_more(run)) {
        status = pm_run_step(run, &r);
        if (status == PM_OK && r.evaluated)
            printf("step %u: loss %.3f, validation %.3f\n", (unsigned)r.step, r.loss, r.val_loss);
    }
    if (status == PM_CANCELLED && run) status = pm_run_save(run);
    if (status == PM_OK) {
        pm_run_get_info(run, &info);
        printf("%u of %u steps are saved, %u of them before this call\n", (unsigned)info.saved, (unsigned)info.steps,
               (unsigned)info.first);
    }
    pm_run_close(&run);
    return status;
}

int main(int argc, char **argv)
{
    const long steps = argc > 3 ? strtol(argv[3], NULL, 10) : 300;
    if (argc < 3 || argc > 4 || steps < 1 || steps > 1000000) {
        fprintf(stderr, "usage: resume TEXT DIR [STEPS]; STEPS is 1 to 1000000\n");
        return 2;
    }
    program p = {.log = {print_line, NULL, PM_LOG_WARN}, .steps = (uint32_t)steps};
    pm_tokenizer *bytes = NULL;
    pm_corpus *text = NULL;
    pm_status status = pm_control_create(&control);
    if (status == PM_OK) signal(SIGINT, stop);
    if (status == PM_OK) status = pm_tokenizer_bytes(&p.log, &bytes);
    if (status == PM_OK) status = pm_corpus_open(&p.log, argv[1], bytes, &text);
    if (status == PM_OK) status = train(&p, bytes, text, argv[2]);
    pm_corpus_close(&text);
    pm_tokenizer_destroy(&bytes);
    return status == PM_OK ? 0 : 1;
}
