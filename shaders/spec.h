/* Numbers of the kernels' specialization constants, shared by C and GLSL: sizes, tiles and flags that depend on the device or the shape. A kernel
 * declares `layout(constant_id = SPEC_…)`, and C sets the value under the same name: launch_spec() in engine/ops/record.h. Constants that no kernel
 * has together may have the same number. A kernel ignores a value whose number it does not declare. */
#ifndef PM_SPEC_H
#define PM_SPEC_H

#define SPEC_GROUP_SIZE 0 /* of every kernel: local_size_x */
/* common/kernel.glsl, of every kernel for weights of 16 bits: they are bf16, not fp16 */
#define SPEC_WEIGHT_BF16 14

/* common/flat.glsl */
#define SPEC_FLAT_PER 1
#define SPEC_FLAT_TAIL 2
#define SPEC_FLAT_WHOLE 3

/* common/reduce.glsl and common/row.glsl, with the flags of kernels that include them */
#define SPEC_REDUCE_LANES 1
#define SPEC_LAYERNORM_ADD 2
#define SPEC_LOSS_WEIGHTED 2
#define SPEC_ROW_KEPT 3

/* head_norm.comp */
#define SPEC_HEADS_LANES 1
#define SPEC_HEADS_TOGETHER 2
#define SPEC_HEADS_KEPT 3
#define SPEC_HEADS_WHOLE 4

/* rope.comp and gate.comp, behind common/flat.glsl's */
#define SPEC_ROPE_HEAD 4
#define SPEC_ROPE_COLUMNS 5
#define SPEC_ROPE_HEADS 6
#define SPEC_ROPE_TURNED 7
#define SPEC_GATE_INNER 4
#define SPEC_GATE_SILU 5

/* colsum.comp and embed.comp */
#define SPEC_EMBED_POSITIONS 1
#define SPEC_ACCUMULATE 1

/* common/matmul.glsl: every kernel of a product. Behind these, each kernel's own. */
#define SPEC_MATMUL_TRANS_A 1
#define SPEC_MATMUL_TRANS_B 2
#define SPEC_MATMUL_EPILOGUE 3
/* matmul_tile.comp */
#define SPEC_TILE_TX 4
#define SPEC_TILE_TY 5
/* matmul_lanes.comp */
#define SPEC_LANES_WHOLE 4
/* matvec.comp */
#define SPEC_MATVEC_ROWS 4
#define SPEC_MATVEC_SLICES 5
#define SPEC_MATVEC_QUADS 6
#define SPEC_MATVEC_FLIGHT 7
#define SPEC_MATVEC_WIDTH 8
#define SPEC_MATVEC_EACH 9
/* matmul_coop.comp */
#define SPEC_COOP_TM 4
#define SPEC_COOP_TN 5
#define SPEC_COOP_TK 6
#define SPEC_COOP_ROWS 7
#define SPEC_COOP_COLS 8
#define SPEC_COOP_DOWN 9
#define SPEC_COOP_ACROSS 10
#define SPEC_COOP_WHOLE 11
#define SPEC_COOP_WHOLE_K 12
#define SPEC_COOP_DEPTH 13

/* Every kernel of attention */
#define SPEC_ATTENTION_DROPOUT 1
/* attention_block.comp, attention_coop.comp, common/attention_lanes.glsl: the head size */
#define SPEC_ATTENTION_HEAD 2
/* attention_coop.comp */
#define SPEC_ATTENTION_TM 3
#define SPEC_ATTENTION_TN 4
#define SPEC_ATTENTION_TK 5
#define SPEC_ATTENTION_SUBGROUP 6
#define SPEC_ATTENTION_AHEAD 7
/* attention_tile.comp */
#define SPEC_ATTENTION_HALVES 2
/* attention_row.comp */
#define SPEC_ATTENTION_KEYS 2
#define SPEC_ATTENTION_SPLITS 3
#define SPEC_ATTENTION_APPEND 4
#define SPEC_ATTENTION_FLIGHT 5
/* attention_few.comp, attention_row.comp: for heads of up to so many columns */
#define SPEC_ATTENTION_MOST 6
/* Every kernel of attention again, behind each one's own */
#define SPEC_ATTENTION_GROUP 8
#define SPEC_ATTENTION_WINDOWED 9

/* meter.comp, meter_coop.comp */
#define SPEC_METER_PER 1
#define SPEC_METER_TM 1
#define SPEC_METER_TN 2
#define SPEC_METER_TK 3

#endif
