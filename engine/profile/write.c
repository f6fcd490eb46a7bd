/* The files of a profile: kernels.csv, a line a row; kernels.json, what the driver tells of each kernel; all three at once. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "profile/write.h"

/* ---- text -------------------------------------------------------------------------------------------------------- */

void prof_put(file_writer *file, const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    int length = number_vprint(text, sizeof text, format, args);
    va_end(args);
    if (length > 0) file_writer_put(file, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

void prof_put_json(file_writer *file, const char *text)
{
    file_writer_put(file, "\"", 1);
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\')
            prof_put(file, "\\%c", byte);
        else if (byte < 0x20 || byte >= 0x7f) /* drivers' texts: Latin-1 for want of knowledge */
            prof_put(file, "\\u%04x", byte);
        else
            file_writer_put(file, c, 1);
    }
    file_writer_put(file, "\"", 1);
}

void prof_put_number(file_writer *file, double value)
{
    if (isfinite(value))
        prof_put(file, "%.6g", value);
    else
        prof_put(file, "null");
}

const char *prof_shape(const uint32_t shape[3], char text[40])
{
    text[0] = 0;
    for (int i = 0, used = 0; i < 3 && shape[i]; i++)
        used += snprintf(text + used, 40 - (size_t)used, "%s%" PRIu32, i ? "x" : "", shape[i]);
    return text;
}

/* ---- kernels.csv ------------------------------------------------------------------------------------------------- */

static int by_time(const void *pa, const void *pb)
{
    const pm_profile_row *const *a = pa, *const *b = pb;
    if ((*a)->track != (*b)->track) return (*a)->track > (*b)->track ? -1 : 1; /* commands first */
    if ((*a)->total_ms != (*b)->total_ms) return (*a)->total_ms > (*b)->total_ms ? -1 : 1;
    return *a < *b ? -1 : *a > *b;
}

/* A field that may be empty. */
static void put_cell(file_writer *file, double value, const char *format)
{
    char text[40] = "";
    if (isfinite(value)) number_print(text, sizeof text, format, value);
    prof_put(file, ",%s", text);
}

static const char *track_word(pm_profile_track track)
{
    switch (track) {
    case PM_PROFILE_COMMANDS: return "command";
    case PM_PROFILE_SUBMISSIONS: return "submission";
    case PM_PROFILE_HOST: break;
    }
    return "host";
}

static void put_row(const pm_profile *p, file_writer *file, const pm_profile_row *row, const pm_peaks *peaks)
{
    pm_profile_kernel kernel = {.constants = "", .registers = -1, .spills = -1, .shared_bytes = -1};
    bool command = row->track == PM_PROFILE_COMMANDS;
    double seconds = 1e-3 * row->total_ms;
    char shape[40];
    if (row->variant != PM_PROFILE_NO_KERNEL) kernel = pm_profile_kernel_at(p, row->variant);
    prof_put(file, "%s,%s,%s,%s,%s,%s,%s,\"%s\",%" PRIu64, track_word(row->track), row->program, row->op, row->layer,
             pm_direction_name(row->direction), prof_shape(row->shape, shape), row->kernel, kernel.constants,
             row->count);
    put_cell(file, row->total_ms, "%.6f");
    put_cell(file, row->total_ms / (double)row->count, "%.6f");
    put_cell(file, row->min_ms, "%.6f");
    put_cell(file, row->max_ms, "%.6f");
    put_cell(file, command ? row->total_ms / (10 * p->info.device_seconds) : NAN, "%.3f");
    put_cell(file, command ? row->flops : NAN, "%.0f");
    put_cell(file, command ? row->bytes : NAN, "%.0f");
    put_cell(file, command ? 1e-9 * row->flops / seconds : NAN, "%.4g");
    put_cell(file, command ? 1e-9 * row->bytes / seconds : NAN, "%.4g");
    put_cell(file, command ? 100 * pm_profile_roof_share(row, peaks) : NAN, "%.2f");
    put_cell(file, kernel.registers < 0 ? NAN : kernel.registers, "%.0f");
    put_cell(file, kernel.spills < 0 ? NAN : kernel.spills, "%.0f");
    put_cell(file, kernel.shared_bytes < 0 ? NAN : kernel.shared_bytes, "%.0f");
    prof_put(file, "\n");
}

pm_status prof_csv_write(const pm_profile *p, const char *path, const pm_peaks *peaks)
{
    file_writer *file = NULL;
    const pm_profile_row **rows = malloc((p->row_count + 1) * sizeof *rows);
    size_t count = 0;
    if (!rows) return log_fail(&p->log, PM_NO_HOST_MEMORY, "%s: no memory", path);
    for (uint32_t i = 0; i < p->row_count; i++)
        if (p->rows[i].count) rows[count++] = &p->rows[i];
    qsort(rows, count, sizeof *rows, by_time);
    pm_status status = file_writer_open(&p->log, path, &file);
    if (status == PM_OK) {
        prof_put(file, "kind,program,op,layer,direction,shape,kernel,constants,count,total_ms,mean_ms,min_ms,max_ms,"
                       "percent,flops,bytes,gflops,gbps,roof_percent,registers,spills,shared_bytes\n");
        for (size_t i = 0; i < count; i++) put_row(p, file, rows[i], peaks);
        status = file_writer_commit(&file);
    }
    free(rows);
    return status;
}

/* ---- kernels.json ------------------------------------------------------------------------------------------------ */

static void put_kernel(file_writer *file, const pm_profile_kernel *k)
{
    prof_put(file, "{\"kernel\":");
    prof_put_json(file, k->name);
    prof_put(file, ",\"constants\":[%s],\"statistics\":[", k->constants);
    for (size_t i = 0; i < k->statistic_count; i++) {
        const pm_profile_statistic *s = &k->statistics[i];
        prof_put(file, "%s\n  {\"executable\":", i ? "," : "");
        prof_put_json(file, s->executable);
        prof_put(file, ",\"name\":");
        prof_put_json(file, s->name);
        prof_put(file, ",\"value\":%.15g", isfinite(s->value) ? s->value : 0);
        prof_put(file, ",\"description\":");
        prof_put_json(file, s->description);
        prof_put(file, "}");
    }
    prof_put(file, "]}");
}

pm_status prof_kernels_write(const pm_profile *p, const char *path)
{
    file_writer *file = NULL;
    pm_status status = file_writer_open(&p->log, path, &file);
    if (status != PM_OK) return status;
    prof_put(file, "[");
    for (size_t i = 0; i < p->kernel_count; i++) {
        pm_profile_kernel k = pm_profile_kernel_at(p, i);
        prof_put(file, "%s\n", i ? "," : "");
        put_kernel(file, &k);
    }
    prof_put(file, "]\n");
    return file_writer_commit(&file);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

pm_status pm_profile_write(const pm_profile *p, const char *dir, const pm_peaks *peaks)
{
    static const char *const names[] = {"trace.json", "kernels.csv", "kernels.json"};
    pm_status status = file_make_dir(&p->log, dir);
    for (int i = 0; i < 3 && status == PM_OK; i++) {
        char *path = file_join(dir, names[i]);
        if (!path)
            status = log_fail(&p->log, PM_NO_HOST_MEMORY, "%s/%s: no memory", dir, names[i]);
        else if (i == 0)
            status = prof_trace_write(p, path);
        else
            status = i == 1 ? prof_csv_write(p, path, peaks) : prof_kernels_write(p, path);
        free(path);
    }
    return status;
}
