/* A file is "\x93NUMPY", two bytes of version, the header's length in 2 bytes (version 1) or 4, the header, the numbers. The header is a
 * Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 5), } and blanks. */
#include "files/npy.h"

#include <string.h>

enum { MAGIC = 6, MAX_RANK = 32 };

typedef struct cursor {
    const char *at, *end;
} cursor;

typedef struct header {
    char descr[8];
    bool fortran;
    uint64_t count;
    uint32_t rank;
    unsigned seen; /* bits: descr, fortran_order, shape */
} header;

static void skip_blanks(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) c->at++;
}

/* Goes past `text` if it comes next. */
static bool take(cursor *c, const char *text)
{
    const size_t n = strlen(text);
    skip_blanks(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, text, n) != 0) return false;
    c->at += n;
    return true;
}

/* A string without escapes: these headers have no others. It is cut to size - 1 bytes; valid ones are shorter. */
static bool take_string(cursor *c, char *out, size_t size)
{
    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
    const char quote = *c->at++;
    size_t n = 0;
    for (; c->at < c->end && *c->at != quote; c->at++)
        if (n + 1 < size) out[n++] = *c->at;
    out[n] = 0;
    return c->at < c->end && *c->at++ == quote;
}

static bool take_number(cursor *c, uint64_t *out)
{
    uint64_t v = 0;
    int digits = 0;
    skip_blanks(c);
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, digits++) {
        if (digits == 18) return false;
        v = 10 * v + (uint64_t)(*c->at - '0');
    }
    *out = v;
    return digits > 0;
}

/* (), (3,), (3, 5): the comma may be missing after the last of several. */
static bool take_shape(cursor *c, header *h)
{
    if (!take(c, "(")) return false;
    h->count = 1;
    bool comma = true;
    while (!take(c, ")")) {
        uint64_t n;
        if (!comma || h->rank == MAX_RANK || !take_number(c, &n)) return false;
        if (n && h->count > UINT64_MAX / 4 / n) return false;
        h->count *= n;
        h->rank++;
        comma = take(c, ",");
    }
    return h->rank != 1 || comma;
}

static bool take_entry(cursor *c, header *h)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    char key[16];
    unsigned which = 0;
    if (!take_string(c, key, sizeof key) || !take(c, ":")) return false;
    while (which < 3 && strcmp(keys[which], key) != 0) which++;
    if (which == 3 || h->seen & 1u << which) return false;
    h->seen |= 1u << which;
    if (which == 0) return take_string(c, h->descr, sizeof h->descr);
    if (which == 2) return take_shape(c, h);
    h->fortran = take(c, "True");
    return h->fortran || take(c, "False");
}

static bool parse(const char *text, size_t size, header *h)
{
    cursor c = {text, text + size};
    if (!take(&c, "{")) return false;
    bool comma = true;
    while (!take(&c, "}")) {
        if (!comma || !take_entry(&c, h)) return false;
        comma = take(&c, ",");
    }
    skip_blanks(&c);
    return c.at == c.end && h->seen == 7;
}

/* Where the numbers start; 0 where the file's version is unknown or the file ends before. */
static size_t header_end(const file_map *map, size_t *header_start)
{
    const unsigned char *b = map->data;
    if (map->size < MAGIC + 6 || memcmp(b, "\x93NUMPY", MAGIC) != 0) return 0;
    const unsigned major = b[MAGIC];
    if (major < 1 || major > 3) return 0;
    uint64_t length = b[MAGIC + 2] | (uint64_t)b[MAGIC + 3] << 8;
    if (major > 1) length |= (uint64_t)b[MAGIC + 4] << 16 | (uint64_t)b[MAGIC + 5] << 24;
    *header_start = MAGIC + 2 + (major > 1 ? 4 : 2);
    return length <= map->size - *header_start ? *header_start + (size_t)length : 0;
}

static pm_status read_header(const pm_log *log, const char *path, npy_file *file)
{
    header h = {0};
    size_t start = 0;
    const size_t end = header_end(&file->map, &start);
    if (!end) return log_fail(log, PM_FORMAT, "%s: is not a NumPy array file (.npy) of version 1, 2 or 3", path);
    if (!parse((const char *)file->map.data + start, end - start, &h))
        return log_fail(log, PM_FORMAT, "%s: its header is not {'descr': …, 'fortran_order': …, 'shape': (…), }", path);
    if (strcmp(h.descr, "<f4") != 0)
        return log_fail(log, PM_FORMAT, "%s: its numbers must be little-endian float32 ('<f4')", path);
    if (h.fortran && h.rank > 1) return log_fail(log, PM_FORMAT, "%s: its numbers must be in C order", path);
    if (h.count > (file->map.size - end) / 4 || 4 * h.count != file->map.size - end)
        return log_fail(log, PM_FORMAT, "%s: its shape asks for %llu numbers, %llu bytes follow the header", path,
                        (unsigned long long)h.count, (unsigned long long)(file->map.size - end));
    file->data = file->map.data + end;
    file->count = h.count;
    return PM_OK;
}

pm_status npy_open(const pm_log *log, const char *path, npy_file *out)
{
    npy_file file = {0};
    pm_status status = file_map_open(log, path, &file.map);
    if (status == PM_OK) status = read_header(log, path, &file);
    if (status == PM_OK)
        *out = file;
    else
        npy_close(&file);
    return status;
}

void npy_close(npy_file *file)
{
    file_map_close(&file->map);
    *file = (npy_file){0};
}
