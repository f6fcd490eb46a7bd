/* Recognises files that were given in place of others: the one table of them. */
#include <errno.h>
#include <string.h>

#include "base/number.h"
#include "files/file.h"
#include "os/locale.h"

enum { POINTER_MOST = 1024 }; /* bytes of a Git LFS pointer, by its specification */

typedef struct known_kind {
    const char *begin, *kind, *not_text; /* NULL: a text may begin so */
} known_kind;

#define NOT_TEXT(begin, kind, advice)                                                                                  \
    {                                                                                                                  \
        begin, kind, "is " kind "; " advice                                                                            \
    }

static const known_kind kinds[] = {
    NOT_TEXT("version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the file itself",
             "`git lfs pull` in its repository gets it"),
    {"GGUF", "a GGUF file", NULL},
    {"ggjt", "a GGML file", NULL},
    {"lmgg", "a GGML file", NULL},
    NOT_TEXT("PK\3\4", "a PyTorch or a zip file", "unpack it"),
    NOT_TEXT("\x80\2", "a PyTorch file", "it holds no text"),
    NOT_TEXT("\x93NUMPY", "a NumPy file", "it holds no text"),
    NOT_TEXT("\x89HDF\r\n", "an HDF5 file", "it holds no text"),
    NOT_TEXT("\x1f\x8b", "a gzip file", "unpack it"),
    NOT_TEXT("BZh91AY&SY", "a bzip2 file", "unpack it"),
    NOT_TEXT("\xfd"
             "7zXZ",
             "an xz file", "unpack it"),
    NOT_TEXT("\x28\xb5\x2f\xfd", "a Zstandard file", "unpack it"),
    NOT_TEXT("7z\xbc\xaf\x27\x1c", "a 7z file", "unpack it"),
    NOT_TEXT("Rar!\x1a\7", "a RAR file", "unpack it"),
    NOT_TEXT("%PDF-", "a PDF file", "save its text as UTF-8"),
    NOT_TEXT("<!doctype html", "an HTML page", "download the file itself"),
    NOT_TEXT("<html", "an HTML page", "download the file itself"),
};

/* Tags are in small letters in the table. Before one, a file may have a byte order mark and blanks. */
static bool begins(const char *data, size_t size, const char *with)
{
    size_t at = 0, i = 0;
    const bool tag = with[0] == '<';
    if (tag && size >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0) at = 3;
    while (tag && at < size && memchr(" \t\r\n", data[at], 4)) at++;
    for (; with[i] && i < size - at; i++)
        if ((tag ? letter_small(data[at + i]) : data[at + i]) != with[i]) return false;
    return !with[i];
}

static const known_kind *find(const void *data, size_t size)
{
    for (size_t i = size <= POINTER_MOST ? 0 : 1; i < sizeof kinds / sizeof *kinds; i++)
        if (begins(data, size, kinds[i].begin)) return &kinds[i];
    return NULL;
}

const char *file_kind(const void *data, size_t size)
{
    const known_kind *found = find(data, size);
    if (found) return found->kind;
    /* safetensors: the length of a header, and the object that it begins with */
    return size > 8 && memcmp((const char *)data + 5, "\0\0\0", 3) == 0 && ((const char *)data)[8] == '{'
               ? "a safetensors file"
               : NULL;
}

const char *file_not_text(const void *data, size_t size)
{
    const known_kind *found = find(data, size);
    return found ? found->not_text : NULL;
}

const char *file_binary(const void *data, size_t size)
{
    const known_kind *found = find(data, size);
    return found && found->begin[0] != '<' ? found->not_text : NULL;
}

pm_status file_check_pointer(const pm_log *log, const char *path, const void *data, size_t size)
{
    const known_kind *found = find(data, size);
    return found == kinds ? log_fail(log, PM_FORMAT, "%s: %s", path, found->not_text) : PM_OK;
}

/* Whether a path is meant to be a GGUF file's. */
static bool names_gguf(const char *path)
{
    const size_t size = strlen(path);
    return size > 5 && strcmp(path + size - 5, ".gguf") == 0;
}

pm_status file_check_folder(const pm_log *log, const char *path)
{
    char data[POINTER_MOST + 1];
    size_t size = 0;
    const bool gguf = names_gguf(path);
    const char *what = gguf ? "file" : "folder";
    if (!*path) return log_fail(log, PM_IO, "\"\": names no folder and no GGUF file");
    if (file_is_dir(path)) return PM_OK;
    if (!file_exists(path) && errno == ENOENT) return log_fail(log, PM_IO, "%s: there is no such %s", path, what);
    if (!file_exists(path))
        return log_fail(log, PM_IO, "%s: cannot open this %s: %s", path, what, os_error(errno).text);
    if (!file_peek(path, data, sizeof data, &size)) size = 0;
    const char *kind = file_kind(data, size);
    if (gguf && !kind) return log_fail(log, PM_FORMAT, "%s: is no GGUF file: it does not begin with \"GGUF\"", path);
    if (!kind || strstr(kind, "safetensors"))
        return log_fail(log, PM_FORMAT, "%s: is %s; give the folder that it is in", path, kind ? kind : "a file");
    return log_fail(log, PM_FORMAT,
                    "%s: is %s; give a folder in Hugging Face's form, with config.json, model.safetensors and the "
                    "tokenizer's files, or a GGUF file",
                    path, kind);
}
