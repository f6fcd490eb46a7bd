/* Model folders made by hand in all the forms that other programs write, and loading them. */
#ifndef HELPER_FOLDER_H
#define HELPER_FOLDER_H

#include <pumice/model.h>

#include "files/safetensors.h"

enum { FOLDER_MOST = 64 }; /* tensors of a file */

/* The device, and the folder for the model at hand: cmocka's group fixtures. */
extern pm_device *folder_device;
extern char folder_dir[300];
int folder_open(void **state);
int folder_close(void **state);

/* A file's path in the folder; as test_path. */
const char *folder_path(const char *name);

/* How a folder differs from Pumice's own form. */
typedef struct folder_form {
    bool bare;      /* names without "transformer." */
    st_dtype dtype; /* of the tensors */
    int shards;     /* 0: one file and no index */
    bool junk;      /* buffers beside the parameters */
    int head;       /* a tied model's lm_head.weight: 0 absent, 1 the token table, 2 another */
} folder_form;

typedef struct folder_tensors {
    st_tensor all[FOLDER_MOST];
    char names[FOLDER_MOST][80];
    size_t count;
} folder_tensors;

/* A model's tensors in that form, each with memory of its own. */
void folder_collect(const pm_model *model, const folder_form *form, folder_tensors *t);
/* Adds one more, and takes over `data`. */
void folder_add(folder_tensors *t, const char *name, st_dtype dtype, uint32_t rows, uint32_t cols, void *data);
void folder_free(folder_tensors *t);

/* Write them as the folder's model.safetensors, or as so many shards with an index. */
void folder_write_file(const folder_tensors *t, const st_meta *meta, size_t meta_count);
void folder_write_shards(const folder_tensors *t, int shards);
/* The whole folder, in that form. */
void folder_write(const pm_model *model, const folder_form *form);

/* How many lines of each level loading gave. */
typedef struct folder_lines {
    unsigned warnings, infos;
} folder_lines;
/* Fails the test unless the folder loads as this model. */
folder_lines folder_loads_as(pm_model *original);
/* Fails the test unless loading gives `want` and one line, which has `part` in it and names the folder. */
void folder_refused(pm_status want, const char *part);

#endif
