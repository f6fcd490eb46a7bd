/* The examination. A check that fails is repeated with each of its kernels switched off in turn, so that the one at fault is found by what its
 * replacement gives; then with features switched off, for which the device is opened again. */
#include <pumice/doctor.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "check/doctor.h"
#include "check/memory_check.h"
#include "check/optest.h"
#include "check/train_check.h"

/* In the order in which they are done without: what costs least first. */
static const char *const features[] = {"coopmat", "fused", "int64", "subgroup", "serial", "f16", "bda"};

typedef struct doctor {
    const pm_device_params *params;
    const doctor_options *options;
    pm_device *device;
    pm_doctor_fn *tell;
    void *user;
    pm_doctor_report *report;
    bool kernels[KERNEL_COUNT]; /* that ran */
    char off[256];              /* "bda,int64", features that were switched off */
    bool had;                   /* something was off before */
    bool has;                   /* and is now */
} doctor;

static void say(const doctor *d, const char *what)
{
    if (d->tell) d->tell(d->user, what);
}

/* The device, without the features that were found wrong. An old verdict is forgotten: kernels and features are tried again. */
static pm_status open_device(doctor *d, const char *without)
{
    char disable[512];
    const char *own = d->params->disable ? d->params->disable : "";
    snprintf(disable, sizeof disable, "%s%s%s%s%s", own, *own && (*d->off || *without) ? "," : "", d->off,
             *d->off && *without ? "," : "", without);
    pm_device_params params = *d->params;
    params.disable = disable;
    pm_device_close(&d->device);
    const pm_status status = gpu_device_open(&params, true, &d->device);
    if (status == PM_OK) d->had |= gpu_faults_forget(d->device);
    if (status == PM_OK && d->options->opened) d->options->opened(d->device);
    return status;
}

/* The kernels that are off, put back after the device was opened again. */
static pm_status reopen(doctor *d, const char *without)
{
    uint64_t off[sizeof d->report->caps.kernels_off / sizeof(uint64_t)];
    memcpy(off, pm_device_caps(d->device)->kernels_off, sizeof off);
    pm_status status = open_device(d, without);
    for (int k = 0; k < KERNEL_COUNT && status == PM_OK; k++)
        if (off[k / 64] >> k % 64 & 1) status = gpu_kernel_switch(d->device, (kernel_id)k, false);
    return status;
}

static pm_doctor_finding *add_finding(doctor *d, const char *wrong)
{
    static pm_doctor_finding rest;
    const uint32_t n = d->report->finding_count++;
    pm_doctor_finding *f = n < PM_DOCTOR_FINDINGS ? &d->report->findings[n] : &rest;
    snprintf(f->wrong, sizeof f->wrong, "%s", wrong);
    f->off[0] = 0;
    return f;
}

static bool applies(const pm_caps *caps, const optest_row *row)
{
    return (!row->half && row->call.op != OP_CAST) || caps->storage16;
}

/* Whether one of the row's kernels is at fault: then it stays off. */
static pm_status try_kernels(doctor *d, const optest_row *row, const optest_result *failed, pm_doctor_finding *f)
{
    for (uint32_t k = 0; k < failed->kernel_count; k++) {
        optest_result again;
        pm_status status = gpu_kernel_switch(d->device, failed->kernels[k], false);
        if (status != PM_OK) return status;
        if (optest_run(d->device, row, &again)) {
            snprintf(f->off, sizeof f->off, "kernel %s", gpu_kernel_name(gpu_kernel_row(failed->kernels[k])));
            return PM_OK;
        }
        status = gpu_kernel_switch(d->device, failed->kernels[k], true);
        if (status != PM_OK) return status;
    }
    return PM_OK;
}

/* Or whether it comes right without a feature, which then stays off; where fp16 is wrong for want of any other kernel, it is fp16. */
static pm_status try_features(doctor *d, const optest_row *row, pm_doctor_finding *f)
{
    const char *found = NULL;
    pm_status status = PM_OK;
    for (size_t i = 0; i < sizeof features / sizeof *features && !found && status == PM_OK; i++) {
        optest_result again;
        status = reopen(d, features[i]);
        if (status == PM_OK && optest_run(d->device, row, &again)) found = features[i];
    }
    if (!found && row->half) found = "storage16";
    if (found) {
        snprintf(f->off, sizeof f->off, "feature %s", found);
        snprintf(d->off + strlen(d->off), sizeof d->off - strlen(d->off), "%s%s", *d->off ? "," : "", found);
    }
    return status == PM_OK ? reopen(d, "") : status;
}

static pm_status check_row(doctor *d, const optest_row *row)
{
    optest_result result;
    if (!applies(pm_device_caps(d->device), row)) return PM_OK;
    const bool right = optest_run(d->device, row, &result);
    for (uint32_t k = 0; k < result.kernel_count; k++) {
        d->report->kernels += !d->kernels[result.kernels[k]];
        d->kernels[result.kernels[k]] = true;
    }
    d->report->checks += !result.no_memory;
    d->report->skipped += result.no_memory;
    if (right || result.no_memory) return PM_OK;
    pm_status status = gpu_wait(d->device); /* a lost device computes nothing */
    if (status != PM_OK) return status;
    pm_doctor_finding *f = add_finding(d, result.wrong);
    status = try_kernels(d, row, &result, f);
    if (status == PM_OK && !f->off[0]) status = try_features(d, row, f);
    d->has = d->has || f->off[0];
    d->report->fit = d->report->fit && f->off[0];
    return status;
}

/* Of an operation's rows the first ones, which are of one size each, those for one way of a product, and then some: all would take a software
 * driver minutes. */
static bool chosen(const optest_row *row, uint32_t number)
{
    enum { FIRST = 12, EACH = 5 };
    return optest_some_head(&row->call) && (row->half || row->way || number < FIRST || number % EACH == 0);
}

static pm_status check_operation(doctor *d, op_id op)
{
    static const optest_set sets[] = {USUAL, HALVES};
    pm_status status = PM_OK;
    say(d, op_name(op));
    d->report->operations++;
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        size_t count;
        uint32_t number = 0;
        const optest_row *rows = optest_rows(sets[s], &count);
        for (size_t i = 0; i < count && status == PM_OK; i++)
            if (rows[i].call.op == op && chosen(&rows[i], number++)) status = check_row(d, &rows[i]);
    }
    return status;
}

static pm_status check_memory(doctor *d)
{
    char wrong[160];
    say(d, "memory");
    const pm_status status = memory_check(d->device, &d->report->copies, wrong, sizeof wrong);
    if (status == PM_OK && wrong[0]) {
        add_finding(d, wrong);
        d->report->fit = false;
    }
    return status;
}

static pm_status check_training(doctor *d)
{
    char wrong[160];
    bool right;
    say(d, "training");
    const pm_status status = train_check(d->device, d->report, &right);
    if (status == PM_OK && !right) {
        snprintf(wrong, sizeof wrong, "training: losses are off by up to %.2g, weights by %.2g", d->report->loss_error,
                 d->report->weight_error);
        add_finding(d, wrong);
        d->report->fit = false;
    }
    return status;
}

/* Kernels that are off stand in the device already; features go beside them. */
static pm_status keep(doctor *d)
{
    pm_status status = PM_OK;
    char names[sizeof d->off];
    snprintf(names, sizeof names, "%s", d->off);
    for (char *name = names, *end; *name && status == PM_OK; name = end) {
        end = name + strcspn(name, ",");
        if (*end) *end++ = 0;
        status = gpu_feature_switch(d->device, name, false);
    }
    if (status != PM_OK || !(d->had || d->has) || !gpu_tuning_kept(d->device)) return status;
    status = gpu_tuning_save(d->device);
    d->report->saved = status == PM_OK;
    return status;
}

pm_status doctor_run(const pm_device_params *params, const doctor_options *options, pm_doctor_fn *tell, void *user,
                     pm_doctor_report *out)
{
    doctor *d = calloc(1, sizeof *d);
    if (!d) return log_fail(&params->log, PM_NO_HOST_MEMORY, "doctor: no memory");
    const double start = clock_seconds();
    *out = (pm_doctor_report){.fit = true};
    *d = (doctor){.params = params, .options = options, .tell = tell, .user = user, .report = out};
    pm_status status = open_device(d, "");
    if (status == PM_OK && !options->one) status = check_memory(d);
    for (int op = 0; op < OP_COUNT && status == PM_OK; op++)
        if (!options->one || options->op == (op_id)op) status = check_operation(d, (op_id)op);
    if (status == PM_OK && !options->one) status = check_training(d);
    if (status == PM_OK) status = keep(d);
    if (d->device) out->caps = *pm_device_caps(d->device);
    out->seconds = clock_seconds() - start;
    pm_device_close(&d->device);
    free(d);
    return status;
}

pm_status pm_doctor_run(const pm_device_params *params, pm_doctor_fn *tell, void *user, pm_doctor_report *out)
{
    const doctor_options whole = {0};
    return doctor_run(params, &whole, tell, user, out);
}
