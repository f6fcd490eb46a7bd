/* Trains on a thread of its own and stops it at random moments: cancel TEXT DIR [STEPS [CANCELS]]. After each the run is saved to DIR, closed, and taken
 * up again from there. In the end the weights are those of a run that nothing disturbed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pumice/pumice.h>

#ifdef _WIN32
#include <windows.h>
static void sleep_ms(double ms)
{
    Sleep((DWORD)ms);
}
#else
static void sleep_ms(double ms)
{
    const struct timespec t = {(time_t)(ms / 1e3), (long)(1e6 * fmod(ms, 1e3))};
    nanosleep(&t, NULL);
}
#endif

static double now_ms(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void print_line(void *user, pm_log_level level, const char *line)
{
    (void)user;
    fprintf(stderr, "%s%s\n", level == PM_LOG_ERROR ? "error: " : "", line);
}

typedef struct run {
    pm_device *device;
    const pm_corpus *text;
    uint32_t steps;
    pm_model *model;
    pm_trainer *trainer;
    int begun; /* a step has begun, and is to end */
} run;

static pm_status open_run(run *r, const char *folder)
{
    const pm_gpt_config config = {.vocab = 256, .ctx = 64, .embd = 128, .heads = 4, .layers = 4};
    const pm_train_params params = {.batch = 8, .steps = r->steps, .lr = 3e-3f, .clip = 1.0f};
    pm_status status = pm_model_create(r->device, &config, 1, &r->model);
    if (status == PM_OK) status = pm_trainer_create(r->model, &params, &r->trainer);
    if (status == PM_OK && folder) status = pm_trainer_load(r->trainer, folder, NULL);
    return status;
}

static void close_run(run *r)
{
    pm_trainer_destroy(&r->trainer);
    pm_model_destroy(&r->model);
    r->begun = 0;
}

/* A piece of the work, on the worker's thread. It never waits for the device, so that other jobs could have their turn. */
static pm_status train_piece(pm_control *control, void *user)
{
    run *r = user;
    pm_step step;
    pm_status status;
    if (!r->begun) {
        status = pm_trainer_begin(r->trainer, r->text, 0, pm_corpus_size(r->text));
        r->begun = status == PM_OK;
        return status == PM_OK ? PM_AGAIN : status;
    }
    if (!pm_trainer_done(r->trainer)) return PM_WAITING;
    r->begun = 0;
    status = pm_trainer_end(r->trainer, &step);
    if (status != PM_OK) return status; /* PM_CANCELLED, too: the step did not take place */
    pm_control_report(control, "train", step.step, r->steps);
    return step.step < r->steps ? PM_AGAIN : PM_OK;
}

/* Trains to the end; or cancels after `ms`, and sets how long that took. */
static pm_status train(run *r, double ms, double *wait_ms)
{
    const pm_job_params params = {.device = r->device, .work = train_piece, .user = r};
    pm_worker *worker = NULL;
    pm_job *job = NULL;
    pm_status status = pm_worker_create(NULL, &worker);
    if (status == PM_OK) status = pm_job_start(worker, &params, &job);
    if (status == PM_OK && wait_ms) {
        sleep_ms(ms);
        const double start = now_ms();
        pm_control_cancel(pm_job_control(job));
        status = pm_job_wait(job);
        *wait_ms = now_ms() - start;
    } else if (status == PM_OK) {
        status = pm_job_wait(job);
    }
    pm_job_release(&job);
    pm_worker_destroy(&worker);
    return status;
}

/* All weights; the caller frees them. */
static float *weights_of(const pm_model *model, size_t *count)
{
    float *all = malloc(sizeof *all * pm_gpt_config_parameters(pm_model_config(model)));
    *count = 0;
    for (size_t p = 0; all && p < pm_model_param_count(model); p++) {
        const pm_param param = pm_model_param(model, p);
        if (pm_model_read(model, p, all + *count) != PM_OK) return NULL;
        *count += (size_t)param.rows * param.cols;
    }
    return all;
}

/* Cancels and takes up again, and trains to the end then. */
static pm_status disturbed(run *r, const char *folder, unsigned cancels, double step_ms)
{
    double longest = 0;
    unsigned cancelled = 0;
    pm_status status = open_run(r, NULL);
    while (status == PM_OK && cancelled < cancels && pm_trainer_steps_done(r->trainer) + 2 < r->steps) {
        double wait_ms;
        status = train(r, step_ms * 3 * rand() / RAND_MAX, &wait_ms);
        if (status != PM_CANCELLED) break;
        cancelled++;
        if (wait_ms > longest) longest = wait_ms;
        status = pm_trainer_save(r->trainer, folder, NULL);
        close_run(r);
        if (status == PM_OK) status = open_run(r, folder);
    }
    if (status == PM_OK && pm_trainer_steps_done(r->trainer) < r->steps) status = train(r, 0, NULL);
    printf("%u cancels, the longest wait %.1f ms; a step takes %.1f ms\n", cancelled, longest, step_ms);
    return status;
}

static int compare(pm_device *device, const pm_corpus *text, const char *folder, uint32_t steps, unsigned cancels)
{
    run r = {.device = device, .text = text, .steps = steps};
    size_t counts[2] = {0, 0};
    float *weights[2] = {NULL, NULL};
    pm_status status = open_run(&r, NULL);
    if (status == PM_OK) status = train(&r, 0, NULL); /* it compiles the kernels */
    if (status == PM_OK) weights[0] = weights_of(r.model, &counts[0]);
    close_run(&r);
    const double start = now_ms();
    if (status == PM_OK) status = open_run(&r, NULL);
    if (status == PM_OK) status = train(&r, 0, NULL);
    close_run(&r);
    if (status == PM_OK) status = disturbed(&r, folder, cancels, (now_ms() - start) / steps);
    if (status == PM_OK) weights[1] = weights_of(r.model, &counts[1]);
    close_run(&r);
    const int same = weights[0] && weights[1] && counts[0] == counts[1] &&
                     memcmp(weights[0], weights[1], counts[0] * sizeof(float)) == 0;
    if (status == PM_OK) printf("the weights are %s\n", same ? "those of an undisturbed run" : "others");
    free(weights[0]);
    free(weights[1]);
    return same ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 5) {
        fprintf(stderr, "usage: cancel TEXT DIR [STEPS [CANCELS]]\n");
        return 2;
    }
    const long steps = argc > 3 ? strtol(argv[3], NULL, 10) : 30, cancels = argc > 4 ? strtol(argv[4], NULL, 10) : 5;
    if (steps < 1 || steps > 1000000 || cancels < 0 || cancels > 1000000) {
        fprintf(stderr, "STEPS is 1 to 1000000, and CANCELS 0 to 1000000\n");
        return 2;
    }
    const pm_log log = {print_line, NULL, PM_LOG_WARN};
    const pm_device_params params = {.log = log, .submit_ms = 20};
    pm_device *device = NULL;
    pm_tokenizer *bytes = NULL;
    pm_corpus *text = NULL;
    int code = 1;
    pm_status status = pm_tokenizer_bytes(&log, &bytes);
    if (status == PM_OK) status = pm_corpus_open(&log, argv[1], bytes, &text);
    if (status == PM_OK) status = pm_device_open(&params, &device);
    if (status == PM_OK) code = compare(device, text, argv[2], (uint32_t)steps, (unsigned)cancels);
    pm_device_close(&device);
    pm_corpus_close(&text);
    pm_tokenizer_destroy(&bytes);
    return code;
}
