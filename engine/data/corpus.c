/* Tokens of a text, 2 or 4 bytes each, mapped from a cache file that is checked whole at every open:
 * tokens-KEY.bin = cache_header, then the tokens in this machine's byte order; KEY hashes text and tokenizer. */
#include <pumice/text.h>

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/control.h"
#include "base/hash.h"
#include "base/sized.h"
#include "data/corpus_text.h"
#include "files/file.h"
#include "text/tokenizer.h"

#define CACHE_MAGIC "PUMTOKEN"

enum { CACHE_VERSION = 1, CHUNK_TOKENS = 16384 };

/* Also tells whether a cache fits: all but `count` and `hash` are known before the tokens. */
typedef struct cache_header {
    char magic[8];
    uint32_t version;     /* another byte order reads as another version */
    uint32_t token_bytes; /* 2 or 4 */
    uint64_t vocab;
    uint64_t count; /* tokens */
    uint64_t text_bytes;
    uint64_t text_hash;
    uint64_t tokenizer_hash; /* and the recipe's */
    uint64_t hash;           /* of the stored tokens */
} cache_header;
_Static_assert(sizeof(cache_header) == 64, "written as it lies in memory, so without padding");

struct pm_corpus {
    const void *tokens; /* (count) of token_bytes, in map or in memory */
    size_t count;
    size_t documents; /* each ends with the end-of-text token */
    uint32_t token_bytes;
    uint64_t hash;
    file_map map;
    void *memory;
};

static uint64_t hash_words(uint64_t hash, const uint64_t *words, size_t count)
{
    return hash_bytes(hash, words, count * sizeof *words);
}

/* The cache file's path, after making its folder; NULL without one. */
static char *cache_path(const char *cache_dir, const cache_header *want)
{
    char *dir = file_cache_dir(cache_dir), *path = NULL;
    if (dir && file_make_dir(NULL, dir) == PM_OK) {
        const uint64_t words[] = {CACHE_VERSION, want->text_bytes, want->text_hash, want->tokenizer_hash};
        char name[48];
        snprintf(name, sizeof name, "tokens-%016" PRIx64 ".bin", hash_words(HASH_INIT, words, 4));
        path = file_join(dir, name);
    }
    free(dir);
    return path;
}

static bool tokens_below(const void *tokens, size_t count, uint32_t token_bytes, uint64_t vocab)
{
    uint32_t most = 0;
    if (token_bytes == 2) {
        const uint16_t *t = tokens;
        for (size_t i = 0; i < count; i++) most = t[i] > most ? t[i] : most;
    } else {
        const uint32_t *t = tokens;
        for (size_t i = 0; i < count; i++) most = t[i] > most ? t[i] : most;
    }
    return most < vocab;
}

/* What is wrong with a mapped cache, or NULL. */
static const char *cache_fault(const file_map *map, const cache_header *want, cache_header *found)
{
    if (map->size < sizeof *found) return "it is too short for its header";
    memcpy(found, map->data, sizeof *found);
    if (memcmp(found->magic, want->magic, sizeof found->magic) != 0) return "it is not a token cache";
    if (found->version != want->version) return "it has another version";
    if (found->token_bytes != want->token_bytes || found->vocab != want->vocab) return "its tokens have another form";
    if (found->text_bytes != want->text_bytes || found->text_hash != want->text_hash)
        return "it was made from another text";
    if (found->tokenizer_hash != want->tokenizer_hash) return "it is of another tokenizer";
    size_t payload = map->size - sizeof *found;
    if (!found->count || payload % found->token_bytes || found->count != payload / found->token_bytes) {
        return "its size is not what its header says";
    }
    const unsigned char *tokens = map->data + sizeof *found;
    if (hash_bytes(HASH_INIT, tokens, payload) != found->hash) return "its checksum is wrong";
    if (!tokens_below(tokens, (size_t)found->count, found->token_bytes, found->vocab)) return "it holds unknown tokens";
    return NULL;
}

/* Maps the cache if it is there and whole. Warns of a damaged one, which is then made again. */
static bool cache_load(const pm_log *log, const char *path, const cache_header *want, pm_corpus *corpus)
{
    if (!file_exists(path)) return false;
    file_map map;
    cache_header found;
    bool mapped = file_map_open(NULL, path, &map) == PM_OK;
    const char *fault = mapped ? cache_fault(&map, want, &found) : "it cannot be read";
    if (fault) {
        log_line(log, PM_LOG_WARN, "%s: this token cache is damaged (%s); making it again", path, fault);
        if (mapped) file_map_close(&map);
        return false;
    }
    corpus->map = map;
    corpus->tokens = map.data + sizeof found;
    corpus->count = (size_t)found.count;
    corpus->hash = found.hash;
    return true;
}

static bool cache_store(const char *path, const cache_header *want, const pm_corpus *corpus)
{
    cache_header header = *want;
    header.count = corpus->count;
    header.hash = corpus->hash;
    file_writer *writer;
    if (file_writer_open(NULL, path, &writer) != PM_OK) return false;
    file_writer_put(writer, &header, sizeof header);
    file_writer_put(writer, corpus->tokens, corpus->count * corpus->token_bytes);
    return file_writer_commit(&writer) == PM_OK;
}

static void store_tokens(void *to, size_t first, uint32_t token_bytes, const uint32_t *ids, size_t count)
{
    if (token_bytes == 2) {
        uint16_t *t = (uint16_t *)to + first;
        for (size_t i = 0; i < count; i++) t[i] = (uint16_t)ids[i];
    } else {
        memcpy((uint32_t *)to + first, ids, count * sizeof *ids);
    }
}

/* Makes room in memory for `count` more tokens; it grows by half. */
static bool reserve(pm_corpus *corpus, size_t *room, size_t count)
{
    if (count <= *room - corpus->count) return true;
    size_t wanted = *room + *room / 2 + count;
    void *grown =
        wanted <= SIZE_MAX / corpus->token_bytes ? realloc(corpus->memory, wanted * corpus->token_bytes) : NULL;
    if (!grown) return false;
    corpus->memory = grown;
    *room = wanted;
    return true;
}

/* How a text becomes tokens. */
typedef struct recipe {
    const pm_tokenizer *tok;
    bool documents, special;
    bool begins;         /* documents begin with the token that begins texts */
    pm_control *control; /* NULL: none */
} recipe;

/* A hash of what changes the tokens, for the cache's name; 0: nothing. */
static uint64_t recipe_hash(const recipe *r, const corpus_text *text)
{
    if (!r->documents && !r->special) return 0;
    const uint64_t words[] = {r->documents, r->special, r->tok->end};
    uint64_t hash = hash_words(HASH_INIT, words, 3);
    const uint64_t begin = r->tok->begin;
    if (r->begins) hash = hash_words(hash, &begin, 1);
    for (size_t i = 0; i < text->part_count && r->documents; i++) {
        const uint64_t start = text->parts[i].start;
        hash = hash_words(hash, &start, 1);
    }
    return hash;
}

/* A corpus being filled. */
typedef struct gathering {
    pm_corpus *corpus;
    pm_status stopped; /* PM_CANCELLED, or PM_OK */
    size_t room;
    uint64_t hash; /* of the text that was read */
    uint32_t chunk[CHUNK_TOKENS];
} gathering;

static bool gather(gathering *g, const uint32_t *ids, size_t count)
{
    pm_corpus *corpus = g->corpus;
    if (!reserve(corpus, &g->room, count)) return false;
    if (count) store_tokens(corpus->memory, corpus->count, corpus->token_bytes, ids, count);
    corpus->count += count;
    return true;
}

/* Encodes text[start, end) as a text of its own. *at: where a fault is. */
static bool encode_stretch(const corpus_text *text, size_t start, size_t end, const recipe *r, gathering *g,
                           tok_fault *fault, size_t *at)
{
    tok_walk walk;
    size_t made = 1;
    *fault = (tok_fault){.kind = TOK_FAULT_MEMORY};
    bool fine = tok_walk_begin(r->tok, text->data + start, end - start, &walk);
    walk.special = r->special;
    while (fine && made) {
        const size_t from = walk.at;
        control_report(r->control, "encode", start + from, text->size);
        g->stopped = control_gate(r->control);
        if (g->stopped != PM_OK) break;
        fine = tok_walk_next(&walk, g->chunk, CHUNK_TOKENS, &made, fault);
        if (fine && !gather(g, g->chunk, made)) {
            *fault = (tok_fault){.kind = TOK_FAULT_MEMORY};
            fine = false;
        }
        if (fine) g->hash = hash_bytes(g->hash, text->data + start + from, walk.at - from);
    }
    *at = start + walk.at;
    tok_walk_end(&walk);
    return fine && g->stopped == PM_OK;
}

/* Encodes into memory a chunk at a time, so that only the narrow tokens take room. A mapped text may change meanwhile.
 * So it is hashed again as it is read: the cache's name must fit what was read. */
static pm_status encode(const pm_log *log, const char *path, const corpus_text *text, const recipe *r,
                        uint64_t text_hash, pm_corpus *corpus)
{
    pm_status status = PM_OK;
    tok_fault fault = {.kind = TOK_FAULT_MEMORY};
    size_t at = 0;
    gathering *g = malloc(sizeof *g);
    bool fine = g != NULL;
    if (g) {
        g->corpus = corpus;
        g->room = 0;
        g->hash = HASH_INIT;
        g->stopped = PM_OK;
    }
    const bool apart = r->documents && text->part_count > 0;
    for (size_t part = 0; fine && part < (apart ? text->part_count : 1); part++) {
        const size_t start = apart ? text->parts[part].start : 0,
                     end = apart ? corpus_text_part_end(text, part) : text->size;
        if (r->begins && end > start) fine = gather(g, &r->tok->begin, 1);
        fine = fine && encode_stretch(text, start, end, r, g, &fault, &at);
        if (fine && r->documents && end > start) fine = gather(g, &r->tok->end, 1);
    }
    if (g && g->stopped != PM_OK) {
        status = g->stopped;
    } else if (!fine) {
        const char *where = corpus_text_where(text, path, &at);
        status = tok_fault_fail(log, where, at, &fault);
    } else if (g->hash != text_hash) {
        status = log_fail(log, PM_IO, "%s: changed while it was read; try again once nothing writes to it", path);
    } else if (corpus->count <= corpus->documents * (r->begins ? 2 : 1)) {
        status = log_fail(log, PM_FORMAT, "%s: has nothing but white space; give a file with text", path);
    }
    corpus->tokens = corpus->memory;
    if (status == PM_OK) corpus->hash = hash_bytes(HASH_INIT, corpus->memory, corpus->count * corpus->token_bytes);
    free(g);
    return status;
}

/* Encodes, and swaps the memory for a map of the new cache where one can be made. */
static pm_status build(const pm_log *log, const char *path, const char *cache, const cache_header *want,
                       const corpus_text *text, const recipe *r, pm_corpus *corpus)
{
    pm_status status = encode(log, path, text, r, want->text_hash, corpus);
    if (status != PM_OK) return status;
    if (cache && cache_store(cache, want, corpus) && cache_load(log, cache, want, corpus)) {
        free(corpus->memory);
        corpus->memory = NULL;
    } else {
        log_line(log, PM_LOG_DEBUG, "%s: no cache folder that can be written; its tokens stay in memory", path);
    }
    return PM_OK;
}

/* Refuses files that are no UTF-8 text; where tokens are bytes it only warns. Warns of a text that spells the end-of-text token: it is then read
 * as text. */
static pm_status check_text(const pm_log *log, const char *path, const corpus_text *text, const recipe *r)
{
    const pm_tokenizer *tok = r->tok;
    const char *file, *foreign = corpus_text_foreign(text, path, &file);
    const bool bytes = tok->form.unit == TOK_UNIT_BYTE && !tok->form.merges;
    if (foreign && !bytes) return log_fail(log, PM_FORMAT, "%s: %s", file, foreign);
    if (foreign) log_line(log, PM_LOG_WARN, "%s: %s, or its bytes are read as they are", file, foreign);
    if (tok->end == TOK_NONE || r->special) return PM_OK;
    size_t size = 0;
    const char *end = pm_tokenizer_piece(tok, tok->end, &size);
    for (size_t at = 0; size && size <= text->size - at;) {
        const char *found = memchr(text->data + at, end[0], text->size - at - size + 1);
        if (!found) break;
        at = (size_t)(found - text->data);
        if (memcmp(found, end, size) == 0) {
            const char *where = corpus_text_where(text, path, &at);
            log_line(
                log, PM_LOG_WARN,
                "%s: spells %.*s at byte %zu, which is read as text like any other; where it ends documents, ask for "
                "special tokens",
                where, (int)size, end, at);
            break;
        }
        at++;
    }
    return PM_OK;
}

static pm_status read_recipe(const pm_log *log, const char *path, const corpus_text *text, const pm_tokenizer *tok,
                             const pm_corpus_params *params, recipe *out)
{
    const pm_documents documents = params->documents;
    const bool ends = tok->end != TOK_NONE;
    *out = (recipe){.tok = tok, .special = params->special, .control = params->control};
    if (documents == PM_DOCUMENTS_ON && !ends)
        return log_fail(log, PM_INVALID, "%s: the tokenizer, of kind %s, has no token that ends a document", path,
                        tok_form_kind(&tok->form));
    out->documents = documents == PM_DOCUMENTS_ON || (documents == PM_DOCUMENTS_AUTO && ends && text->part_count > 0);
    out->begins = out->documents && pm_tokenizer_adds_begin(tok);
    return check_text(log, path, text, out);
}

static size_t count_documents(const recipe *r, const corpus_text *text)
{
    size_t count = 0;
    if (!r->documents) return 0;
    for (size_t i = 0; i < text->part_count; i++) count += corpus_text_part_end(text, i) > text->parts[i].start;
    return text->part_count ? count : 1;
}

pm_status pm_corpus_open_with_sized(const pm_log *log, const char *path, const pm_tokenizer *tok,
                                    const pm_corpus_params *given, size_t given_size, pm_corpus **out)
{
    pm_corpus_params params;
    corpus_text text;
    recipe r;
    pm_status status = sized_read(log, "pm_corpus_params", given, given_size, &params, sizeof params);
    if (status == PM_OK) status = corpus_text_open(log, path, &text);
    if (status != PM_OK) return status;
    status = read_recipe(log, path, &text, tok, &params, &r);
    if (status != PM_OK) {
        corpus_text_close(&text);
        return status;
    }
    const uint64_t more = recipe_hash(&r, &text), words[] = {tok->hash, more};
    cache_header want = {.version = CACHE_VERSION,
                         .token_bytes = tok->vocab <= 65536 ? 2 : 4,
                         .vocab = tok->vocab,
                         .text_bytes = text.size,
                         .text_hash = hash_bytes(HASH_INIT, text.data, text.size),
                         .tokenizer_hash = more ? hash_words(HASH_INIT, words, 2) : tok->hash};
    memcpy(want.magic, CACHE_MAGIC, sizeof want.magic);
    char *cache = cache_path(params.cache_dir, &want);
    pm_corpus *corpus = calloc(1, sizeof *corpus);
    if (!corpus) {
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory", path);
    } else {
        corpus->token_bytes = want.token_bytes;
        corpus->documents = count_documents(&r, &text);
        if (!cache || !cache_load(log, cache, &want, corpus)) {
            status = build(log, path, cache, &want, &text, &r, corpus);
        }
    }
    free(cache);
    corpus_text_close(&text);
    if (status == PM_OK)
        *out = corpus;
    else
        pm_corpus_close(&corpus);
    return status;
}

pm_status pm_corpus_open(const pm_log *log, const char *path, const pm_tokenizer *tok, pm_corpus **out)
{
    return pm_corpus_open_with(log, path, tok, NULL, out);
}

void pm_corpus_close(pm_corpus **corpus)
{
    pm_corpus *c = *corpus;
    if (!c) return;
    *corpus = NULL;
    file_map_close(&c->map);
    free(c->memory);
    free(c);
}

size_t pm_corpus_size(const pm_corpus *corpus)
{
    return corpus->count;
}

size_t pm_corpus_documents(const pm_corpus *corpus)
{
    return corpus->documents;
}

uint64_t pm_corpus_hash(const pm_corpus *corpus)
{
    return corpus->hash;
}

void pm_corpus_read(const pm_corpus *corpus, size_t first, size_t count, int32_t *out)
{
    assert(first <= corpus->count && count <= corpus->count - first);
    if (corpus->token_bytes == 2) {
        const uint16_t *t = (const uint16_t *)corpus->tokens + first;
        for (size_t i = 0; i < count; i++) out[i] = t[i];
    } else {
        memcpy(out, (const uint32_t *)corpus->tokens + first, count * sizeof *out);
    }
}

bool pm_corpus_has(const pm_corpus *corpus, size_t first, size_t count, uint32_t token)
{
    assert(first <= corpus->count && count <= corpus->count - first);
    if (corpus->token_bytes == 2) {
        const uint16_t *t = (const uint16_t *)corpus->tokens + first;
        for (size_t i = 0; i < count; i++)
            if (t[i] == token) return true;
    } else {
        const uint32_t *t = (const uint32_t *)corpus->tokens + first;
        for (size_t i = 0; i < count; i++)
            if (t[i] == token) return true;
    }
    return false;
}
