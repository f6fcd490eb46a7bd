/* What the fuzzers share: files in memory for loaders that take a path, inputs of several parts, and a log that checks the library's rules. A fuzzer
 * is one function. A finding ends the process, which libFuzzer reports with the input. */
#ifndef HELPER_FUZZ_H
#define HELPER_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pumice/status.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input. */
#define REQUIRE(condition) ((condition) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #condition))
_Noreturn void fuzz_broken(const char *file, int line, const char *what);

/* ---- files ---- */

/* The process's own folder, in memory where the system has such a place. */
const char *fuzz_dir(void);
/* Writes a file with these bytes into that folder. Its path lives until the eighth call from here. */
const char *fuzz_file(const char *name, const void *data, size_t size);
void fuzz_no_file(const char *name);

/* ---- inputs ---- */

typedef struct fuzz_part {
    const char *text;
    size_t size;
} fuzz_part;

/* Cuts an input at lines of four dashes into `count` parts; the last ones are empty where there are fewer. */
void fuzz_cut(const uint8_t *data, size_t size, fuzz_part *parts, size_t count);

/* Writes a safetensors file from the input, as it is. An input that begins like JSON is a header and, in a second part, data; the length before the
 * header is then put right. */
const char *fuzz_safetensors(const char *name, const uint8_t *data, size_t size);

/* A good file damaged as the input says. The rest of the input overwrites it from byte 256 a + b on, and ends it where c is odd; a, b and c are the
 * input's first bytes. malloc'd. For files that begin with hashes, which no guess would meet. */
unsigned char *fuzz_damage(const void *good, size_t good_size, const uint8_t *data, size_t size, size_t *out_size);

/* ---- rules ---- */

/* Lines must have no control characters, whatever a file contains. */
const pm_log *fuzz_log(void);
/* Ends a call: requires one error line since the last one, or none where the call succeeded. Returns whether it succeeded. */
bool fuzz_done(pm_status status);
/* Reads each byte, for the sanitizers. */
void fuzz_touch(const void *data, size_t size);

#endif
