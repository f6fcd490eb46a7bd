/* A host with an instance and a device of its own, into which Pumice is imported. */
#ifndef HELPER_IMPORT_H
#define HELPER_IMPORT_H

#include <pumice/vulkan.h>

typedef enum test_host_kind {
    TEST_HOST_FULL, /* with all that Pumice wishes */
    TEST_HOST_BARE, /* without any feature */
    TEST_HOST_BUSY  /* full, and a thread of the host's submits work to the same queue all the time */
} test_host_kind;

typedef struct test_host test_host;

/* NULL where there is no device. Under PUMICE_VALIDATE=1 the instance has the validation layer. */
test_host *test_host_make(test_host_kind kind);
/* What Pumice is given; it may be changed. */
pm_vulkan_device *test_host_device(test_host *host);
/* How often the queue was locked by Pumice and by the host; fails the test where it was locked twice at once. */
unsigned test_host_locks(const test_host *host);
/* The host's own work still runs. Destroys all, and fails the test where the validation layer gave any message. */
void test_host_done(test_host **host);

#endif
