/* A tokenizer's folder: tokenizer_config.json, vocab.json, merges.txt, a text to encode, tokenizer.json and added_tokens.json, in six parts. An empty
 * part means no file. A vocab that begins with "+" continues behind the 256 bytes that GPT-2's must have. An accepted tokenizer, saved and loaded
 * again, is the same. */
#include "helper_fuzz.h"
#include "helper_fuzz_text.h"

static void put_part(const char *name, fuzz_part part)
{
    if (part.size)
        fuzz_file(name, part.text, part.size);
    else
        fuzz_no_file(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_part parts[6];
    pm_tokenizer *tok = NULL, *again = NULL;
    fuzz_cut(data, size, parts, 6);
    put_part("tokenizer_config.json", parts[0]);
    if (parts[1].size && parts[1].text[0] == '+')
        fuzz_gpt2_vocab("vocab.json", parts[1].text + 1, parts[1].size - 1);
    else
        put_part("vocab.json", parts[1]);
    put_part("merges.txt", parts[2]);
    put_part("tokenizer.json", parts[4]);
    put_part("added_tokens.json", parts[5]);
    if (!fuzz_done(pm_tokenizer_load(fuzz_log(), fuzz_dir(), &tok))) return 0;
    fuzz_encode(tok, parts[3].text, parts[3].size);
    REQUIRE(fuzz_done(pm_tokenizer_save(fuzz_log(), tok, fuzz_dir())));
    REQUIRE(fuzz_done(pm_tokenizer_load(fuzz_log(), fuzz_dir(), &again)));
    REQUIRE(pm_tokenizer_hash(again) == pm_tokenizer_hash(tok));
    pm_tokenizer_destroy(&tok);
    pm_tokenizer_destroy(&again);
    return 0;
}
