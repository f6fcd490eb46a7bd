/* A model's parameters as a file's tensors: one for one, or several that lie one behind the other in a parameter. */
#ifndef MODEL_TENSORS_H
#define MODEL_TENSORS_H

#include "model/gpt.h"

typedef struct tensor_row {
    char name[GPT_NAME_MAX];
    uint32_t param;
    param_role role;
    uint64_t at; /* number of the parameter where it begins */
    uint32_t rows, cols;
    bool vector; /* (cols), not (rows,cols) */
} tensor_row;

typedef struct tensor_list {
    tensor_row *rows; /* [count], by parameter, then by place */
    uint32_t count;
    uint32_t *firsts; /* [parameters + 1] each one's first row */
} tensor_list;

/* The tensors under the names of a format. Fails: PM_NO_HOST_MEMORY. */
pm_status tensors_list(const pm_log *log, const pm_gpt_config *config, const arch_names *names, tensor_list *out);
void tensors_free(tensor_list *list);

/* Numbers [first, first + count) of the tensor in a row of the list. */
typedef pm_status (*tensor_read)(void *user, uint32_t index, uint64_t first, uint64_t count, float *out);
/* Numbers [first, first + count) of a parameter, from the tensors that they are in. Fails as `read` does. */
pm_status tensors_read(const tensor_list *list, uint32_t param, uint64_t first, uint64_t count, float *out,
                       tensor_read read, void *user);

/* A parameter's own name among these. */
void tensors_name(const arch_names *names, arch_place at, char out[GPT_NAME_MAX]);

/* Warns once of numbers of a tensor that are not finite. */
void tensors_tell(const pm_log *log, const char *path, const char *name, const float *values, uint64_t count,
                  bool *told);

#endif
