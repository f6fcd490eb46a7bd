/* The tables of a task's classes. Labels are printed whole, however long. */
#include <math.h>
#include <stdio.h>

#include "app.h"
#include "columns.h"
#include "report.h"
#include "terminal.h"

static int label_width(const pm_task *task, int least)
{
    int width = least;
    for (uint32_t k = 0; k < task->outputs; k++) {
        const int one = columns_width(task->labels[k]);
        if (one > width) width = one;
    }
    return width;
}

static void print_share(double value)
{
    if (isnan(value))
        printf(" %9s", "-");
    else
        printf(" %9.4f", value);
}

void report_print_classes(const pm_task *task, const uint32_t *confusion)
{
    enum { MOST = 200 };
    const uint32_t K = task->outputs;
    if (K > MOST) {
        printf("\n--json has the measures of all %u labels\n", (unsigned)K);
        return;
    }
    const int width = label_width(task, 5);
    printf("\n%-*s precision    recall        f1         n     given\n", width, "label");
    for (uint32_t k = 0; k < K; k++) {
        const pm_class_metrics c = pm_task_class_measure(confusion, K, k);
        columns_print(task->labels[k], width, 0);
        print_share(c.precision);
        print_share(c.recall);
        print_share(c.f1);
        printf(" %9zu %9zu\n", c.right, c.given);
    }
}

static int digits(uint32_t value)
{
    return snprintf(NULL, 0, "%u", (unsigned)value);
}

/* The width of a column, whose head is the label or, `numbered`, its number. */
static int column_width(const pm_task *task, const uint32_t *confusion, uint32_t column, bool numbered)
{
    int width = numbered ? digits(column + 1) : columns_width(task->labels[column]);
    for (uint32_t k = 0; k < task->outputs; k++) {
        const int one = digits(confusion[(size_t)k * task->outputs + column]);
        if (one > width) width = one;
    }
    return width;
}

static int table_width(const pm_task *task, const uint32_t *confusion, int first, bool numbered)
{
    int width = first;
    for (uint32_t k = 0; k < task->outputs; k++) width += 2 + column_width(task, confusion, k, numbered);
    return width;
}

/* Right classes in rows, given ones in columns. Where labels are too wide for the columns' heads, their numbers replace them. */
void report_print_confusion(const pm_task *task, const uint32_t *confusion)
{
    enum { MOST = 12 };
    const uint32_t K = task->outputs;
    if (K > MOST) { /* no terminal is so wide */
        printf("\n--json has the confusion of all %u labels\n", (unsigned)K);
        return;
    }
    const int label = label_width(task, 5);
    const bool numbered = table_width(task, confusion, label, false) > terminal_columns(TERMINAL_STDOUT);
    const int first = label + (numbered ? 2 + digits(K) : 0);
    printf("\n%-*s  given\n%-*s", first, "", first, "right");
    for (uint32_t k = 0; k < K; k++) {
        char number[16];
        snprintf(number, sizeof number, "%u", (unsigned)k + 1);
        printf("  ");
        columns_print(numbered ? number : task->labels[k], column_width(task, confusion, k, numbered), 1);
    }
    for (uint32_t k = 0; k < K; k++) {
        printf("\n");
        columns_print(task->labels[k], label, 0);
        if (numbered) printf("  %*u", digits(K), (unsigned)k + 1);
        for (uint32_t j = 0; j < K; j++)
            printf("  %*u", column_width(task, confusion, j, numbered), (unsigned)confusion[(size_t)k * K + j]);
    }
    printf("\n");
}
