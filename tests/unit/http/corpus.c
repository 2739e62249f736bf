/* See corpus.h. */
#include "corpus.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static void bytes_append(struct corpus_case *c, const char *p, size_t n)
{
    if (c->size + n >= c->capacity) {
        c->capacity = 2 * (c->size + n) + 64;
        c->bytes = xrealloc(c->bytes, c->capacity);
    }
    if (n > 0)
        memcpy(c->bytes + c->size, p, n);
    c->size += n;
}

/* \r \n \t \0 \xHH \\ : the byte, and *text behind it. */
static char escape_take(const char **text)
{
    static const char names[] = "rnt0\\", values[] = "\r\n\t\0\\";
    const char *name;
    char hex[3] = {0};

    if (**text == 'x') {
        memcpy(hex, *text + 1, 2);
        *text += 3;
        return (char)strtol(hex, NULL, 16);
    }
    name = strchr(names, **text);
    cr_assert(name != NULL && *name != '\0', "unknown escape \\%s", *text);
    (*text)++;
    return values[name - names];
}

static void text_append(struct corpus_case *c, const char *text, const char *end);

/* repeat(N,TEXT), behind its backslash. Returns what follows it. */
static const char *repeat_append(struct corpus_case *c, const char *text)
{
    char *comma;
    long times = strtol(text + strlen("repeat("), &comma, 10);
    const char *end = strchr(comma, ')');

    cr_assert(*comma == ',' && end && times > 0, "malformed \\%s", text);
    for (long i = 0; i < times; i++)
        text_append(c, comma + 1, end);
    return end + 1;
}

static void text_append(struct corpus_case *c, const char *text, const char *end)
{
    while (text < end) {
        if (*text != '\\') {
            bytes_append(c, text++, 1);
        } else if (strncmp(text, "\\repeat(", 8) == 0) {
            text = repeat_append(c, text + 1);
        } else {
            char byte;

            text++;
            byte = escape_take(&text);
            bytes_append(c, &byte, 1);
        }
    }
}

static void header_take(struct corpus_case *c, const char *line)
{
    static const char *const names[] = {"verdict: ", "why: ", "upstream: ", "method: "};
    char **const places[] = {&c->verdict, &c->why, &c->upstream, &c->method};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strncmp(line, names[i], strlen(names[i])) != 0)
            continue;
        *places[i] = xstrdup(line + strlen(names[i]));
        return;
    }
    cr_assert_fail("case %s: unknown line: %s", c->name, line);
}

static struct corpus_case *case_begin(struct corpus *corpus, const char *name)
{
    struct corpus_case *c;

    corpus->cases = xrealloc(corpus->cases, (corpus->count + 1) * sizeof(*c));
    c = &corpus->cases[corpus->count++];
    *c = (struct corpus_case){.name = xstrdup(name)};
    bytes_append(c, "", 0);
    return c;
}

void corpus_load(struct corpus *corpus, const char *file)
{
    char *path = xasprintf("%s/corpus/%s", TEST_SOURCE_DIR, file), *line = NULL;
    FILE *in = fopen(path, "r");
    struct corpus_case *c = NULL;
    bool in_body = false;
    size_t capacity = 0;

    cr_assert(in != NULL, "cannot open %s", path);
    *corpus = (struct corpus){NULL, 0};
    while (getline(&line, &capacity, in) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "## ", 3) == 0 || (!c && line[0] == '#')) {
            continue;
        } else if (strncmp(line, "=== ", 4) == 0) {
            c = case_begin(corpus, line + 4);
            in_body = false;
        } else if (c && in_body) {
            text_append(c, line, line + strlen(line));
        } else if (strcmp(line, "---") == 0) {
            in_body = true;
        } else if (c) {
            header_take(c, line);
        }
    }
    fclose(in);
    free(line);
    free(path);
}

void corpus_free(struct corpus *corpus)
{
    for (size_t i = 0; i < corpus->count; i++) {
        struct corpus_case *c = &corpus->cases[i];

        free(c->name);
        free(c->verdict);
        free(c->why);
        free(c->upstream);
        free(c->method);
        free(c->bytes);
    }
    free(corpus->cases);
}
