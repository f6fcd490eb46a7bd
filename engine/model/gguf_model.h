/* Models in GGUF: a family's metadata and tensors, by its description. llama.cpp's conversion (github.com/ggml-org/llama.cpp, conversion/) decides on
 * names and on what differs from Hugging Face's tensors: rows of q and k of Llama in the order of pairs, Gemma's norm gains with their 1, GPT-2's
 * products turned round. */
#ifndef MODEL_GGUF_MODEL_H
#define MODEL_GGUF_MODEL_H

#include "files/gguf.h"
#include "model/tensors.h"

/* The configuration. Fails: PM_FORMAT with one line that names file and key or tensor: another architecture, a key that is missing, a scaling or a
 * part that Pumice does not compute. */
pm_status gguf_model_config(const pm_log *log, const gguf_file *file, pm_gpt_config *out);

/* The parameters as a source, which warns once of NaN or infinity. Each parameter must be read from its beginning, in rising order. */
typedef struct gguf_weights {
    pm_log log;
    const gguf_file *file;
    pm_gpt_config config;
    tensor_list list;
    const gguf_tensor **tensors; /* [list.count] */
    float *turned;               /* a tensor that was turned round, and its number */
    uint32_t turned_index;
    bool told; /* of a value that is not finite */
} gguf_weights;

/* Finds and checks all tensors. The file must outlive it. Fails: PM_FORMAT, PM_NO_HOST_MEMORY. */
pm_status gguf_weights_open(const pm_log *log, const gguf_file *file, const pm_gpt_config *config, gguf_weights *out);
void gguf_weights_close(gguf_weights *w);
gpt_source gguf_weights_source(gguf_weights *w);

/* Declares the metadata of a model, `from` in lines; then its tensors, matrices in `dtype`, vectors and what has no whole blocks in F32 or F16; then writes the tensors of a file
 * that has begun. Fails: PM_INVALID for a family or a task that GGUF does not have. */
pm_status gguf_model_put(const pm_log *log, const char *from, gguf_writer *w, const pm_gpt_config *config,
                         gguf_dtype dtype);
pm_status gguf_model_write(const pm_log *log, gguf_writer *w, const pm_gpt_config *config, gpt_source from);

/* ---- what reading and writing share ---- */

/* The family's rows of a tensor are in the order of pairs, its numbers have a 1 added, or it is turned round. */
typedef struct gguf_form {
    bool pairs, plus_one, turned;
} gguf_form;
gguf_form gguf_form_of(const pm_gpt_config *config, const tensor_row *row, param_role role);
/* The row of the file that is row `row` of q or k, in heads of `head` rows. */
static inline uint32_t gguf_pair_row(uint32_t row, uint32_t head)
{
    const uint32_t in = row % head, half = head / 2;
    return row - in + 2 * (in % half) + in / half;
}
/* The divisors of Llama 3's frequencies, R/2 of them, as rope_freqs.weight has them. */
void gguf_rope_divisors(const pm_gpt_config *config, float *out);

#endif
