/* The window of steps, the files, the table. */
#include "profile.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "os/file.h"

enum { TABLE_LINES = 24 };

/* ---- the folder ---- */

bool profile_prepare(const app_common *common)
{
    const char *dir = common->profile;
    if (!dir) return true;
    if (!folder_for_profile(dir)) return false;
    char *path = app_join(dir, "trace.json.tmp");
    if (!path) return false;
    const int file = os_open(path, OS_WRITE);
    const int reason = errno;
    if (file >= 0) {
        os_close(file);
        (void)os_remove(path);
    } else {
        app_error("--profile %s: cannot be written: %s", dir, strerror(reason));
    }
    free(path);
    return file >= 0;
}

/* ---- the window ---- */

pm_status profile_open(app_profile *p, const app_common *common, pm_device *device, uint32_t skip)
{
    const pm_caps *caps = pm_device_caps(device);
    *p = (app_profile){.dir = common->profile, .most = common->profile_steps, .skip = skip};
    if (!p->dir) return PM_OK;
    p->profile = pm_device_profile(device);
    p->device = caps->name;
    p->driver = caps->driver;
    if (!caps->timestamps)
        app_say("--profile: %s has no time stamps, so that only what the host does can be timed", caps->name);
    const pm_status status = pm_peaks_measure(device, &p->peaks);
    if (status == PM_OK || status == PM_DEVICE_LOST) return status;
    app_say("--profile: the device's peaks are left out");
    return PM_OK;
}

static bool write_files(app_profile *p)
{
    size_t count = 0;
    char title[200];
    if (pm_profile_write(p->profile, p->dir, &p->peaks) != PM_OK) return false;
    profile_line *lines = profile_lines(p->profile, &count);
    char *path = lines ? app_join(p->dir, "roofline.png") : NULL;
    snprintf(title, sizeof title, "%.90s", p->device);
    const bool good = path && roofline_draw(path, title, lines, count, &p->peaks);
    free(path);
    free(lines);
    return good;
}

static void stop(app_profile *p)
{
    if (p->stopped) return;
    p->stopped = true;
    pm_profile_stop(p->profile);
    p->failed = !write_files(p);
}

void profile_step(app_profile *p)
{
    if (!p->dir || p->stopped) return;
    if (p->begun == p->skip) pm_profile_start(p->profile);
    if (p->most && p->begun == p->skip + p->most)
        stop(p);
    else
        p->begun++;
}

/* ---- rows ---- */

static bool alike(const pm_profile_row *a, const pm_profile_row *b)
{
    return a->direction == b->direction && memcmp(a->shape, b->shape, sizeof a->shape) == 0 &&
           strcmp(a->op, b->op) == 0 && strcmp(a->kernel, b->kernel) == 0;
}

static void add(profile_line *line, const pm_profile *profile, const pm_profile_row *row)
{
    pm_profile_row *sum = &line->sum;
    if (sum->count == 0) {
        *line = (profile_line){.sum = *row, .registers = -1, .spills = -1};
    } else {
        sum->count += row->count;
        sum->total_ms += row->total_ms;
        sum->min_ms = fmin(sum->min_ms, row->min_ms);
        sum->max_ms = fmax(sum->max_ms, row->max_ms);
        sum->flops += row->flops;
        sum->bytes += row->bytes;
    }
    if (row->variant == PM_PROFILE_NO_KERNEL) return;
    const pm_profile_kernel kernel = pm_profile_kernel_at(profile, row->variant);
    line->registers = fmax(line->registers, kernel.registers);
    line->spills = fmax(line->spills, kernel.spills);
}

static int by_time(const void *pa, const void *pb)
{
    const profile_line *a = pa, *b = pb;
    if (a->sum.total_ms != b->sum.total_ms) return a->sum.total_ms > b->sum.total_ms ? -1 : 1;
    return strcmp(a->sum.op, b->sum.op);
}

profile_line *profile_lines(const pm_profile *profile, size_t *count)
{
    const size_t rows = pm_profile_row_count(profile);
    profile_line *lines = calloc(rows + 1, sizeof *lines);
    size_t n = 0;
    double total = 0;
    if (!lines) {
        app_error("out of host memory for the profile");
        return NULL;
    }
    for (size_t i = 0; i < rows; i++) {
        const pm_profile_row *row = pm_profile_row_at(profile, i);
        if (row->track != PM_PROFILE_COMMANDS || row->count == 0) continue;
        size_t at = 0;
        while (at < n && !alike(&lines[at].sum, row)) at++;
        add(&lines[at], profile, row);
        n += at == n;
        total += row->total_ms;
    }
    for (size_t i = 0; i < n; i++) lines[i].share = total > 0 ? lines[i].sum.total_ms / total : 0;
    qsort(lines, n, sizeof *lines, by_time);
    *count = n;
    return lines;
}

/* ---- the table ---- */

const char *profile_shape(const pm_profile_row *row, char text[40])
{
    text[0] = 0;
    for (int i = 0, used = 0; i < 3 && row->shape[i]; i++)
        used += snprintf(text + used, 40 - (size_t)used, "%s%u", i ? "x" : "", (unsigned)row->shape[i]);
    return text;
}

const char *profile_number(double value, char text[32])
{
    if (!isfinite(value))
        snprintf(text, 32, "-");
    else if (value < 0.0995)
        snprintf(text, 32, "%.2g", value);
    else
        snprintf(text, 32, "%.*f", value >= 99.95 ? 0 : value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3, value);
    return text;
}

static const char *count_text(double value, char text[32])
{
    if (value < 0)
        snprintf(text, 32, "-");
    else
        snprintf(text, 32, "%.0f", value);
    return text;
}

static void say_line(const profile_line *line, const pm_peaks *peaks, bool compiled)
{
    const pm_profile_row *sum = &line->sum;
    const double seconds = 1e-3 * sum->total_ms;
    char a[32], b[32], c[32], d[32], e[32], shape[40], what[40], more[80] = "";
    snprintf(what, sizeof what, "%.22s%s%s", sum->op[0] ? sum->op : sum->kernel,
             sum->direction != PM_DIRECTION_NONE ? " " : "", pm_direction_name(sum->direction));
    if (compiled) {
        char registers[32], spills[32];
        snprintf(more, sizeof more, " %5s %6s", count_text(line->registers, registers),
                 count_text(line->spills, spills));
    }
    app_say("%10s %5.1f %7llu %9s %8s %7s %6s%s  %-30s %-17s %s", profile_number(sum->total_ms, a), 100 * line->share,
            (unsigned long long)sum->count, profile_number(1e3 * sum->total_ms / (double)sum->count, b),
            profile_number(1e-9 * sum->flops / seconds, c), profile_number(1e-9 * sum->bytes / seconds, d),
            profile_number(100 * pm_profile_roof_share(sum, peaks), e), more, what, profile_shape(sum, shape),
            sum->kernel);
}

static void say_head(const app_profile *p, const pm_profile_info *info)
{
    char a[32], b[32], device[120] = "no device times";
    if (info->clock != PM_PROFILE_CLOCK_NONE && info->seconds > 0)
        snprintf(device, sizeof device, "the device busy for %.1f %% of them; %s",
                 100 * info->device_seconds / info->seconds,
                 info->clock == PM_PROFILE_CLOCK_CALIBRATED ? "device and host on one clock"
                                                            : "device times placed between submission and wait");
    const unsigned steps = p->begun - p->skip;
    app_say("profile of %u step%s: %.3f s, %s", steps, steps == 1 ? "" : "s", info->seconds, device);
    char units[80] = "";
    if (p->peaks.matrix_flops_per_s > 0)
        snprintf(units, sizeof units, " (%s on matrix units)", profile_number(1e-9 * p->peaks.matrix_flops_per_s, a));
    if (p->peaks.fma_flops_per_s > 0 && p->peaks.copy_bytes_per_s > 0)
        app_say("%s reaches %s GFLOP/s%s and %s GB/s at best, measured before the run", p->device,
                profile_number(1e-9 * p->peaks.fma_flops_per_s, a), units,
                profile_number(1e-9 * p->peaks.copy_bytes_per_s, b));
    if (info->dropped)
        app_say("the time line in trace.json is full: it lacks %llu events, which the table has",
                (unsigned long long)info->dropped);
}

static void say_table(const app_profile *p)
{
    pm_profile_info info;
    size_t count = 0;
    pm_profile_get_info(p->profile, &info);
    profile_line *lines = profile_lines(p->profile, &count);
    if (!lines) return;
    say_head(p, &info);
    bool compiled = false;
    for (size_t i = 0; i < count; i++) compiled = compiled || lines[i].registers >= 0 || lines[i].spills >= 0;
    if (count > 0)
        app_say("%10s %5s %7s %9s %8s %7s %6s%s  %-30s %-17s %s", "ms", "%", "calls", "mean us", "GFLOP/s", "GB/s",
                "roof %", compiled ? "  regs spills" : "", "operation", "shape", "kernel");
    const size_t shown = count <= TABLE_LINES + 1 ? count : TABLE_LINES;
    for (size_t i = 0; i < shown; i++) say_line(&lines[i], &p->peaks, compiled);
    double rest = 0;
    for (size_t i = shown; i < count; i++) rest += lines[i].sum.total_ms;
    char text[32];
    if (shown < count)
        app_say("%10s ms in %zu others, down to the last in kernels.csv", profile_number(rest, text), count - shown);
    free(lines);
}

bool profile_close(app_profile *p)
{
    if (!p->dir || !p->profile) return true;
    if (p->begun <= p->skip) {
        app_say("--profile %s: nothing was profiled, for the run had no more than its first step", p->dir);
        return true;
    }
    stop(p);
    say_table(p);
    if (!p->failed)
        app_say("%s has trace.json (for https://ui.perfetto.dev), kernels.csv, kernels.json and roofline.png", p->dir);
    return !p->failed;
}
