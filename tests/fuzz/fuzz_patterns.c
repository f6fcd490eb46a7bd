/* Two patterns, one after the other, and a text that they cut, in three parts. The pieces joined are the text, and no pattern takes long. */
#include <string.h>

#include "helper_fuzz.h"
#include "text/cut.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_part parts[3];
    tok_form form = {.cut = TOK_CUT_SPLITS, .unit = TOK_UNIT_BYTE, .merges = true};
    cut_rules *rules = NULL;
    bool slow = false;
    fuzz_cut(data, size, parts, 3);
    for (int i = 0; i < 2; i++) {
        if (parts[i].size >= TOK_PATTERN) return 0;
        memcpy(form.splits[i], parts[i].text, parts[i].size);
    }
    if (!fuzz_done(cut_rules_make(fuzz_log(), "name", &form, &rules))) return 0;
    cut_walk *walk = cut_walk_make(rules);
    REQUIRE(walk);
    for (size_t at = 0, length; at < parts[2].size; at += length) {
        length = cut_walk_next(walk, parts[2].text, parts[2].size, at, &slow);
        REQUIRE(length <= parts[2].size - at && (length > 0) == !slow);
        if (slow) break;
    }
    cut_walk_free(walk);
    cut_rules_free(rules);
    return 0;
}
