/* A SPIR-V module of anyone's, as `pumice kernel` reads it, without a device and with values for two constants, from the first four bytes. */
#include <stdlib.h>
#include <string.h>

#include "helper_fuzz.h"
#include "gpu/spirv.h"

enum { MOST_IDS = 4096 }; /* the table has an entry an id: a larger one only costs time */

static void check_info(const pm_kernel_info *info)
{
    REQUIRE(info->entry[0] && info->binding_count <= PM_KERNEL_BINDINGS && info->member_count <= PM_KERNEL_MEMBERS);
    for (uint32_t i = 1; i < info->binding_count; i++) {
        const pm_kernel_binding *a = &info->bindings[i - 1], *b = &info->bindings[i];
        REQUIRE(a->set < b->set || (a->set == b->set && a->binding < b->binding));
    }
    for (uint32_t i = 0; i < info->member_count; i++) {
        const pm_kernel_member *m = &info->members[i];
        REQUIRE(m->offset <= info->push_size && m->size <= info->push_size - m->offset);
        REQUIRE(memchr(m->name, 0, sizeof m->name));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 8) return 0;
    const pm_kernel_value spec[2] = {{data[0], data[1]}, {data[2], UINT64_MAX - data[3]}};
    const size_t count = size / 4 - 1;
    uint32_t *words = malloc(count * sizeof *words);
    pm_kernel_info info;
    spirv_facts facts;
    REQUIRE(words);
    memcpy(words, data + 4, count * sizeof *words);
    if (count < 4 || words[3] <= MOST_IDS) {
        (void)spirv_read(words, count, &facts);
        for (size_t values = 0; values <= 2; values++)
            if (fuzz_done(pm_kernel_describe(fuzz_log(), "module", words, count, spec, values, &info)))
                check_info(&info);
    }
    free(words);
    return 0;
}
