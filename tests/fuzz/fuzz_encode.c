/* A tokenizer's kind, or "learn" for one of kind "gpt2" that learns from the text. The second part is the text. */
#include <string.h>

#include "helper_fuzz.h"
#include "helper_fuzz_text.h"

static const char gpt1_vocab[] =
    "{\"a\":0,\"b\":1,\"c\":2,\"a</w>\":3,\"b</w>\":4,\"c</w>\":5,\"ab\":6,\"ab</w>\":7,\"abc</w>\":8,"
    "\"'s</w>\":9,\"'\":10,\"s</w>\":11,\".</w>\":12,\"\\n</w>\":13,\"<unk>\":14,\"\xC3\xA9</w>\":15}";
static const char gpt1_merges[] = "#version: 0.2\na b\na b</w>\nab c</w>\n' s</w>\n";
static const char some_text[] = "the cat and the hat, and 12 cats' hats; it's the cat's hat.\n  the end\n";

static void make(pm_tokenizer *toks[3])
{
    fuzz_file("encoder_bpe_40000.json", gpt1_vocab, sizeof gpt1_vocab - 1);
    fuzz_file("vocab_40000.bpe", gpt1_merges, sizeof gpt1_merges - 1);
    REQUIRE(fuzz_done(pm_tokenizer_load(fuzz_log(), fuzz_dir(), &toks[0])));
    REQUIRE(fuzz_done(pm_tokenizer_train(fuzz_log(), "text", some_text, sizeof some_text - 1, 262, &toks[1])));
    REQUIRE(fuzz_done(pm_tokenizer_chars(fuzz_log(), "text", some_text, sizeof some_text - 1, &toks[2])));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pm_tokenizer *toks[3];
    fuzz_part parts[2];
    pm_tokenizer *own = NULL;
    if (!toks[0]) make(toks);
    fuzz_cut(data, size, parts, 2);
    const fuzz_part kind = parts[0], text = parts[1];
    for (int k = 0; k < 3; k++) {
        const char *name = pm_tokenizer_kind(toks[k]);
        if (kind.size == strlen(name) && memcmp(kind.text, name, kind.size) == 0)
            fuzz_encode(toks[k], text.text, text.size);
    }
    if (kind.size != 5 || memcmp(kind.text, "learn", 5) != 0) return 0;
    if (!fuzz_done(pm_tokenizer_train(fuzz_log(), "text", text.text, text.size, PM_TOKENIZER_TRAIN_MIN + 20, &own)))
        return 0;
    fuzz_encode(own, text.text, text.size);
    pm_tokenizer_destroy(&own);
    return 0;
}
