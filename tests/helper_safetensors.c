#define _POSIX_C_SOURCE 200809L
#include "helper_safetensors.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files/file.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_system.h"

char *sample_dir;
char sample_path[300], second_path[300];
pm_log log_here;

int make_dir(void **state)
{
    (void)state;
    log_here = test_log();
    sample_dir = test_dir_make();
    snprintf(sample_path, sizeof sample_path, "%s/a.safetensors", sample_dir);
    snprintf(second_path, sizeof second_path, "%s/b.safetensors", sample_dir);
    return 0;
}

int remove_dir(void **state)
{
    (void)state;
    test_dir_remove(sample_dir);
    return 0;
}

void put_raw(const void *bytes, size_t size)
{
    remove(sample_path); /* some file systems wait for the disk when a file is cut to nothing and written again */
    FILE *f = fopen(sample_path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

void put_file(uint64_t length, const char *header, size_t header_size, size_t data_size)
{
    unsigned char *bytes = malloc(8 + header_size + data_size);
    assert_non_null(bytes);
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(length >> (8 * i));
    memcpy(bytes + 8, header, header_size);
    for (size_t i = 0; i < data_size; i++) bytes[8 + header_size + i] = (unsigned char)i;
    put_raw(bytes, 8 + header_size + data_size);
    free(bytes);
}

void refused_now(const char *what, pm_status want)
{
    st_file file = {.tensor_count = 77};
    test_log_reset();
    pm_status status = st_open(&log_here, sample_path, &file);
    if (status != want || test_log_count(PM_LOG_ERROR) != 1 || !strstr(test_last_error(), sample_path) ||
        strchr(test_last_error(), '\n'))
        print_error("%s: status %d, %d lines: %s\n", what, status, (int)test_log_count(PM_LOG_ERROR),
                    test_last_error());
    assert_int_equal(status, want);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    assert_non_null(strstr(test_last_error(), sample_path));
    assert_null(strchr(test_last_error(), '\n'));
    assert_int_equal(file.tensor_count, 77); /* untouched on failure */
}

void refused(const char *header, size_t data_size)
{
    put_file(strlen(header), header, strlen(header), data_size);
    refused_now(header, PM_FORMAT);
}

void accepted(const char *header, size_t data_size, size_t tensors)
{
    st_file file;
    put_file(strlen(header), header, strlen(header), data_size);
    test_log_reset();
    pm_status status = st_open(&log_here, sample_path, &file);
    if (status != PM_OK) print_error("%s: %s\n", header, test_last_error());
    assert_int_equal(status, PM_OK);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 0);
    assert_int_equal(file.tensor_count, tensors);
    st_close(&file);
    assert_null(file.tensors);
}

char *read_back(const char *from, size_t *size)
{
    char *data;
    assert_int_equal(file_read(&log_here, from, &data, size), PM_OK);
    return data;
}

char *in_text(char *text, size_t size, const char *part)
{
    for (size_t at = 0; at + strlen(part) <= size; at++)
        if (memcmp(text + at, part, strlen(part)) == 0) return text + at;
    return NULL;
}

/* ---- the sample ------------------------------------------------------------------------------------------------------- */

const float weights[6] = {1, -2, 3.5f, 0, 1e-30f, 7};
static const uint16_t halves[3] = {0x3c00, 0xc000, 0x7bff};
static const int64_t longs[2] = {-1, INT64_MAX};
static const int32_t whole[1] = {42};
const unsigned char bytes5[5] = {0, 1, 2, 254, 255};

st_tensor tensor(const char *name, st_dtype dtype, uint32_t rank, uint64_t d0, uint64_t d1, const void *data,
                 uint64_t size)
{
    return (st_tensor){(char *)name, dtype, rank, {d0, d1}, data, size};
}

size_t sample(st_tensor *t)
{
    size_t n = 0;
    t[n++] = tensor("wte.weight", ST_F32, 2, 2, 3, weights, sizeof weights);
    t[n++] = tensor("odd", ST_U8, 1, 5, 0, bytes5, sizeof bytes5);
    t[n++] = tensor("z empty", ST_F32, 2, 0, 9, NULL, 0);
    t[n++] = tensor("a empty", ST_I64, 1, 0, 0, NULL, 0);
    t[n++] = tensor("half", ST_F16, 1, 3, 0, halves, sizeof halves);
    t[n++] = tensor("bhalf \"quoted\\\" \n\t\x01 \xc3\xa9\xf0\x9f\x98\x80/", ST_BF16, 2, 3, 1, halves, sizeof halves);
    t[n++] = tensor("", ST_I64, 1, 2, 0, longs, sizeof longs);
    t[n++] = tensor("scalar", ST_I32, 0, 0, 0, whole, sizeof whole);
    return n;
}

const st_meta sample_meta[3] = {{"format", "pt"}, {"note \"x\"", "line\nline \xe2\x82\xac"}, {"a", ""}};

void write_sample(void)
{
    st_tensor t[8];
    size_t n = sample(t);
    assert_int_equal(st_write(&log_here, sample_path, t, n, sample_meta, 3), PM_OK);
}
