/* Recognises files that were given in place of others. */
#include <errno.h>
#include <string.h>

#include "base/file.h"

enum { POINTER_MOST = 1024 }; /* bytes of a Git LFS pointer, by its specification */

static bool begins(const void *data, size_t size, const char *with)
{
    const size_t n = strlen(with);
    return size >= n && memcmp(data, with, n) == 0;
}

const char *file_kind(const void *data, size_t size)
{
    static const struct {
        const char *begin, *kind;
    } kinds[] = {
        {"GGUF", "a GGUF file"},
        {"ggjt", "a GGML file"},
        {"lmgg", "a GGML file"},
        {"PK\3\4", "a PyTorch or a zip file"},
        {"\x80\2", "a PyTorch file"},
        {"\x93NUMPY", "a NumPy file"},
        {"\x89HDF\r\n", "an HDF5 file"},
        {"\x1f\x8b", "a gzip file"},
        {"<!DOCTYPE html", "an HTML page"},
        {"<html", "an HTML page"},
    };
    if (size <= POINTER_MOST && begins(data, size, "version https://git-lfs.github.com/spec/"))
        return "a Git LFS pointer, not the file itself";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (begins(data, size, kinds[i].begin)) return kinds[i].kind;
    /* safetensors: the length of a header, and the object that it begins with */
    return size > 8 && memcmp((const char *)data + 5, "\0\0\0", 3) == 0 && ((const char *)data)[8] == '{'
               ? "a safetensors file"
               : NULL;
}

pm_status file_check_pointer(const pm_log *log, const char *path, const void *data, size_t size)
{
    const char *kind = file_kind(data, size);
    if (!kind || !strstr(kind, "LFS")) return PM_OK;
    return log_fail(log, PM_FORMAT, "%s: is %s; `git lfs pull` in its repository gets it", path, kind);
}

pm_status file_check_folder(const pm_log *log, const char *path)
{
    char data[POINTER_MOST + 1];
    size_t size = 0;
    if (file_is_dir(path)) return PM_OK;
    if (!file_exists(path) && errno == ENOENT) return log_fail(log, PM_IO, "%s: there is no such folder", path);
    if (!file_exists(path)) return log_fail(log, PM_IO, "%s: cannot open this folder: %s", path, strerror(errno));
    if (!file_peek(path, data, sizeof data, &size)) size = 0;
    const char *kind = file_kind(data, size);
    if (!kind || strstr(kind, "safetensors"))
        return log_fail(log, PM_FORMAT, "%s: is %s; give the folder that it is in", path, kind ? kind : "a file");
    return log_fail(log, PM_FORMAT,
                    "%s: is %s; give a folder in Hugging Face's form, with config.json, model.safetensors and the "
                    "tokenizer's files",
                    path, kind);
}
