/* Devices that are lost, out of memory or slow, by the layer of fault_layer.c, which explains the words. */
#ifndef HELPER_FAULT_H
#define HELPER_FAULT_H

#include <stdbool.h>

#include <pumice/status.h>

/* Says how the devices opened next fail, counted from now on; "": they do not. */
void test_fault(const char *format, ...) PM_PRINTF(1, 2);
/* Switches the layer off. */
void test_fault_end(void);

typedef struct test_fault_report {
    unsigned long queue, fallible; /* calls: to the queue; that take memory */
    long objects;                  /* alive */
    double longest_ms;             /* of a slow device's jobs */
    unsigned lost;                 /* devices */
    bool seen;                     /* an instance was made, and the layer in it */
} test_fault_report;

/* What happened since test_fault(). Call it once the devices are closed. */
test_fault_report test_fault_done(void);

#endif
