#include "ops/variant.h"

#include "ops/attention.h"
#include "ops/product.h"

const char *op_variant_name(op_variant variant)
{
    static const char *const names[OP_VARIANTS] = {
#define VARIANT_NAME(id, name) name,
        OP_VARIANT_LIST(VARIANT_NAME)
#undef VARIANT_NAME
    };
    return variant < OP_VARIANTS ? names[variant] : "unknown";
}

bool variant_possible(const variant_row *table, launch *r, const void *part, op_variant which)
{
    if (which >= OP_VARIANTS || !table[which].possible) return false;
    return table[which].possible(&(candidate){r, part, table[which].size});
}

op_variant variant_usual(const variant_row *table, launch *r, const void *part)
{
    op_variant last = VARIANT_USUAL;
    for (int which = VARIANT_USUAL + 1; which < OP_VARIANTS; which++) {
        const variant_row *row = &table[which];
        if (!variant_possible(table, r, part, (op_variant)which)) continue;
        last = (op_variant)which;
        if (!row->preferred || row->preferred(&(candidate){r, part, row->size})) break;
    }
    return last;
}

void variant_record(const variant_row *table, launch *r, const void *part, op_variant chosen)
{
    const op_variant which = variant_possible(table, r, part, chosen) ? chosen : variant_usual(table, r, part);
    table[which].record(&(candidate){r, part, table[which].size});
}

void variant_ask(const variant_row *table, launch *r, const void *part, op_choice *choice)
{
    choice->possible = 0;
    for (int which = VARIANT_USUAL + 1; which < OP_VARIANTS; which++)
        if (variant_possible(table, r, part, (op_variant)which)) choice->possible |= 1u << which;
    choice->usual = variant_usual(table, r, part);
    choice->within = -1;
    choice->by = VARIANT_USUAL;
}

uint32_t op_choices(const pm_caps *caps, const op_call *call, op_choice choices[OP_MOST_CHOICES])
{
    if (call->op == OP_MATMUL) return product_choices(caps, call, choices);
    if (call->op == OP_ATTENTION || call->op == OP_ATTENTION_BWD) return attention_choices(caps, call, choices);
    return 0;
}
