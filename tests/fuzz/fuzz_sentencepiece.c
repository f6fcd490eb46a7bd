/* SentencePiece's tokenizer.model, behind tokenizer_config.json and a text to encode, in three parts. An accepted tokenizer, saved and loaded again, is
 * the same. */
#include "helper_fuzz.h"
#include "helper_fuzz_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_part parts[3];
    pm_tokenizer *tok = NULL, *again = NULL;
    fuzz_cut(data, size, parts, 3);
    const size_t rest = size - (size_t)(parts[2].text - (const char *)data); /* the model may have lines of dashes */
    fuzz_no_file("tokenizer.json");
    if (parts[0].size)
        fuzz_file("tokenizer_config.json", parts[0].text, parts[0].size);
    else
        fuzz_no_file("tokenizer_config.json");
    fuzz_file("tokenizer.model", parts[2].text, size ? rest : 0);
    if (!fuzz_done(pm_tokenizer_load(fuzz_log(), fuzz_dir(), &tok))) return 0;
    fuzz_encode(tok, parts[1].text, parts[1].size);
    REQUIRE(fuzz_done(pm_tokenizer_save(fuzz_log(), tok, fuzz_dir())));
    REQUIRE(fuzz_done(pm_tokenizer_load(fuzz_log(), fuzz_dir(), &again)));
    REQUIRE(pm_tokenizer_hash(again) == pm_tokenizer_hash(tok));
    pm_tokenizer_destroy(&tok);
    pm_tokenizer_destroy(&again);
    return 0;
}
