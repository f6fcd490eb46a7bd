/* Writing tokenizer.json. Each step of the description is the part that hf_form.c reads to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/json_file.h"
#include "text/spelling.h"
#include "text/tokenizer_hf.h"

bool tok_hf_can_write(const pm_tokenizer *tok)
{
    return tok->form.merges && tok->form.unit != TOK_UNIT_WORD && !tok->same_count;
}

/* Each of these returns NULL, or false, when short of memory. */
static cJSON *parse(const char *text)
{
    return json_parse(text, strlen(text) + 1, NULL, true);
}

/* Puts an item into an object, or at the end of a list for which `last` is kept. */
static bool add(cJSON *object, const char *key, cJSON *item)
{
    if (item && cJSON_AddItemToObject(object, key, item)) return true;
    cJSON_Delete(item);
    return false;
}

static bool append(cJSON *list, cJSON *item)
{
    if (item && cJSON_AddItemToArray(list, item)) return true;
    cJSON_Delete(item);
    return false;
}

/* ---- the chain ---- */

static cJSON *replace_of(const char *kind, const char *pattern, const char *content)
{
    cJSON *part = cJSON_CreateObject(), *inner = cJSON_CreateObject();
    if (part && inner && cJSON_AddStringToObject(part, "type", "Replace") &&
        cJSON_AddStringToObject(inner, kind, pattern) && add(part, "pattern", inner)) {
        if (cJSON_AddStringToObject(part, "content", content)) return part;
        inner = NULL;
    }
    cJSON_Delete(part);
    return NULL;
}

static cJSON *normalizer_of(const tok_form *form)
{
    if (form->nfc) return parse("{\"type\":\"NFC\"}");
    if (!form->blanks || form->unless) return cJSON_CreateNull();
    if (form->prefix == TOK_PREFIX_NONE && !form->squeeze) return replace_of("String", " ", SPELLING_BLANK);
    cJSON *part = parse("{\"type\":\"Sequence\",\"normalizers\":[]}");
    cJSON *list = cJSON_GetObjectItemCaseSensitive(part, "normalizers");
    bool fine = list != NULL;
    if (form->squeeze)
        fine =
            fine && append(list, replace_of("Regex", HF_ENDS, "")) && append(list, replace_of("Regex", HF_BLANKS, " "));
    if (form->prefix != TOK_PREFIX_NONE)
        fine = fine && append(list, parse("{\"type\":\"Prepend\",\"prepend\":\"" SPELLING_BLANK "\"}"));
    fine = fine && append(list, replace_of("String", " ", SPELLING_BLANK));
    if (fine) return part;
    cJSON_Delete(part);
    return NULL;
}

static cJSON *split_of(const char *pattern)
{
    cJSON *part = parse("{\"type\":\"Split\",\"pattern\":{},\"behavior\":\"Isolated\",\"invert\":false}");
    cJSON *inner = cJSON_GetObjectItemCaseSensitive(part, "pattern");
    if (inner && cJSON_AddStringToObject(inner, "Regex", pattern)) return part;
    cJSON_Delete(part);
    return NULL;
}

static cJSON *byte_level(bool prefix, bool cuts)
{
    char text[128];
    snprintf(text, sizeof text,
             "{\"type\":\"ByteLevel\",\"add_prefix_space\":%s,\"trim_offsets\":true,\"use_regex\":%s}",
             prefix ? "true" : "false", cuts ? "true" : "false");
    return parse(text);
}

static cJSON *pre_tokenizer_of(const tok_form *form)
{
    static const char *const schemes[] = {"never", "first", "always"};
    char text[160];
    if (form->unit == TOK_UNIT_CHAR) {
        if (!form->unless) return cJSON_CreateNull();
        snprintf(text, sizeof text,
                 "{\"type\":\"Metaspace\",\"replacement\":\"" SPELLING_BLANK
                 "\",\"prepend_scheme\":\"%s\",\"split\":%s}",
                 schemes[form->prefix], form->apart ? "true" : "false");
        return parse(text);
    }
    const uint32_t count = tok_form_splits(form);
    const bool cuts = count > 0 && strcmp(form->splits[count - 1], TOK_GPT2_PATTERN) == 0;
    const bool prefix = form->prefix != TOK_PREFIX_NONE && count <= cuts;
    if (count <= cuts) return byte_level(prefix, cuts);
    cJSON *part = parse("{\"type\":\"Sequence\",\"pretokenizers\":[]}");
    cJSON *list = cJSON_GetObjectItemCaseSensitive(part, "pretokenizers");
    bool fine = list != NULL;
    for (uint32_t i = 0; i + cuts < count && fine; i++) fine = append(list, split_of(form->splits[i]));
    if (fine && append(list, byte_level(prefix, cuts))) return part;
    cJSON_Delete(part);
    return NULL;
}

/* {"SpecialToken": …} into the template, and the token's id into its list. */
static bool put_special(const pm_tokenizer *tok, cJSON *single, cJSON *tokens, uint32_t id)
{
    char *name = tok_name_of(tok, id);
    cJSON *outer = cJSON_CreateObject(), *inner = cJSON_CreateObject(), *token = NULL, *ids = NULL, *names = NULL;
    bool fine = name && outer && inner && cJSON_AddStringToObject(inner, "id", name) &&
                cJSON_AddNumberToObject(inner, "type_id", 0);
    if (fine) {
        fine = add(outer, "SpecialToken", inner);
        inner = NULL;
        fine = fine && append(single, outer);
        outer = NULL;
    }
    if (fine && !cJSON_GetObjectItemCaseSensitive(tokens, name)) {
        token = cJSON_AddObjectToObject(tokens, name);
        fine = token && cJSON_AddStringToObject(token, "id", name);
        ids = fine ? cJSON_AddArrayToObject(token, "ids") : NULL;
        names = fine ? cJSON_AddArrayToObject(token, "tokens") : NULL;
        fine = ids && names && append(ids, cJSON_CreateNumber(id)) && append(names, cJSON_CreateString(name));
    }
    cJSON_Delete(outer);
    cJSON_Delete(inner);
    free(name);
    return fine;
}

static cJSON *post_processor_of(const pm_tokenizer *tok)
{
    if (!tok->puts_begin && !tok->puts_end)
        return tok->form.unit == TOK_UNIT_BYTE ? byte_level(true, true) : cJSON_CreateNull();
    cJSON *part = parse("{\"type\":\"TemplateProcessing\",\"single\":[],\"pair\":[],\"special_tokens\":{}}");
    cJSON *tokens = cJSON_GetObjectItemCaseSensitive(part, "special_tokens");
    bool fine = tokens != NULL;
    for (int pair = 0; pair < 2 && fine; pair++) {
        cJSON *list = cJSON_GetObjectItemCaseSensitive(part, pair ? "pair" : "single");
        for (int text = 0; text <= pair && fine; text++) {
            fine = !tok->puts_begin || put_special(tok, list, tokens, tok->begin);
            fine = fine && append(list, parse(text ? "{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}"
                                                   : "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"));
            fine = fine && (!tok->puts_end || put_special(tok, list, tokens, tok->end));
        }
    }
    if (fine) return part;
    cJSON_Delete(part);
    return NULL;
}

static cJSON *decoder_of(const tok_form *form)
{
    if (form->unit == TOK_UNIT_BYTE) return byte_level(true, true);
    cJSON *part = parse("{\"type\":\"Sequence\",\"decoders\":[]}");
    cJSON *list = cJSON_GetObjectItemCaseSensitive(part, "decoders");
    bool fine = list && append(list, replace_of("String", SPELLING_BLANK, " ")) &&
                append(list, parse("{\"type\":\"ByteFallback\"}")) && append(list, parse("{\"type\":\"Fuse\"}"));
    if (form->drops)
        fine = fine && append(list, parse("{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}"));
    if (fine) return part;
    cJSON_Delete(part);
    return NULL;
}

/* ---- added tokens and the model ---- */

static bool put_added(const pm_tokenizer *tok, const tok_added *added, cJSON *list)
{
    char *text = tok_added_content(tok, added);
    cJSON *item = cJSON_CreateObject();
    const bool fine =
        text && item && cJSON_AddNumberToObject(item, "id", tok_entry_id(tok->vocab, tok->same, added->entry)) &&
        cJSON_AddStringToObject(item, "content", text) && cJSON_AddFalseToObject(item, "single_word") &&
        cJSON_AddBoolToObject(item, "lstrip", added->lstrip) && cJSON_AddBoolToObject(item, "rstrip", added->rstrip) &&
        cJSON_AddBoolToObject(item, "normalized", added->inner && !tok_is_users(tok, added)) &&
        cJSON_AddBoolToObject(item, "special", added->kind == TOK_ADDED_SPECIAL);
    free(text);
    if (fine) return append(list, item);
    cJSON_Delete(item);
    return false;
}

/* In the order of their ids, in which the library gives ids to those that the model lacks. */
static cJSON *added_of(const pm_tokenizer *tok)
{
    cJSON *list = cJSON_CreateArray();
    bool fine = list != NULL;
    uint32_t from = 0;
    for (size_t n = 0; n < tok->added_count && fine; n++) {
        const tok_added *next = NULL;
        for (size_t i = 0; i < tok->added_count; i++) {
            const tok_added *one = &tok->added[i];
            if (one->entry >= from && (!next || one->entry < next->entry)) next = one;
        }
        if (!next) break;
        fine = put_added(tok, next, list);
        from = next->entry + 1;
    }
    if (fine) return list;
    cJSON_Delete(list);
    return NULL;
}

/* Whether the model has a token: all but added ones that are spelled as another token is, or that a text must not become. */
static bool in_model(const pm_tokenizer *tok, const tok_index *index, uint32_t entry, bool only)
{
    uint32_t code;
    const char *piece = tok->pieces + tok->starts[entry];
    const size_t size = tok_entry_size(tok, entry);
    if (size == 0) return false;
    if (!only || tok_is_byte(tok, entry)) return true;
    return tok_index_entry(index, piece, size) == TOK_NONE &&
           (tok->form.unit == TOK_UNIT_BYTE ? size > 1 : utf8_decode(piece, size, &code) != size);
}

static bool put_vocab(const pm_tokenizer *tok, const tok_index *index, cJSON *vocab)
{
    bool fine = true;
    for (uint32_t entry = 0, at = 0; entry < tok->vocab + tok->same_count && fine; entry++) {
        const bool only = tok_is_only(tok->only, tok->only_count, &at, entry);
        if (!in_model(tok, index, entry, only)) continue;
        char *text = tok_bpe_spell(tok, entry);
        fine = text && cJSON_AddNumberToObject(vocab, text, tok_entry_id(tok->vocab, tok->same, entry));
        free(text);
    }
    return fine;
}

static bool put_merges(const pm_tokenizer *tok, cJSON *merges)
{
    bool fine = true;
    for (uint32_t i = 0; i < tok->merges.count && fine; i++) {
        uint32_t left_name, right_name;
        tok_merge_names(tok, &tok->merges.merges[i], &left_name, &right_name);
        char *left = tok_bpe_spell(tok, left_name), *right = tok_bpe_spell(tok, right_name), *both = NULL;
        const size_t size = left ? strlen(left) : 0;
        if (left && right && (both = malloc(size + strlen(right) + 2)) != NULL) {
            memcpy(both, left, size);
            both[size] = ' ';
            memcpy(both + size + 1, right, strlen(right) + 1);
        }
        fine = both && append(merges, cJSON_CreateString(both));
        free(left);
        free(right);
        free(both);
    }
    return fine;
}

static cJSON *model_of(const pm_tokenizer *tok)
{
    const tok_form *form = &tok->form;
    const tok_bpe_parts view = {.pieces = tok->pieces,
                                .starts = tok->starts,
                                .vocab = tok->vocab,
                                .same = tok->same,
                                .same_count = tok->same_count,
                                .only = tok->only,
                                .only_count = tok->only_count};
    tok_index index = {0};
    uint32_t twice;
    cJSON *model = parse("{\"type\":\"BPE\",\"dropout\":null}");
    char *unknown = tok->unknown == TOK_NONE ? NULL : tok_name_of(tok, tok->unknown);
    bool fine = model && (unknown || tok->unknown == TOK_NONE) && tok_index_make(&view, &index, &twice);
    fine = fine && add(model, "unk_token", unknown ? cJSON_CreateString(unknown) : cJSON_CreateNull()) &&
           cJSON_AddNullToObject(model, "continuing_subword_prefix") &&
           cJSON_AddNullToObject(model, "end_of_word_suffix") && cJSON_AddBoolToObject(model, "fuse_unk", form->fuse) &&
           cJSON_AddBoolToObject(model, "byte_fallback", form->fallback) &&
           cJSON_AddBoolToObject(model, "ignore_merges", form->whole);
    cJSON *vocab = fine ? cJSON_AddObjectToObject(model, "vocab") : NULL;
    cJSON *merges = fine ? cJSON_AddArrayToObject(model, "merges") : NULL;
    fine = vocab && merges && put_vocab(tok, &index, vocab) && put_merges(tok, merges);
    tok_index_free(&index);
    free(unknown);
    if (fine) return model;
    cJSON_Delete(model);
    return NULL;
}

pm_status tok_hf_write(const pm_log *log, const pm_tokenizer *tok, const char *dir)
{
    pm_status status = PM_OK;
    cJSON *root = parse("{\"version\":\"1.0\",\"truncation\":null,\"padding\":null}");
    if (root && add(root, "added_tokens", added_of(tok)) && add(root, "normalizer", normalizer_of(&tok->form)) &&
        add(root, "pre_tokenizer", pre_tokenizer_of(&tok->form)) &&
        add(root, "post_processor", post_processor_of(tok)) && add(root, "decoder", decoder_of(&tok->form)) &&
        add(root, "model", model_of(tok)))
        status = json_file_write(log, dir, "tokenizer.json", root, false);
    else
        status = log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for its tokenizer.json", dir);
    cJSON_Delete(root);
    return status;
}
