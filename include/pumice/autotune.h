/* Autotuning: measures which kernel variants are fastest for a model's matrix products and attention on a device. The choices are kept beside the pipeline
 * cache, by device, driver, build and the capabilities in use, and all later runs on that device with these capabilities use them. A choice may
 * change the order of a sum, and so its last bits: runs that must equal each other bit for bit need the same choices. */
#ifndef PUMICE_AUTOTUNE_H
#define PUMICE_AUTOTUNE_H

#include <pumice/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pm_autotune_params {
    uint32_t batch, time; /* of a training step; 0: 12, and the model's context */
    bool quick;           /* three runs each are enough */
} pm_autotune_params;

/* One choice: a product y (M,N) = op(A) (M,K) op(B) (K,N), or a part of attention.
 * "matmul f32 nt 768x65x128": type, A and B as stored (n) or transposed (t), M x N x K.
 * "attention f32 B12 H4 T64 D32": type, sequences, heads, queries, head size; T64x256 where keys are more than queries, H12 K4 with fewer
 * heads of keys, T64 W32 with a window. Its gradient's parts are "attention-bwd dq …" and "dkv", and where dk and dv are computed apart "dk" and
 * "dv". */
typedef struct pm_autotune_row {
    char product[64];         /* which: a line of the forms above */
    char usual[24], best[24]; /* the default; the fastest */
    double usual_ms, best_ms; /* medians */
    uint32_t variants;        /* variants measured */
    bool stored;              /* best is not usual, and faster by more than the runs vary */
} pm_autotune_row;

typedef void pm_autotune_fn(void *user, const pm_autotune_row *row);

/* Measures each distinct product and part of attention of training, prefill and decoding with this model, also in fp16 where the device has matrix units.
 * It calls `row` for each, and keeps the faster variants. Blocks: a second or two each. Fails: PM_INVALID (a bad configuration; no
 * cache folder), PM_IO (the choices cannot be kept there), PM_NO_*_MEMORY, PM_DEVICE_LOST. */
PM_API PM_NODISCARD pm_status pm_device_autotune_sized(pm_device *device, const pm_gpt_config *config,
                                                       size_t config_size, const pm_autotune_params *params,
                                                       size_t params_size, pm_autotune_fn *row, void *user);
PM_NODISCARD static inline pm_status pm_device_autotune(pm_device *device, const pm_gpt_config *config,
                                                        const pm_autotune_params *params, pm_autotune_fn *row,
                                                        void *user)
{
    return pm_device_autotune_sized(device, config, sizeof *config, params, sizeof *params, row, user);
}

/* Forgets every choice for this device with these capabilities, in memory and on disk. What pm_doctor_run switched off stays off.
 * Fails: PM_INVALID (no cache folder), PM_IO, PM_NO_HOST_MEMORY; nothing is forgotten then. */
PM_API PM_NODISCARD pm_status pm_device_forget_choices(pm_device *device);

#ifdef __cplusplus
}
#endif
#endif
