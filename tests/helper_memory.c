/* Counts the allocator's calls, and keeps the blocks that are not freed. */
#include "helper_memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Names that the linker gives: see ld(1), --wrap. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *block);

enum { ROOM = 1 << 16 };
static void *blocks[ROOM]; /* open addressing; `gone` where one was */
static char gone_block;
static void *const gone = &gone_block;
static bool counting;
static size_t calls, failing, live;

static size_t slot_of(const void *block)
{
    return (size_t)((uintptr_t)block / 16 * 2654435761u) % ROOM;
}

static void *add(void *block)
{
    if (!counting || !block) return block;
    size_t at = slot_of(block);
    while (blocks[at] && blocks[at] != gone) at = (at + 1) % ROOM;
    blocks[at] = block;
    live++;
    return block;
}

/* Blocks of other libraries, or from before counting, are not in the table. */
static void drop(const void *block)
{
    size_t at = slot_of(block);
    if (!block || !counting) return;
    while (blocks[at] && blocks[at] != block) at = (at + 1) % ROOM;
    if (!blocks[at]) return;
    blocks[at] = gone;
    live--;
}

static bool fails(void)
{
    return counting && ++calls == failing;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : add(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : add(__real_calloc(count, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    if (fails()) return NULL;
    drop(block);
    return add(__real_realloc(block, size));
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : add(__real_strdup(text));
}

void __wrap_free(void *block)
{
    drop(block);
    __real_free(block);
}

void test_memory_begin(size_t n)
{
    memset(blocks, 0, sizeof blocks);
    calls = live = 0;
    failing = n;
    counting = true;
}

size_t test_memory_end(size_t *leaked)
{
    counting = false;
    *leaked = live;
    return calls;
}
