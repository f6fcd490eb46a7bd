/* trace.json, in Chrome's trace event format (JSON object form): https://ui.perfetto.dev opens it. Times there are microseconds. */
#include <inttypes.h>

#include "profile/write.h"

/* Tracks become threads, in this order. Submissions and commands have a thread each: a command's end and its submission's end fall together,
 * and rounding could put one outside the other. */
static const char *const track_names[] = {"host", "device: submissions", "device: commands"};

static const char *clock_name(pm_profile_clock clock)
{
    switch (clock) {
    case PM_PROFILE_CLOCK_ESTIMATED: return "estimated";
    case PM_PROFILE_CLOCK_CALIBRATED: return "calibrated";
    case PM_PROFILE_CLOCK_NONE: break;
    }
    return "no device times";
}

static void put_head(const pm_profile *p, file_writer *file)
{
    prof_put(file,
             "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"device_clock\":\"%s\",\"runs\":%" PRIu64
             ",\"missed_runs\":%" PRIu64 ",\"dropped_events\":%" PRIu64 "},\n\"traceEvents\":[\n",
             clock_name(p->info.clock), p->info.runs, p->info.missed_runs, p->info.dropped);
    prof_put(file, "{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"pumice\"}}");
    for (int i = 0; i < 3; i++) {
        prof_put(file, ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"name\":\"thread_name\",\"args\":{\"name\":\"%s\"}}",
                 i + 1, track_names[i]);
        prof_put(file,
                 ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":%d}}",
                 i + 1, i);
    }
}

static void put_text(file_writer *file, const char *name, const char *value)
{
    prof_put(file, "\"%s\":", name);
    prof_put_json(file, value);
    prof_put(file, ",");
}

static void put_event(const pm_profile *p, file_writer *file, const prof_event *e)
{
    const pm_profile_row *row = &p->rows[e->row];
    double seconds = 1e-3 * (double)e->ms;
    char shape[40];
    prof_put(file, ",\n{\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,\"name\":", (int)row->track + 1,
             1e6 * e->start, 1e3 * (double)e->ms);
    if (row->track == PM_PROFILE_HOST) {
        prof_put_json(file, row->op);
        prof_put(file, "}");
        return;
    }
    if (row->track == PM_PROFILE_SUBMISSIONS) {
        prof_put_json(file, row->program);
        prof_put(file, "}");
        return;
    }
    prof_put_json(file, row->op[0] ? row->op : row->kernel);
    if (row->direction != PM_DIRECTION_NONE) prof_put(file, ",\"cat\":\"%s\"", pm_direction_name(row->direction));
    prof_put(file, ",\"args\":{");
    put_text(file, "layer", row->layer);
    put_text(file, "direction", pm_direction_name(row->direction));
    put_text(file, "kernel", row->kernel);
    put_text(file, "shape", prof_shape(row->shape, shape));
    put_text(file, "program", row->program);
    prof_put(file, "\"flops\":%.0f,\"bytes\":%.0f,\"gflops\":", (double)e->flops, (double)e->bytes);
    prof_put_number(file, 1e-9 * (double)e->flops / seconds);
    prof_put(file, ",\"gbps\":");
    prof_put_number(file, 1e-9 * (double)e->bytes / seconds);
    prof_put(file, "}}");
}

pm_status prof_trace_write(const pm_profile *p, const char *path)
{
    file_writer *file = NULL;
    pm_status status = file_writer_open(&p->log, path, &file);
    if (status != PM_OK) return status;
    put_head(p, file);
    for (uint32_t i = 0; i < p->event_count; i++) put_event(p, file, &p->events[i]);
    prof_put(file, "\n]}\n");
    return file_writer_commit(&file);
}
