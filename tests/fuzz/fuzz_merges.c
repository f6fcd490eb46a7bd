/* A merges file beside a good vocabulary of GPT-2's kind. The second part is a text to encode. */
#include "helper_fuzz.h"
#include "helper_fuzz_text.h"

static const char more[] = ",\"ab\":256,\"ba\":257,\"aa\":258,\"aab\":259,\"aba\":260,\"aaaa\":261,\"\xC4\xA0"
                           "a\":262,\"bb\":263}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    fuzz_part parts[2];
    pm_tokenizer *tok = NULL;
    if (!made) fuzz_gpt2_vocab("encoder.json", more, sizeof more - 1);
    made = true;
    fuzz_cut(data, size, parts, 2);
    fuzz_file("vocab.bpe", parts[0].text, parts[0].size);
    if (!fuzz_done(pm_tokenizer_load(fuzz_log(), fuzz_dir(), &tok))) return 0;
    fuzz_encode(tok, parts[1].text, parts[1].size);
    pm_tokenizer_destroy(&tok);
    return 0;
}
