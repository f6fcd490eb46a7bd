/* Unicode's normalisation form C, for texts of any size in linear time. The library utf8proc has the data. */
#ifndef TEXT_NFC_H
#define TEXT_NFC_H

#include <stdbool.h>
#include <stddef.h>

/* Which characters may change a text's form; threads share it. */
typedef struct nfc_table nfc_table;
nfc_table *nfc_table_make(void); /* NULL when short of memory */
void nfc_table_free(nfc_table *table);

/* How many bytes from the start of the text are in the form already, up to a character before which nothing changes. */
size_t nfc_same(const nfc_table *table, const char *text, size_t size);

/* Bytes that a text grows to, with `put` behind it. */
typedef struct nfc_out {
    char *text; /* (used), the caller's to free */
    size_t used, room;
} nfc_out;
bool nfc_put(nfc_out *out, const char *bytes, size_t size);

/* Appends the text's form. Bytes that are not UTF-8 stay, and nothing composes across them. False when short of memory. */
bool nfc_apply(const nfc_table *table, const char *text, size_t size, nfc_out *out);

#endif
