/* The file of autotuned choices: its lines, under a head that fits them. Where the input begins with an exclamation mark, it is the whole file. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "helper_fuzz.h"
#include "files/file.h"
#include "gpu/gpu_internal.h"

enum { HASH_DIGITS = 16 }; /* they end the head */

static void put_file(const char *head, const uint8_t *data, size_t size)
{
    const size_t head_size = strlen(head);
    char *text = malloc(head_size + size + 1);
    REQUIRE(text);
    snprintf(text, head_size + 1, "%.*s%016" PRIx64, (int)(head_size - HASH_DIGITS - 1), head,
             hash_bytes(HASH_INIT, data, size));
    text[head_size - 1] = '\n';
    memcpy(text + head_size, data, size);
    fuzz_file("tuning", text, head_size + size);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *head;
    pm_device *device = calloc(1, sizeof *device);
    REQUIRE(device);
    device->log = *fuzz_log();
    device->choices.path = strdup(fuzz_file("tuning", "", 0));
    if (!head) {
        size_t head_size;
        REQUIRE(gpu_choices_save(device) == PM_OK && file_read(NULL, device->choices.path, &head, &head_size) == PM_OK);
    }
    if (size && data[0] == '!')
        fuzz_file("tuning", data + 1, size - 1);
    else
        put_file(head, data, size);
    gpu_choices_open(device);
    for (uint32_t i = 0; i < device->choices.count; i++)
        REQUIRE(device->choices.all[i].choice && memchr(device->choices.all[i].key, 0, GPU_CHOICE_KEY));
    const uint32_t count = device->choices.count;
    REQUIRE(gpu_choices_save(device) == PM_OK);
    device->choices.count = 0;
    gpu_choices_open(device);
    REQUIRE(fuzz_done(PM_OK) && device->choices.count == count);
    REQUIRE(gpu_choices_forget(device) == PM_OK && !device->choices.count);
    gpu_choices_open(device);
    REQUIRE(fuzz_done(PM_OK) && !device->choices.count);
    gpu_list_close(&device->choices);
    free(device);
    return 0;
}
