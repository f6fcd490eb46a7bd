/* The index of a model in several files, beside two good ones. */
#include <string.h>

#include "helper_fuzz.h"
#include "files/shards.h"

static void make_shards(void)
{
    static const float numbers[4];
    const st_tensor first[] = {{"a", ST_F32, 1, {4}, numbers, 16}, {"b", ST_F32, 2, {2, 2}, numbers, 16}};
    const st_tensor second[] = {{"c", ST_F32, 1, {0}, numbers, 0}, {"a", ST_F32, 1, {1}, numbers, 4}};
    REQUIRE(fuzz_done(st_write(fuzz_log(), fuzz_file("1.safetensors", "", 0), first, 2, NULL, 0)));
    REQUIRE(fuzz_done(st_write(fuzz_log(), fuzz_file("2.safetensors", "", 0), second, 2, NULL, 0)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    shard_set set;
    if (!made) make_shards();
    made = true;
    fuzz_file("model.safetensors.index.json", data, size);
    if (!fuzz_done(shards_open(fuzz_log(), fuzz_dir(), &set))) return 0;
    for (size_t i = 0; i < set.tensor_count; i++) {
        const st_tensor *t = set.tensors[i].tensor;
        REQUIRE(i == 0 || strcmp(set.tensors[i - 1].tensor->name, t->name) < 0);
        fuzz_touch(t->data, t->size);
    }
    shards_close(&set);
    return 0;
}
