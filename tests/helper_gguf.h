/* GGUF files for tests, made byte by byte, and opened from memory and in pieces. */
#ifndef HELPER_GGUF_H
#define HELPER_GGUF_H

#include <stddef.h>
#include <stdint.h>

#include "files/gguf.h"

/* The file at hand. */
enum { MADE_MOST = 1 << 18 };
extern unsigned char made[MADE_MOST];
extern size_t made_size;
extern pm_log made_log; /* keeps the last line */

void make_begin(uint32_t version, uint64_t tensors, uint64_t keys);
void make_number(uint64_t value, int bytes);
void make_text(const char *text); /* its length, and it */
void make_key(const char *key, gguf_value type);
/* A key, the type and count of its array. */
void make_array(const char *key, gguf_value type, uint64_t count);
void make_tensor(const char *name, uint32_t rank, uint64_t d0, uint64_t d1, uint32_t type, uint64_t offset);
/* Zeros up to a multiple of this. */
void make_pad(size_t alignment);

/* Where the file comes from. */
typedef enum made_way { MADE_MEMORY, MADE_READ, MADE_WAYS } made_way;
/* Opens it as a.gguf of a source whose name is "made". */
pm_status made_try(made_way way, gguf_file *out);
/* The same where it tells another size; bytes beyond its end are zeros. */
pm_status made_try_lied(uint64_t told, gguf_file *out);
/* Opens it where that must succeed. */
void made_open(made_way way, gguf_file *out);
/* Fails the test unless it is refused, by each way, with one line that names the file and has the words in it. */
void made_refused(const char *words);

#endif
