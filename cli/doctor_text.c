/* The doctor's findings for people and for programs: see doctor.h. */
#include <jansson.h>
#include <stdlib.h>

#include "admin/admin_json.h"
#include "base/alloc.h"
#include "cli/doctor.h"
#include "cli/table.h"

static const struct {
    const char *word, *heading;
    enum cli_colour colour;
} severities[DOCTOR_SEVERITIES] = {
    [DOCTOR_ERROR] = {"error", "errors", CLI_RED},
    [DOCTOR_WARNING] = {"warning", "warnings", CLI_YELLOW},
    [DOCTOR_HINT] = {"hint", "hints", CLI_GREEN},
    [DOCTOR_UNCHECKED] = {"unchecked", "not checked", CLI_DIM},
};

/* Heap. */
static char *place_of(const struct doctor_finding *finding)
{
    if (!finding->file)
        return xstrdup("system");
    return finding->line > 0 ? xasprintf("%s:%u", finding->file, finding->line)
                             : xstrdup(finding->file);
}

static void print_line(FILE *out, const char *label, const char *text)
{
    char *printable;

    if (text[0] == '\0')
        return;
    printable = cli_printable(text);
    fprintf(out, "  %s%s\n", label, printable);
    free(printable);
}

static void print_finding(const struct doctor_finding *finding, FILE *out, bool colours)
{
    char *place = place_of(finding), *text = xasprintf("%s: %s", place, finding->what);
    char *printable = cli_printable(text);

    cli_print_in(out, colours, severities[finding->severity].colour, printable);
    fputc('\n', out);
    print_line(out, "why:   ", finding->why);
    print_line(out, "write: ", finding->write);
    free(printable);
    free(text);
    free(place);
}

static void print_sum(const struct doctor_report *report, FILE *out)
{
    for (int s = 0; s < DOCTOR_UNCHECKED; s++)
        fprintf(out, "%s%zu %s%s", s > 0 ? ", " : "", report->counts[s], severities[s].word,
                report->counts[s] == 1 ? "" : "s");
    fputc('\n', out);
}

void doctor_print(const struct doctor_report *report, const struct config *config, FILE *out,
                  bool colours)
{
    char *file = cli_printable(config->file);
    int before = -1;

    for (size_t i = 0; i < report->count; i++) {
        const struct doctor_finding *finding = &report->findings[i];

        if ((int)finding->severity != before)
            fprintf(out, "%s:\n\n", severities[finding->severity].heading);
        before = (int)finding->severity;
        print_finding(finding, out, colours);
        fputc('\n', out);
    }
    fprintf(out, "%s: ", file);
    print_sum(report, out);
    free(file);
}

static json_t *json_of(const struct doctor_finding *finding)
{
    json_t *object = json_object();

    admin_json_set(object, "severity", json_string(severities[finding->severity].word));
    admin_json_set(object, "rule", json_string(finding->rule));
    admin_json_set(object, "file", finding->file ? admin_json_text(finding->file) : json_null());
    admin_json_set(object, "line", finding->line > 0 ? json_integer(finding->line) : json_null());
    admin_json_set(object, "what", admin_json_text(finding->what));
    admin_json_set(object, "why", admin_json_text(finding->why));
    admin_json_set(object, "write", admin_json_text(finding->write));
    return object;
}

void doctor_print_json(const struct doctor_report *report, FILE *out)
{
    json_t *array = json_array();

    for (size_t i = 0; i < report->count; i++)
        json_array_append_new(array, json_of(&report->findings[i]));
    json_dumpf(array, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(array);
}
