/* Reads tests/corpus/ *.corpus; the format is described at the top of those files. */
#ifndef EVERGATE_TESTS_CORPUS_H
#define EVERGATE_TESTS_CORPUS_H

#include <stddef.h>

struct corpus_case {
    char *name, *verdict, *why, *upstream, *method; /* NULL where the case has no such line */
    char *bytes;
    size_t size, capacity;
};

struct corpus {
    struct corpus_case *cases;
    size_t count;
};

/* `file` is relative to tests/corpus. Ends the test when the file is malformed. */
void corpus_load(struct corpus *corpus, const char *file);
void corpus_free(struct corpus *corpus);

#endif
