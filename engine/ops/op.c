/* What the rows of ops.def imply: names, shapes, checks, costs. */
#include "ops/record.h"

#include <string.h>

const char *op_name(op_id op)
{
    return op < OP_COUNT ? op_table[op].name : "unknown";
}

int op_slot_of(op_id op, slot_type type)
{
    for (int slot = 0; slot < OP_SLOTS; slot++)
        if (op_slot_at(op, slot)->type == type) return slot;
    return -1;
}

int op_slot_named(op_id op, const char *name)
{
    for (int slot = 0; slot < OP_SLOTS; slot++) {
        const op_slot *s = op_slot_at(op, slot);
        if (s->type != SLOT_NONE && strcmp(s->name, name) == 0) return slot;
    }
    return -1;
}

op_id op_forward(op_id op)
{
    for (int f = 0; f < OP_COUNT; f++)
        for (int k = 0; k < OP_MAX_GRADIENTS; k++)
            if (op && op_table[f].gradient[k] == op && f != (int)op) return (op_id)f;
    return OP_COUNT;
}

/* ---- shapes ---------------------------------------------------------------------------------------------------------- */

/* The letters of a call; 0: not known yet. */
typedef struct letters {
    uint32_t value[26];
} letters;

/* One side of a shape: a product of known factors, and at most one letter that is not known; or a sum of known products. */
typedef struct side {
    bool any; /* any size */
    uint64_t known;
    uint32_t *open; /* the letter, or NULL */
} side;

static uint32_t attribute(const op_attr *attr, char letter)
{
    switch (letter) {
    case 't': return attr->time;
    case 'h': return attr->heads;
    case 'k': return attr->kv_heads;
    case 'd': return attr->head;
    case 'r': return attr->rotary;
    default: return attr->group;
    }
}

static side side_of(const char *text, const op_attr *attr, letters *l)
{
    side s = {.any = *text == '?', .known = 1};
    uint64_t terms = 0; /* before this one */
    for (; *text && *text != ','; text++) {
        const char c = *text;
        if (c == '+') {
            terms += s.known;
            s.known = 1;
            continue;
        }
        uint32_t *letter = c >= 'A' && c <= 'Z' ? &l->value[c - 'A'] : NULL;
        if (letter && !*letter)
            s.open = letter;
        else if (c != '?')
            s.known *= letter ? *letter : c >= '0' && c <= '9' ? (uint32_t)(c - '0') : attribute(attr, c);
    }
    s.known += terms;
    return s;
}

/* Whether the side may have this size. It binds the side's open letter. */
static bool side_agrees(side s, uint32_t size)
{
    if (s.any) return size > 0;
    if (!s.open) return size > 0 && s.known == size;
    if (s.known == 0 || size == 0 || size % s.known) return false;
    *s.open = (uint32_t)(size / s.known);
    return true;
}

/* The two sides of an operand as stored. */
static void sides_of(const op_slot *slot, const op_attr *attr, letters *l, side *rows, side *cols)
{
    const char *comma = strchr(slot->shape, ',') + 1;
    const bool swap = (slot->flags & SLOT_TRANS_A && attr->trans_a) || (slot->flags & SLOT_TRANS_B && attr->trans_b);
    *rows = side_of(swap ? comma : slot->shape, attr, l);
    *cols = side_of(swap ? slot->shape : comma, attr, l);
}

/* Binds rows, then columns: a letter of both sides is known on the second. */
static bool shape_agrees(const op_slot *slot, const op_attr *attr, letters *l, op_view v)
{
    side rows, cols;
    sides_of(slot, attr, l, &rows, &cols);
    if (!side_agrees(rows, v.rows)) return false;
    sides_of(slot, attr, l, &rows, &cols);
    return side_agrees(cols, v.cols);
}

/* Binds all letters that present operands tell. The first slot that does not agree, or -1. */
static int bind(const op_call *call, letters *l)
{
    *l = (letters){{0}};
    for (int slot = 0; slot < OP_SLOTS; slot++) {
        const op_slot *s = op_slot_at(call->op, slot);
        const op_view v = op_view_of(call, slot);
        if (s->type != SLOT_NONE && s->type != SLOT_SCRATCH && view_present(v) && !shape_agrees(s, &call->attr, l, v))
            return slot;
    }
    return -1;
}

uint32_t op_letter(const op_call *call, char letter)
{
    letters l;
    bind(call, &l);
    return l.value[letter - 'A'];
}

void op_complete(op_call *call)
{
    letters l;
    bind(call, &l);
    for (int slot = 0; slot < OP_SLOTS; slot++) {
        const op_slot *s = op_slot_at(call->op, slot);
        op_view *v = op_view_at(call, slot);
        if (s->type == SLOT_NONE || s->type == SLOT_SCRATCH || s->flags & SLOT_OPTIONAL || view_present(*v)) continue;
        side rows, cols;
        sides_of(s, &call->attr, &l, &rows, &cols);
        if (s->type == SLOT_SCALARS)
            *v = (op_view){.rows = 1, .cols = sizeof(struct step_scalars) / 4};
        else if (!rows.any && !rows.open && !cols.any && !cols.open)
            *v = (op_view){.rows = (uint32_t)rows.known, .cols = (uint32_t)cols.known};
    }
}

/* ---- checks ---------------------------------------------------------------------------------------------------------- */

/* The type of a call's activations; DTYPES: they differ. */
static dtype_id act_type(const op_call *c)
{
    bool found[DTYPES] = {false};
    for (int slot = 0; slot < OP_SLOTS; slot++) {
        const op_view v = op_view_of(c, slot);
        if (view_present(v) && op_slot_at(c->op, slot)->type == SLOT_ACT) found[v.type] = true;
    }
    if (found[DTYPE_BF16] || (found[DTYPE_F16] && found[DTYPE_F32])) return DTYPES;
    return found[DTYPE_F16] ? DTYPE_F16 : DTYPE_F32;
}

/* Whether an operand in such a slot may have this type beside activations of type `act`. */
static bool type_fits(slot_type slot, dtype_id type, dtype_id act)
{
    switch (slot) {
    case SLOT_ACT: return type == act;
    case SLOT_WEIGHT: return type == act || act == DTYPE_F32;
    case SLOT_CACHE: return type == act || (act == DTYPE_F32 && type == DTYPE_F16);
    case SLOT_TABLE: return type == DTYPE_F32 || act == DTYPE_F32;
    case SLOT_ACT_OR_FLOAT: return type == act || type == DTYPE_F32;
    default: return type == DTYPE_F32;
    }
}

/* Either all activations are fp16 or none is. */
static const char *check_types(const op_call *c)
{
    const dtype_id act = act_type(c);
    if (act == DTYPES) return "some activations are fp16 and some fp32";
    for (int slot = 0; slot < OP_SLOTS; slot++) {
        const op_view v = op_view_of(c, slot);
        if (view_present(v) && !type_fits(op_slot_at(c->op, slot)->type, v.type, act))
            return "an operand has a type that it may not have beside these activations";
    }
    return NULL;
}

static const char *check_operands(const op_call *c)
{
    for (int slot = 0; slot < OP_SLOTS; slot++) {
        const op_slot *s = op_slot_at(c->op, slot);
        const op_view v = op_view_of(c, slot);
        if (s->type == SLOT_NONE && view_present(v)) return "there is an operand too many";
        if (s->type == SLOT_NONE || s->type == SLOT_SCRATCH) continue;
        if (!view_present(v) && !(s->flags & SLOT_OPTIONAL)) return s->missing;
        if (view_present(v) && s->type == SLOT_SCALARS && view_count(v) * 4 < sizeof(struct step_scalars))
            return s->missing;
    }
    letters l;
    const int wrong = bind(c, &l);
    return wrong < 0 ? NULL : op_slot_at(c->op, wrong)->wrong;
}

const char *op_check(const op_call *c)
{
    if (c->op >= OP_COUNT) return "no such operation";
    const char *wrong = check_operands(c);
    if (!wrong) wrong = check_types(c);
    return wrong || !op_table[c->op].check ? wrong : op_table[c->op].check(c);
}

/* ---- costs ----------------------------------------------------------------------------------------------------------- */

uint64_t op_scratch_words(const pm_caps *caps, const op_call *call)
{
    return op_table[call->op].scratch ? op_table[call->op].scratch(caps, call) : 0;
}

double op_flops(const op_call *c)
{
    const op_info *op = &op_table[c->op];
    return op->count_flops ? op->count_flops(c) : op->flops * (double)view_count(c->in[0]);
}

double op_bytes(const op_call *c)
{
    double bytes = 0;
    for (int slot = 0; slot < OP_SLOTS; slot++) {
        const op_view v = op_view_of(c, slot);
        bytes += (double)dtype_bytes(v.type, view_count(v));
    }
    return bytes;
}

/* ---- recording ------------------------------------------------------------------------------------------------------- */

/* The operation's name in a profile, which tells gradients of weights, products that sum over rows, from other products. The shape is
 * M x N x K of a product, and rows and columns of the first operand of any other operation. */
static void label(gpu_program *program, const op_call *call)
{
    bool product = call->op == OP_MATMUL;
    op_view a = call->in[0], y = call->out[0];
    const uint32_t of_product[3] = {y.rows, y.cols, call->attr.trans_a ? a.rows : a.cols};
    const uint32_t of_other[3] = {a.rows, a.cols, 0};
    gpu_program_op(program, product && call->attr.trans_a ? "matmul-dw" : op_name(call->op),
                   product ? of_product : of_other);
}

void op_record(gpu_program *program, const op_call *call)
{
    label(program, call);
    op_table[call->op].record(program, call);
}
