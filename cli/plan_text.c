/* A plan as text: see plan_text.h. */
#include "cli/plan_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/plural.h"
#include "cli/remote.h"
#include "cli/table.h"

struct change_look {
    const char *word, *sign;
    enum cli_colour colour;
};

static struct change_look look_of(const char *change)
{
    static const struct change_look looks[] = {
        {"added", "+", CLI_GREEN}, {"removed", "-", CLI_RED}, {"changed", "~", CLI_YELLOW}};

    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
        if (strcmp(change, looks[i].word) == 0)
            return looks[i];
    return (struct change_look){change, "?", CLI_PLAIN};
}

/* "api/c" of an endpoint. */
static char *subject_of(const json_t *change)
{
    const char *pool = remote_text(change, "pool"), *name = remote_text(change, "name");
    char *text = pool[0] ? xasprintf("%s/%s", pool, name) : xstrdup(name);
    char *printable = cli_printable(text);

    free(text);
    return printable;
}

static void print_notes(const json_t *change, FILE *out)
{
    static const struct {
        const char *key, *note;
    } notes[] = {
        {"match_changes", "other requests than before may take it"},
        {"replaces", "a new endpoint under the same id"},
        {"needs_upgrade", "takes effect when the process is replaced"},
    };

    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
        if (json_is_true(json_object_get(change, notes[i].key)))
            fprintf(out, " (%s)", notes[i].note);
}

static void print_change(const json_t *change, int width, FILE *out, bool colours)
{
    struct change_look look = look_of(remote_text(change, "change"));
    char *subject = subject_of(change);
    char *text = xasprintf("%s %-8s %-*s", look.sign, remote_text(change, "of"), width, subject);
    size_t n = strlen(text);

    while (n > 0 && text[n - 1] == ' ' && remote_text(change, "detail")[0] == '\0')
        text[--n] = '\0';
    cli_print_in(out, colours, look.colour, text);
    if (remote_text(change, "detail")[0] != '\0') {
        char *detail = cli_printable(remote_text(change, "detail"));

        fprintf(out, "  %s", detail);
        free(detail);
    }
    print_notes(change, out);
    fputc('\n', out);
    free(text);
    free(subject);
}

enum { SUBJECT_WIDTH_MAX = 40 };

static int subject_width(const json_t *changes)
{
    const json_t *change;
    size_t i, width = 0;

    json_array_foreach(changes, i, change)
    {
        char *subject = subject_of(change);

        if (strlen(subject) > width && strlen(subject) <= SUBJECT_WIDTH_MAX)
            width = strlen(subject);
        free(subject);
    }
    return (int)width;
}

static void print_count(FILE *out, const char *before, double count, const char *what)
{
    fprintf(out, "%s%.0f %s%s", before, count, what, plural(count));
}

static void print_kept(const json_t *kept, FILE *out)
{
    static const char *const keys[] = {"listeners", "routes", "pools", "endpoints"};
    static const char *const words[] = {"listener", "route", "pool", "endpoint"};

    fprintf(out, "kept     ");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        print_count(out, i > 0 ? ", " : "", remote_number(kept, keys[i]), words[i]);
    fputc('\n', out);
}

static void print_consequences(const json_t *answer, FILE *out)
{
    double closing = remote_number(answer, "closing"), draining = remote_number(answer, "draining");

    if (closing > 0) {
        print_count(out, "closing  ", closing, "connection");
        fprintf(out, " of clients, on listeners that go\n");
    }
    if (draining > 0) {
        print_count(out, "draining ", draining, "request");
        fprintf(out, " in flight to endpoints that go; they are finished\n");
    }
}

static void print_risk(const json_t *plan, FILE *out, bool colours)
{
    const char *risk = remote_text(plan, "risk");
    char *why = cli_printable(remote_text(plan, "risk_why")), *word = cli_printable(risk);
    enum cli_colour colour = strcmp(risk, "high") == 0     ? CLI_RED
                             : strcmp(risk, "medium") == 0 ? CLI_YELLOW
                                                           : CLI_GREEN;

    fprintf(out, "risk     ");
    cli_print_in(out, colours, colour, word);
    if (remote_text(plan, "risk_why")[0] != '\0')
        fprintf(out, ": %s", why);
    fputc('\n', out);
    free(why);
    free(word);
}

static void print_headline(const json_t *answer, size_t count, const char *done, FILE *out)
{
    double generation = remote_number(answer, "generation");

    if (count == 0)
        fprintf(out, "Nothing %s: generation %.0f serves what the file says.\n",
                done ? "has changed" : "would change", generation);
    else if (!done)
        fprintf(out, "A reload would change generation %.0f in %zu place%s:\n", generation, count,
                plural(count));
    else
        fprintf(out, "%s: generation %.0f is served by every worker.\n", done, generation);
}

void plan_print(const json_t *answer, const char *done, FILE *out, bool colours)
{
    const json_t *plan = json_object_get(answer, "plan"), *change;
    const json_t *changes = json_object_get(plan, "changes");
    int width = subject_width(changes);
    size_t i;

    print_headline(answer, json_array_size(changes), done, out);
    if (json_array_size(changes) > 0)
        fputc('\n', out);
    json_array_foreach(changes, i, change) print_change(change, width, out, colours);
    fputc('\n', out);
    print_kept(json_object_get(plan, "kept"), out);
    print_consequences(answer, out);
    print_risk(plan, out, colours);
}
