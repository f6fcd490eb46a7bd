/* Switches the layer on by the environment, which the loader and the layer read when an instance is made. */
#define _POSIX_C_SOURCE 200809L
#include "helper_fault.h"
#include "helper_system.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char report[64], layers[1000];

void test_fault(const char *format, ...)
{
    static unsigned count;
    char words[300], all[500];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    /* The loader reads VK_ADD_LAYER_PATH only where VK_LAYER_PATH is not set. */
    const char *path = getenv("VK_LAYER_PATH");
    if (!layers[0]) snprintf(layers, sizeof layers, "%s%s%s", TEST_FAULT_DIR, path ? ":" : "", path ? path : "");
    if (!report[0]) snprintf(report, sizeof report, "/tmp/pumice-fault-%ld", (long)getpid());
    /* The number makes the text a new one, with which counting starts again. */
    snprintf(all, sizeof all, "%s report=%s number=%u", words, report, count++);
    test_set_variable("PUMICE_FAULT", all);
    test_set_variable(path ? "VK_LAYER_PATH" : "VK_ADD_LAYER_PATH", layers);
    test_set_variable("VK_INSTANCE_LAYERS", "VK_LAYER_PUMICE_fault");
    remove(report);
}

void test_fault_end(void)
{
    test_set_variable("VK_INSTANCE_LAYERS", NULL);
    test_set_variable("PUMICE_FAULT", NULL);
}

test_fault_report test_fault_done(void)
{
    test_fault_report r = {0};
    FILE *file = fopen(report, "r");
    if (!file) return r;
    const int got = fscanf(file, "queue=%lu fallible=%lu objects=%ld longest_ms=%lf lost=%u", &r.queue, &r.fallible,
                           &r.objects, &r.longest_ms, &r.lost);
    fclose(file);
    remove(report);
    r.seen = got == 5;
    return r;
}
