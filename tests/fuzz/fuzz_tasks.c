/* A task's name, a file of examples, and in the third part another file. The task is learnt from the first file, and the examples of both are framed
 * for it. The fourth part is the end of the files' names: tsv, csv, else JSON lines. The fifth names the fields. The last three parts may be left
 * out. */
#include <stdlib.h>
#include <string.h>

#include "helper_fuzz.h"
#include "data/task.h"

enum { CTX = 16 };

static void check_file(const char *path, const pm_task *task, const pm_tokenizer *tok, bool labelled)
{
    pm_taskset *set = NULL;
    if (!fuzz_done(pm_taskset_open(fuzz_log(), path, task, tok, CTX, labelled, &set))) return;
    float *outputs = calloc(pm_taskset_all_outputs(set) + 1, sizeof *outputs);
    pm_task_metrics metrics;
    REQUIRE(outputs && pm_taskset_size(set) > 0 && pm_taskset_longest(set) <= CTX);
    for (size_t i = 0; i < pm_taskset_size(set); i++) {
        size_t first;
        const uint32_t group = task_group(task);
        const uint32_t sequences = task->kind == PM_TASK_CHOICE ? pm_taskset_outputs(set, i, &first) : group;
        for (uint32_t which = 0, count; which < sequences; which++) {
            const int32_t *tokens = pm_taskset_tokens(set, i, which, &count);
            REQUIRE(count >= 3 && count <= CTX && tokens[count - 1] == (int32_t)task_token(task, TASK_EXTRACT));
            for (uint32_t t = 0; t < count; t++) REQUIRE(tokens[t] >= 0 && tokens[t] < 256 + PM_TASK_SPECIALS);
        }
        const pm_answer answer = pm_taskset_answer(set, outputs, i, NULL);
        REQUIRE(task->scores || (answer.label >= 0 && (uint32_t)answer.label < answer.count));
    }
    pm_taskset_measure(set, outputs, &metrics, NULL);
    free(outputs);
    pm_taskset_close(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pm_tokenizer *tok;
    if (!tok) REQUIRE(fuzz_done(pm_tokenizer_bytes(fuzz_log(), &tok)));
    fuzz_part parts[5];
    char name[16] = "", fields[200];
    const char *train = "train.jsonl", *test = "test.jsonl";
    pm_task_kind kind;
    pm_task task;
    fuzz_cut(data, size, parts, 5);
    memcpy(name, parts[0].text, parts[0].size < sizeof name ? parts[0].size : sizeof name - 1);
    if (!pm_task_named(name, &kind)) return 0;
    if (parts[3].size >= 3 && memcmp(parts[3].text, "tsv", 3) == 0) train = "train.tsv", test = "test.tsv";
    if (parts[3].size >= 3 && memcmp(parts[3].text, "csv", 3) == 0) train = "train.csv", test = "test.CSV";
    const size_t used = parts[4].size < sizeof fields ? parts[4].size : sizeof fields - 1;
    memcpy(fields, parts[4].text, used);
    fields[used] = 0;
    fields[strcspn(fields, "\n")] = 0;
    const char *path = fuzz_file(train, parts[1].text, parts[1].size);
    const char *other = fuzz_file(test, parts[2].text, parts[2].size);
    if (!fuzz_done(pm_task_learn(fuzz_log(), kind, path, used ? fields : NULL, 256, &task))) return 0;
    for (int labelled = 0; labelled < 2; labelled++) {
        check_file(path, &task, tok, labelled);
        check_file(other, &task, tok, labelled);
    }
    pm_task_fini(&task);
    return 0;
}
