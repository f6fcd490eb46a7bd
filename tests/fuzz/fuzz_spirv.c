/* A SPIR-V module, as `pumice kernel` reads it, without a device. It gets none, one and two values for specialization constants, which the
 * generator's number in the header gives. */
#include <stdlib.h>
#include <string.h>

#include "helper_fuzz.h"
#include "spirv/spirv.h"

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
    const size_t count = size / 4;
    uint32_t *words = malloc(size + 1);
    pm_kernel_value spec[2] = {{0, 0}, {0, 0}};
    pm_kernel_info info;
    spirv_facts facts;
    REQUIRE(words);
    if (size) memcpy(words, data, 4 * count);
    if (count > 2) {
        spec[0] = (pm_kernel_value){words[2] & 0xFF, words[2] >> 8 & 0xFF};
        spec[1] = (pm_kernel_value){words[2] >> 16 & 0xFF, UINT64_MAX - (words[2] >> 24)};
    }
    if (count < 4 || words[3] <= MOST_IDS) {
        (void)spirv_read(words, count, &facts);
        for (size_t values = 0; values <= 2; values++)
            if (fuzz_done(pm_kernel_describe(fuzz_log(), "module", words, count, spec, values, &info)))
                check_info(&info);
    }
    free(words);
    return 0;
}
