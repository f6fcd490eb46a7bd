/* Writing safetensors files: the header is made and checked first, then the tensors' bytes follow in the order given. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "files/safetensors_internal.h"

static void text_add(buffer *t, const char *s)
{
    buffer_put(t, s, strlen(s));
}

static void text_number(buffer *t, uint64_t v)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)v);
    text_add(t, digits);
}

static void text_string(buffer *t, const char *s)
{
    text_add(t, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        char escape[8];
        if (c == '"' || c == '\\')
            snprintf(escape, sizeof escape, "\\%c", c);
        else if (c < 0x20)
            snprintf(escape, sizeof escape, "\\u%04x", c);
        else
            snprintf(escape, sizeof escape, "%c", c);
        text_add(t, escape);
    }
    text_add(t, "\"");
}

static bool is_utf8(const char *s)
{
    return utf8_valid(s, strlen(s)) == strlen(s);
}

/* Why a tensor cannot be written, or NULL. */
static const char *tensor_fault(const st_tensor *t)
{
    uint64_t size;
    if (strcmp(t->name, ST_META_NAME) == 0) return "the name is reserved";
    if (!is_utf8(t->name)) return "the name is not UTF-8";
    if (!st_dtype_written(t->dtype)) return "only F32, F16, BF16, F64, I32, I64 and U8 can be written";
    if (t->rank > ST_MAX_RANK) return "more than 8 dimensions";
    for (uint32_t i = 0; i < t->rank; i++)
        if (t->shape[i] >= (uint64_t)ST_EXACT_LIMIT) return "a dimension is not below 2^53";
    if (!st_tensor_size(t->shape, t->rank, st_dtype_size(t->dtype), &size) || size != t->size)
        return "shape and dtype do not give its size";
    if (t->size > SIZE_MAX) return "is larger than this machine's memory";
    return NULL;
}

static pm_status check_written(const pm_log *log, const char *path, const st_tensor *tensors, size_t tensor_count,
                               const st_meta *meta, size_t meta_count)
{
    size_t most = tensor_count > meta_count ? tensor_count : meta_count;
    const char **names = most < SIZE_MAX / sizeof *names ? malloc((most + 1) * sizeof *names) : NULL;
    if (!names) return st_no_memory(log, path);
    pm_status status = PM_OK;
    const char *fault = NULL, *name = NULL;
    uint64_t total = 0;
    for (size_t i = 0; i < tensor_count && !fault; i++) {
        names[i] = name = tensors[i].name;
        fault = tensor_fault(&tensors[i]);
        total += fault ? 0 : tensors[i].size;
        if (total >= (uint64_t)ST_EXACT_LIMIT || (!fault && tensors[i].size > total))
            fault = "the file would be too large";
    }
    if (!fault && (name = st_find_twin(names, tensor_count))) fault = "is given twice";
    if (fault) status = log_fail(log, PM_INVALID, "%s: tensor '%s': %s", path, st_show(name).text, fault);
    for (size_t i = 0; i < meta_count && !fault; i++) {
        names[i] = name = meta[i].key;
        if (!is_utf8(name) || !is_utf8(meta[i].value)) fault = "is not UTF-8";
        if (strcmp(name, ST_SEAL_NAME) == 0) fault = "the name is reserved";
    }
    if (!fault && (name = st_find_twin(names, meta_count))) fault = "is given twice";
    if (fault && status == PM_OK)
        status = log_fail(log, PM_INVALID, "%s: metadata '%s': %s", path, st_show(name).text, fault);
    free(names);
    return status;
}

static void write_header(buffer *t, const st_tensor *tensors, size_t tensor_count, const st_meta *meta,
                         size_t meta_count)
{
    text_add(t, ST_SEAL_BEGIN);
    for (int i = 0; i < FILE_SEAL_BYTES; i++) text_add(t, "0");
    text_add(t, "\"");
    for (size_t i = 0; i < meta_count; i++) {
        text_add(t, ",");
        text_string(t, meta[i].key);
        text_add(t, ":");
        text_string(t, meta[i].value);
    }
    text_add(t, tensor_count > 0 ? "}," : "}");
    uint64_t at = 0;
    for (size_t i = 0; i < tensor_count; i++) {
        if (i) text_add(t, ",");
        text_string(t, tensors[i].name);
        text_add(t, ":{\"dtype\":\"");
        text_add(t, st_dtype_name(tensors[i].dtype));
        text_add(t, "\",\"shape\":[");
        for (uint32_t k = 0; k < tensors[i].rank; k++) {
            if (k) text_add(t, ",");
            text_number(t, tensors[i].shape[k]);
        }
        text_add(t, "],\"data_offsets\":[");
        text_number(t, at);
        text_add(t, ",");
        text_number(t, at += tensors[i].size);
        text_add(t, "]}");
    }
    text_add(t, "}");
    while (t->size % 8 && !t->failed) text_add(t, " ");
}

pm_status st_write_begin(const pm_log *log, const char *path, const st_tensor *tensors, size_t tensor_count,
                         const st_meta *meta, size_t meta_count, file_writer **out)
{
    pm_status status = check_written(log, path, tensors, tensor_count, meta, meta_count);
    if (status != PM_OK) return status;
    buffer header = {0};
    write_header(&header, tensors, tensor_count, meta, meta_count);
    if (header.failed)
        status = st_no_memory(log, path);
    else if (header.size > ST_MAX_HEADER)
        status = log_fail(log, PM_INVALID, "%s: its header would exceed 100 MB", path);
    else
        status = file_writer_open(log, path, out);
    if (status == PM_OK) {
        unsigned char prefix[ST_PREFIX];
        for (int i = 0; i < ST_PREFIX; i++) prefix[i] = (unsigned char)((uint64_t)header.size >> (8 * i));
        file_writer_seal(*out, ST_SEAL_AT);
        file_writer_put(*out, prefix, sizeof prefix);
        file_writer_put(*out, header.data, header.size);
    }
    free(header.data);
    return status;
}

pm_status st_write(const pm_log *log, const char *path, const st_tensor *tensors, size_t tensor_count,
                   const st_meta *meta, size_t meta_count)
{
    for (size_t i = 0; i < tensor_count; i++)
        if (tensors[i].size && !tensors[i].data)
            return log_fail(log, PM_INVALID, "%s: tensor '%s': its data are missing", path,
                            st_show(tensors[i].name).text);
    file_writer *writer = NULL;
    pm_status status = st_write_begin(log, path, tensors, tensor_count, meta, meta_count, &writer);
    if (status != PM_OK) return status;
    for (size_t i = 0; i < tensor_count; i++) file_writer_put(writer, tensors[i].data, (size_t)tensors[i].size);
    return file_writer_commit(&writer);
}
