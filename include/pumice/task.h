/* Fine-tuning tasks without a GPU: what a head answers, labelled examples framed for it, and measures of its answers.
 *
 * The four forms are those of Radford et al., "Improving Language Understanding by Generative Pre-Training" (2018), figure 1. <s>, $ and
 * <e> are tokens that fine-tuning adds and learns; the head reads the last layer's hidden values at <e>.
 *   classify  <s> text <e>
 *   entail    <s> premise $ hypothesis <e>
 *   similar   <s> a $ b <e> and <s> b $ a <e>, hidden values added
 *   choice    <s> passage question $ option <e> for each option; softmax over their scores
 *
 * Files have one JSON object a line:
 *   classify  {"text": "…", "label": …}
 *   entail    {"premise": "…", "hypothesis": "…", "label": …}
 *   similar   {"text_a": "…", "text_b": "…", "score": number} or "label" instead of "score"
 *   choice    {"passage": "…", "question": "…", "choices": ["…", "…", …], "answer": index from 0}; passage or question may be absent
 * A label is a whole number of up to ten digits, or a string of up to 255 bytes. Other fields are ignored, and so are lines of white space.
 *
 * A file whose name ends with .tsv or .csv has columns, and a first line that names them as the fields above. TSV has no quoting, as in GLUE;
 * CSV is RFC 4180's. Labels there are numbers if all of the training file's are such whole numbers. A line of tabs in TSV is a row of empty cells. */
#ifndef PUMICE_TASK_H
#define PUMICE_TASK_H

#include <stdbool.h>

#include <pumice/text.h>

#ifdef __cplusplus
extern "C" {
#endif

/* name on the command line and in files, what it means. */
#define PM_TASK_LIST(X)                                                                                                \
    X(CLASSIFY, "classify")                                                                                            \
    X(ENTAIL, "entail")                                                                                                \
    X(SIMILAR, "similar")                                                                                              \
    X(CHOICE, "choice")

typedef enum pm_task_kind {
#define PM_TASK_ENUM(id, name) PM_TASK_##id,
    PM_TASK_LIST(PM_TASK_ENUM)
#undef PM_TASK_ENUM
        PM_TASK_COUNT
} pm_task_kind;

PM_API const char *pm_task_name(pm_task_kind kind);
/* False where no task has this name. */
PM_API bool pm_task_named(const char *name, pm_task_kind *out);

enum { PM_TASK_SPECIALS = 3 }; /* tokens that fine-tuning adds: <s>, $ and <e> */

/* What a head answers. */
typedef struct pm_task {
    pm_task_kind kind;
    bool scores;        /* similar, and plain: a number instead of a class */
    bool numbered;      /* labels are whole numbers: written without quotes */
    uint32_t outputs;   /* K: classes, or 1 for scores and choices */
    char **labels;      /* [outputs] the classes' names in order; NULL for scores and choices */
    float mean, spread; /* of the training scores: an output y means the score mean + spread * y */
    char *fields;       /* what files call these fields, as pm_task_learn takes it; NULL: as above */
    uint32_t vocab;     /* the model's tokens before fine-tuning; <s>, $ and <e> are the three that follow */
    /* A classifier that transformers made (…ForSequenceClassification): a text stands alone, without special tokens, and the head reads
     * its last token. Where no label is a whole number, a file may give a class's index, from 0, in place of its label. With `scores` it gives
     * a number, and a line has {"text": "…", "score": number}. */
    bool plain;
    int32_t plain_pad; /* config.json's pad_token_id: not read at a text's end; -1: none */
} pm_task;

/* Learn from a training file what there is to answer: the labels (numbers in order, else names in byte order), or the scores' mean and
 * spread. `vocab`: the tokens of the model to be fine-tuned, not counting those that an earlier task added. Fails: PM_IO, PM_FORMAT with
 * file and line, PM_INVALID (fields). pm_task_fini frees.
 * fields: what the file calls the task's fields, "text=sentence,label=gold"; NULL, or a field left out: as above. Names may not hold a comma.
 * "choices=A+B" joins fields of their own to an array of choices. In TSV and CSV the name #4 is the fourth column of a file without a header.
 * The task keeps `fields`, for pm_taskset_open. */
PM_API PM_NODISCARD pm_status pm_task_learn(const pm_log *log, pm_task_kind kind, const char *path, const char *fields,
                                            uint32_t vocab, pm_task *out);
PM_API PM_NODISCARD pm_status pm_task_copy(const pm_log *log, const pm_task *from, pm_task *out);
PM_API void pm_task_fini(pm_task *task);

/* ---- examples ---- */

/* Examples as sequences of tokens. Lives alone: the task is copied. Threads: free to share once made. */
typedef struct pm_taskset pm_taskset;

/* Reads a file's examples; `labelled` demands answers, else they are ignored. Sequences longer than ctx lose the end of their text, of
 * their first text, or of the passage; special tokens stay. Fails: PM_IO; PM_FORMAT with file and line (bad JSON, a field missing, an
 * empty text, a label that is not the task's, an answer out of range, fewer than two choices, a score that is no finite number);
 * PM_INVALID (a context with no room for text). A tokenizer with more tokens than the model is PM_FORMAT. */
PM_API PM_NODISCARD pm_status pm_taskset_open(const pm_log *log, const char *path, const pm_task *task,
                                              const pm_tokenizer *tok, uint32_t ctx, bool labelled, pm_taskset **out);
PM_API void pm_taskset_close(pm_taskset **set);

PM_API size_t pm_taskset_size(const pm_taskset *set);      /* examples */
PM_API size_t pm_taskset_cut(const pm_taskset *set);       /* examples that were cut */
PM_API uint32_t pm_taskset_longest(const pm_taskset *set); /* tokens of the longest sequence */
/* Numbers that the head gives for example i: K, or one for each option. And where they begin among those of all examples. */
PM_API uint32_t pm_taskset_outputs(const pm_taskset *set, size_t i, size_t *first);
PM_API size_t pm_taskset_all_outputs(const pm_taskset *set);
/* Sequence `which` (of similar: 0 and 1; of choice: the option) of example i; lives as long as the set. */
PM_API const int32_t *pm_taskset_tokens(const pm_taskset *set, size_t i, uint32_t which, uint32_t *count);

/* ---- answers ---- */

typedef struct pm_answer {
    int32_t label;  /* the likeliest class or option; -1 for scores */
    float score;    /* of scores, in the training file's unit; else the likeliest one's probability */
    uint32_t count; /* probabilities given */
} pm_answer;
/* What outputs (all of them, as pm_model_predict writes them) mean for example i; probabilities[count] may be NULL. */
PM_API pm_answer pm_taskset_answer(const pm_taskset *set, const float *outputs, size_t i, float *probabilities);

/* Measures; NaN where a task has none, or where one is not defined: a correlation with values that do not vary but for rounding. */
typedef struct pm_task_metrics {
    size_t n;
    double loss;     /* mean cross-entropy in nats, or mean squared error of standardised scores */
    double accuracy; /* classes and choices */
    double macro_f1; /* classes: mean of F1 over the labels that occur or are given */
    double
        matthews; /* classes: the multi-class correlation R_K (Gorodkin, 2004), for two classes Matthews'; 0 where either the answers or
                      * the labels are all one class, NaN where both are */
    double pearson, spearman; /* scores; ties have their mean rank */
    bool given_constant,
        right_constant; /* scores: the answers, or the right scores, do not vary: neither of the two is defined */
} pm_task_metrics;
/* Of a labelled set; of another all are NaN. confusion, where not NULL: [K * K] counts, row the right class, column the given one; all 0 where
 * the task has no labels. Without memory for its sums, F1 and Matthews' are NaN unless `confusion` is given, and so are the measures of scores. */
PM_API void pm_taskset_measure(const pm_taskset *set, const float *outputs, pm_task_metrics *out, uint32_t *confusion);

/* Of one class; NaN where a number would be 0 / 0. */
typedef struct pm_class_metrics {
    size_t right, given;          /* how often the label occurs, and how often it is given */
    double precision, recall, f1; /* hits / given, hits / right, 2 hits / (right + given) */
} pm_class_metrics;
/* Of class k of K, from pm_taskset_measure's counts. */
PM_API pm_class_metrics pm_task_class_measure(const uint32_t *confusion, uint32_t K, uint32_t k);

/* ---- measures by name ---- */

/* A measure of a task's answers, as files and options name it. */
typedef struct pm_measure {
    const char
        *name; /* "accuracy", "macro_f1", "matthews", "pearson", "spearman", "loss"; "f1:LABEL" is F1 of one class */
    const char *shown; /* the same in sentences, such as "macro F1" */
    int32_t label;     /* of f1:LABEL the class; else -1 */
    bool lower;        /* the lowest is best */
} pm_measure;

/* Those that a task has, all but f1:LABEL. Returns how many. */
enum { PM_MEASURES_MOST = 6 };
PM_API size_t pm_task_measures(const pm_task *task, pm_measure out[PM_MEASURES_MOST]);
/* The one of this name; NULL: accuracy, or of scores Pearson's correlation. That of f1:LABEL holds `name` itself. Fails: PM_INVALID, with a line that lists
 * what there is. */
PM_API PM_NODISCARD pm_status pm_task_measure(const pm_log *log, const pm_task *task, const char *name,
                                              pm_measure *out);
/* Its value; NaN where it is not defined. confusion: as pm_taskset_measure counts it; only f1:LABEL reads it. */
PM_API double pm_measure_value(const pm_measure *measure, const pm_task *task, const pm_task_metrics *m,
                               const uint32_t *confusion);
/* Whether a model of this value takes the place of the best one so far, NaN: there is none. An undefined value is never the best; any later model takes
 * its place. */
PM_API bool pm_measure_better(const pm_measure *measure, double value, double best);
/* Why a measure is not defined, to end a sentence. NULL: any but f1:LABEL. */
PM_API const char *pm_measure_undefined(const pm_measure *measure, const pm_task *task, const pm_task_metrics *m);

#ifdef __cplusplus
}
#endif
#endif
