/* tokenizer.model, a message of Protocol Buffers (https://protobuf.dev/programming-guides/encoding): fields of a number, a wire type and a value.
 * Numbers of the fields: sentencepiece_model.proto. Fields that change no id are skipped. */
#include <stdlib.h>
#include <string.h>

#include "text/scored.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum { MODEL_PIECE = 1, MODEL_TRAINER = 2, MODEL_NORMALIZER = 3 };
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum {
    TRAINER_TYPE = 3,
    TRAINER_SUFFIX = 24, /* treat_whitespace_as_suffix */
    TRAINER_FALLBACK = 35,
    TRAINER_UNKNOWN = 40,
    TRAINER_BEGIN = 41,
    TRAINER_END = 42
};
enum { NORMALIZER_NAME = 1, NORMALIZER_MAP = 2, NORMALIZER_PREFIX = 3, NORMALIZER_SQUEEZE = 4, NORMALIZER_ESCAPE = 5 };
enum { TYPE_UNIGRAM = 1, TYPE_BPE = 2 };

typedef struct field {
    uint32_t number, wire;
    uint64_t value;            /* of a varint or of fixed bytes */
    const unsigned char *data; /* (size) */
    size_t size;
} field;

typedef struct message {
    const unsigned char *at, *end;
} message;

typedef struct model {
    const pm_log *log;
    const char *path;
    scored_parts parts;
    uint32_t room;
    uint64_t type;
    bool suffix, escape, mapped;
    char name[64]; /* of the normalisation */
} model;

static pm_status damaged(const model *m, const char *what)
{
    return log_fail(m->log, PM_FORMAT, "%s: %s; is it SentencePiece's tokenizer.model, and whole?", m->path, what);
}

static bool read_varint(message *in, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += 7) {
        const unsigned char byte = *in->at++;
        if (shift == 63 && byte > 1) return false;
        *out |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

/* The next field; false where the message is damaged. The message is not at its end. */
static bool read_field(message *in, field *out)
{
    uint64_t key, size;
    if (!read_varint(in, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX) return false;
    *out = (field){.number = (uint32_t)(key >> 3), .wire = key & 7};
    if (out->wire == VARINT) return read_varint(in, &out->value);
    if (out->wire == BYTES) {
        if (!read_varint(in, &size) || size > (size_t)(in->end - in->at)) return false;
    } else if (out->wire == FIXED32 || out->wire == FIXED64) {
        size = out->wire == FIXED32 ? 4 : 8;
        if (size > (size_t)(in->end - in->at)) return false;
        for (unsigned i = 0; i < size; i++) out->value |= (uint64_t)in->at[i] << (8 * i);
    } else {
        return false;
    }
    out->data = in->at;
    out->size = (size_t)size;
    in->at += size;
    return true;
}

/* An id of 32 bits with a sign. */
static int64_t signed_value(const field *f)
{
    return (int32_t)(uint32_t)f->value;
}

static bool read_piece(message in, scored_piece *out)
{
    field f;
    *out = (scored_piece){.text = "", .type = SCORED_NORMAL};
    while (in.at < in.end) {
        if (!read_field(&in, &f)) return false;
        const bool is[] = {f.number == PIECE_TEXT, f.number == PIECE_SCORE, f.number == PIECE_TYPE};
        if ((is[0] && f.wire != BYTES) || (is[1] && f.wire != FIXED32) || (is[2] && f.wire != VARINT)) return false;
        if (is[0]) {
            if (f.size > UINT32_MAX) return false;
            out->text = (const char *)f.data;
            out->size = (uint32_t)f.size;
        }
        if (is[1]) {
            const uint32_t bits = (uint32_t)f.value;
            memcpy(&out->score, &bits, sizeof bits);
        }
        if (is[2]) out->type = f.value <= SCORED_BYTE ? (int)f.value : 0;
    }
    return true;
}

static pm_status add_piece(model *m, message in)
{
    scored_parts *parts = &m->parts;
    if (parts->count == TOK_MOST) return damaged(m, "has too many pieces");
    if (parts->count == m->room) {
        m->room = 2 * m->room + 512;
        scored_piece *grown = realloc(parts->list, m->room * sizeof *grown);
        if (!grown) return log_fail(m->log, PM_NO_HOST_MEMORY, "%s: out of memory for its pieces", m->path);
        parts->list = grown;
    }
    if (!read_piece(in, &parts->list[parts->count])) return damaged(m, "a piece is damaged");
    parts->count++;
    return PM_OK;
}

static bool read_trainer(model *m, message in)
{
    field f;
    while (in.at < in.end) {
        if (!read_field(&in, &f)) return false;
        const bool known = f.number == TRAINER_TYPE || f.number == TRAINER_SUFFIX || f.number == TRAINER_FALLBACK ||
                           (f.number >= TRAINER_UNKNOWN && f.number <= TRAINER_END);
        if (known && f.wire != VARINT) return false;
        if (f.number == TRAINER_TYPE) m->type = f.value;
        if (f.number == TRAINER_SUFFIX) m->suffix = f.value != 0;
        if (f.number == TRAINER_FALLBACK) m->parts.fallback = f.value != 0;
        if (f.number == TRAINER_BEGIN) m->parts.begin = signed_value(&f);
        if (f.number == TRAINER_END) m->parts.end = signed_value(&f);
    }
    return true;
}

static bool read_normalizer(model *m, message in)
{
    field f;
    while (in.at < in.end) {
        if (!read_field(&in, &f)) return false;
        const bool text = f.number == NORMALIZER_NAME || f.number == NORMALIZER_MAP;
        const bool flag = f.number >= NORMALIZER_PREFIX && f.number <= NORMALIZER_ESCAPE;
        if ((text && f.wire != BYTES) || (flag && f.wire != VARINT)) return false;
        if (f.number == NORMALIZER_NAME) {
            const size_t size = f.size < sizeof m->name ? f.size : sizeof m->name - 1;
            memcpy(m->name, f.data, size);
            m->name[size] = 0;
            for (size_t i = 0; i < size; i++)
                if (m->name[i] < 0x20 || m->name[i] > 0x7E) m->name[i] = '?';
        }
        if (f.number == NORMALIZER_MAP) m->mapped = f.size > 0;
        if (f.number == NORMALIZER_PREFIX) m->parts.prefix = f.value != 0;
        if (f.number == NORMALIZER_SQUEEZE) m->parts.squeeze = f.value != 0;
        if (f.number == NORMALIZER_ESCAPE) m->escape = f.value != 0;
    }
    return true;
}

static pm_status read_model(model *m, message in)
{
    pm_status status = PM_OK;
    field f;
    while (in.at < in.end && status == PM_OK) {
        if (!read_field(&in, &f)) return damaged(m, "a field is cut off or damaged");
        if (f.number < MODEL_PIECE || f.number > MODEL_NORMALIZER) continue;
        if (f.wire != BYTES) return damaged(m, "a field has the wrong type");
        const message part = {f.data, f.data + f.size};
        if (f.number == MODEL_PIECE) status = add_piece(m, part);
        if (f.number == MODEL_TRAINER && !read_trainer(m, part)) status = damaged(m, "its trainer_spec is damaged");
        if (f.number == MODEL_NORMALIZER && !read_normalizer(m, part))
            status = damaged(m, "its normalizer_spec is damaged");
    }
    return status;
}

/* Refuses by name what gives other ids. */
static pm_status check_model(const model *m)
{
    static const char *const types[] = {"of no type", "of type unigram", "", "of type word", "of type char"};
    const char *what = NULL;
    if (m->parts.count == 0) return damaged(m, "has no pieces");
    if (m->type != TYPE_BPE) what = m->type < sizeof types / sizeof *types ? types[m->type] : types[0];
    if (m->suffix) what = "with treat_whitespace_as_suffix";
    if (!m->escape) what = "without escape_whitespaces";
    if (what) return log_fail(m->log, PM_FORMAT, "%s: is %s; Pumice reads SentencePiece's BPE", m->path, what);
    if (m->mapped)
        return log_fail(m->log, PM_FORMAT, "%s: normalises texts by %s; Pumice reads models of \"identity\"", m->path,
                        m->name[0] ? m->name : "a map of its own");
    return PM_OK;
}

pm_status tok_sentencepiece_read(const pm_log *log, const file_ref *ref, tok_settings *settings, bool *found,
                                 pm_tokenizer **out)
{
    char *data = NULL;
    size_t size = 0;
    model m = {.log = log,
               .path = ref->path,
               .parts = {.prefix = true, .squeeze = true, .unknown = -1, .begin = 1, .end = 2},
               .type = TYPE_UNIGRAM,
               .escape = true};
    pm_status status = file_ref_read(log, ref, found, &data, &size);
    if (status != PM_OK || !*found) return status;
    const unsigned char *bytes = (const unsigned char *)data;
    const char *foreign = file_not_text(data, size);
    if (foreign) status = log_fail(log, PM_FORMAT, "%s: %s", ref->path, foreign);
    if (status == PM_OK) status = read_model(&m, (message){bytes, bytes + size});
    if (status == PM_OK) status = check_model(&m);
    for (uint32_t id = 0; id < m.parts.count; id++)
        if (m.parts.list[id].type == SCORED_UNKNOWN) m.parts.unknown = id;
    if (status == PM_OK) status = tok_from_scored(log, ref->path, &m.parts, settings, out);
    free(m.parts.list);
    free(data);
    return status;
}
