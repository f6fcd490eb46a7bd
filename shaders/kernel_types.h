/* The types of operands in memory for which a kernel is compiled. CMake and C read these lines.
 *
 * KERNEL_TYPES: X(types, "-D…").
 * TYPES_…, the last word of a row of kernels.def: X(row, suffix of the kernel's name, types) for each kernel of the row. */
#ifndef KERNEL_TYPES_H
#define KERNEL_TYPES_H

#define KERNEL_TYPES(X)                                                                                                \
    X(F32, "")                                                                                                         \
    X(F16, "-DF16=1")                 /* fp16 activations */                                                           \
    X(F16_F32, "-DF16=1 -DY_FLOAT=1") /* the same, and y of a product in fp32 */                                       \
    X(W16, "-DW16=1")                 /* fp32, and weights of 16 bits: SPEC_WEIGHT_BF16 says which */                  \
    X(KV16, "-DKV16=1")               /* fp32, and keys and values in fp16 */

#define TYPES_FLOAT(X, row) X(row, , F32)
#define TYPES_ACT(X, row) X(row, , F32) X(row, _f16, F16)
#define TYPES_TABLE(X, row) X(row, , F32) X(row, _f16, F16) X(row, _w16, W16)
#define TYPES_KEYS(X, row) X(row, , F32) X(row, _f16, F16) X(row, _kv16, KV16)
#define TYPES_PRODUCT(X, row) X(row, , F32) X(row, _f16, F16) X(row, _f16_f32, F16_F32) X(row, _w16, W16)
#define TYPES_HALF(X, row) X(row, , F16)
#define TYPES_HALF_PRODUCT(X, row) X(row, , F16) X(row, _f32, F16_F32)

#endif
