/* What the files of `pumice kernel` share. */
#ifndef APPS_KERNEL_H
#define APPS_KERNEL_H

#include <cjson/cJSON.h>

#include "app.h"

typedef struct kernel_options {
    app_common common;
    const char *file; /* NULL: --builtin */
    arg_list buffers, push, spec, dump, compare, defines;
    const char *groups;
    uint32_t runs, timeout; /* seconds */
    bool unchecked;
    float flops, bytes; /* of one run; 0: not given */
    uint64_t seed;
    const char *target, *builtin;
    bool describe, markdown;
} kernel_options;

/* ---- kernel_source.c ---- */

/* The words of a .spv, or of a .comp or .glsl after compiling; malloc'd; NULL after an error line. */
uint32_t *kernel_words(const kernel_options *options, size_t *count);

/* ---- kernel_buffers.c, kernel_arguments.c ---- */

/* A binding's buffer: from "N=SIZE[:FILL]". */
typedef struct kernel_buffer {
    uint32_t binding;
    uint64_t size; /* bytes */
    pm_scalar scalar;
    char *data;   /* what it starts with */
    bool written; /* by the kernel, as its declaration has it */
} kernel_buffer;

/* Reads --spec; false after an error line. */
bool kernel_parse_spec(const kernel_options *options, const pm_kernel_info *info, pm_kernel_value *values,
                       size_t *count);
/* Reads --groups into three numbers; false after an error line. */
bool kernel_parse_groups(const char *text, uint32_t groups[3]);
/* Fills in the block of push constants, 0 where no value is given; false after an error line. */
bool kernel_parse_push(const kernel_options *options, const pm_kernel_info *info, unsigned char *bytes);
/* Reads --buffer into one entry a binding, with its content; false after an error line. Needs kernel_free_buffers in either case. */
bool kernel_parse_buffers(const kernel_options *options, const pm_kernel_info *info, kernel_buffer *buffers,
                          size_t *count);
void kernel_free_buffers(kernel_buffer *buffers, size_t count);
/* The buffer that "N" or a name before '=' means; NULL after an error line. *rest: what follows the sign. */
const kernel_buffer *kernel_find_buffer(const char *option, const char *text, const pm_kernel_info *info,
                                        const kernel_buffer *buffers, size_t count, const char **rest);

/* ---- kernel_compare.c ---- */

/* --compare: compares each named buffer, as the first run left it, with its file. Adds the outcomes to an array of `report`. False, after an error
 * line, where one differs or cannot be compared. */
bool kernel_compare(const kernel_options *options, const pm_kernel_info *info, const kernel_buffer *buffers,
                    size_t count, char *const *after, cJSON *report);

/* ---- kernel_report.c ---- */

void kernel_print_info(const pm_kernel_info *info);
cJSON *kernel_info_json(const pm_kernel_info *info);
cJSON *kernel_statistics_json(pm_kernel *kernel);
void kernel_print_statistics(const cJSON *statistics);
/* "float", "vec4[]", "mat4x4[3]" */
const char *kernel_type_text(const pm_kernel_type *type, char text[48]);
void kernel_print_json(cJSON *json);

/* ---- kernel_target.c, kernel_costs.c ---- */

/* Whether kernel_targets() started this process, for a GPU that is not there. */
bool kernel_on_target(void);
/* Runs the same command line for each target that `name` means; prints the results. */
int kernel_targets(const kernel_options *options, char **argv);
/* In such a process: builds the kernels and prints what the driver says about them as one JSON document. */
int kernel_costs(const kernel_options *options);

/* What one driver reported about one kernel, in terms common to all. Negative: not reported. */
typedef struct kernel_cost {
    double registers, spills, scratch, instructions, cycles, occupancy;
    char note[32]; /* of the occupancy: "of 16 waves" */
} kernel_cost;
kernel_cost kernel_cost_of(const cJSON *statistics);

#endif
