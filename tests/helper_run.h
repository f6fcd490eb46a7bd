/* A program with runs, for tests: a trainer of 10 steps, or a finetuner of 12, in a folder of each test's own. */
#ifndef HELPER_RUN_H
#define HELPER_RUN_H

#include <pumice/pumice.h>

enum { CTX = 16, STEPS = 10, EVALS = 4 /* steps between */, SAVES = 3, BATCHES = 2, OPTIONS = 2 };

typedef struct test_run_host {
    pm_tokenizer *bytes;
    pm_corpus *corpus, *other;
    pm_taskset *train, *dev, *other_dev;
    pm_task task;

    bool tunes; /* has a finetuner */
    bool own;   /* a device of its own, which may be lost; else `shared` */
    float lr;
    pm_status fails, saved; /* what make and saved answer */
    int waits;              /* how often the waiting for a lost device is cancelled */
    const char *precision;  /* an option; NULL: as the trainer has it */
    pm_run_option options[OPTIONS];
    pm_device *shared, *device;
    pm_run_parts parts;
    int makes, unmakes, saves, resumes, losses;
} test_run_host;
extern test_run_host test_host;

/* pm_run_host's. */
pm_status test_run_make(void *user, bool resume, const pm_caps *lost, pm_run_parts *out);
void test_run_unmake(void *user);

/* cmocka's fixtures of a group, and of each test: it begins with a host that does nothing special, and a folder of its own. */
int test_run_open_all(void **state);
int test_run_close_all(void **state);
int test_run_begin(void **state);
const char *test_run_folder(void);

/* By the host as it is: what it trains, and when it saves. */
pm_run_params test_run_params(const char *dir);
/* Fails the test unless it can be opened. */
pm_run *test_run_open(const pm_run_params *params);
/* The folder of a whole run, which is made once. */
const char *test_run_undisturbed(bool tunes);
/* Fails the test unless the folder has the model and the lines of that run, but for tokens_per_s. */
void test_run_expect_undisturbed(const char *dir, bool tunes);
/* Does the steps that are left, closes the run, and expects the same. */
void test_run_finish(pm_run *run, const char *dir, bool tunes);

#endif
