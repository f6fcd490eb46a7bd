/* The facts that a SPIR-V module declares. No Vulkan. */
#ifndef SPIRV_SPIRV_H
#define SPIRV_SPIRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pumice/kernel.h>

enum { SPIRV_MAX_CAPABILITIES = 32 };
enum { SPIRV_COOPERATIVE_MATRIX = 6022 }; /* a capability */

typedef struct spirv_facts {
    uint32_t version;      /* as the header has it: 0x00010300 is 1.3 */
    uint32_t binding_mask; /* bit i: set 0 has binding i, 0 to 31 */
    uint32_t spec_mask;    /* bit i: constant_id i exists, 0 to 31 */
    uint32_t push_size;    /* bytes of the push-constant block; 0: none */
    uint32_t push_args;    /* members before the last: one address or one element offset for each argument */
    uint32_t push_param;   /* bytes of the last member, the kernel's struct of push.h */
    uint32_t addresses;    /* how many of push_args are 64-bit addresses */
    uint32_t capabilities[SPIRV_MAX_CAPABILITIES];
    bool matrices; /* cooperative ones */
    uint32_t capability_count;
} spirv_facts;

/* Fails, without a line: PM_SHADER where the words are no valid module; PM_NO_HOST_MEMORY. */
pm_status spirv_read(const uint32_t *words, size_t count, spirv_facts *out);

/* Renumbers the bindings of one of Pumice's modules: number i becomes the i-th four bits of map. */
void spirv_map_bindings(uint32_t *words, size_t count, uint64_t map);

/* NULL, or the first type, instruction or extension that the module does not declare or that Pumice does not allow. */
struct spirv_reader;
const char *spirv_body_fault(const struct spirv_reader *reader, const pm_kernel_info *info);

#endif
