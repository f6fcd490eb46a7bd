/* Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { UTF8_CODES = 0x110000, UTF8_MAX = 4 };

/* Bytes of the character at `text`, which has `size` > 0 bytes left, with its code point in *code; 0 where the bytes
 * are not UTF-8. */
size_t utf8_decode(const char *text, size_t size, uint32_t *code);

/* Writes a valid code point; returns its bytes, 1 to 4. */
size_t utf8_encode(uint32_t code, char out[UTF8_MAX]);

/* Ends a text before what is not UTF-8, and after `most` bytes at the latest. It needs room for one byte more. Returns the text. */
char *utf8_cut(char *text, size_t most);

/* How many bytes from the start of the text are UTF-8. */
size_t utf8_valid(const char *text, size_t size);

#endif
