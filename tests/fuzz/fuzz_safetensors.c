/* A safetensors file. An accepted tensor lies within the file, is found by its name, and comes back from a file that is written from it. */
#include <string.h>

#include "helper_fuzz.h"
#include "files/safetensors.h"

static void write_again(const st_file *file)
{
    st_file again;
    const char *path = fuzz_file("again.safetensors", "", 0);
    for (size_t i = 0; i < file->tensor_count; i++)
        if (!st_dtype_written(file->tensors[i].dtype)) return; /* read only */
    pm_status status = st_write(fuzz_log(), path, file->tensors, file->tensor_count, file->meta, file->meta_count);
    if (status == PM_OK) status = st_open(fuzz_log(), path, &again);
    REQUIRE(fuzz_done(status) && again.tensor_count == file->tensor_count && again.meta_count == file->meta_count);
    for (size_t i = 0; i < file->tensor_count; i++) {
        const st_tensor *a = &file->tensors[i], *b = &again.tensors[i];
        REQUIRE(strcmp(a->name, b->name) == 0 && a->rank == b->rank && a->size == b->size);
        REQUIRE(memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0 && memcmp(a->data, b->data, a->size) == 0);
    }
    st_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    st_file file;
    if (!fuzz_done(st_open(fuzz_log(), fuzz_safetensors("model.safetensors", data, size), &file))) return 0;
    for (size_t i = 0; i < file.tensor_count; i++) {
        REQUIRE(st_find(&file, file.tensors[i].name) == &file.tensors[i]);
        fuzz_touch(file.tensors[i].data, file.tensors[i].size);
    }
    for (size_t i = 0; i < file.meta_count; i++) REQUIRE(st_meta_find(&file, file.meta[i].key) == file.meta[i].value);
    write_again(&file);
    st_close(&file);
    return 0;
}
