/* What the tests of config/ share: loading text, looking at mistakes, files that last one test. */
#ifndef EVERGATE_TESTS_CONFIG_SUPPORT_H
#define EVERGATE_TESTS_CONFIG_SUPPORT_H

#include "config/config.h"

/* The smallest pieces that are valid, each on a line of its own. */
#define LISTENER "listeners = ( { bind = \":8080\"; } );\n"
#define POOL     "pools = ( { name = \"app\"; backends = ( { address = \"10.0.0.1:80\"; } ); } );\n"

/* Fails the test, printing the mistakes, unless `text` is valid. The caller unrefs. */
struct config *support_load(const char *text);

/* Fails the test unless `text` is refused. The caller frees. */
struct config_errors support_refuse(const char *text);

/* The mistakes of `errors`, "FILE:LINE: MESSAGE" each on a line (heap). */
char *support_print(const struct config_errors *errors);

/* One mistake: the line it is reported at and what is said. */
struct support_mistake {
    const char *text;
    unsigned line;
    const char *says;
};

/* Each text must be refused with exactly that mistake: ones that only follow from another would
 * hide it. */
void support_check_mistakes(const struct support_mistake *mistakes, size_t count);
#define SUPPORT_CHECK_ALL(table) support_check_mistakes((table), sizeof(table) / sizeof((table)[0]))

/* Pieces around the mistake, so that it stands on line 3 or 2. */
#define BASE          LISTENER POOL
#define ROUTE(keys)   BASE "routes = ( { name = \"r\"; " keys " } );\n"
#define BACKEND(keys) LISTENER "pools = ( { name = \"app\";\n backends = ( { " keys " } ); } );\n"
#define IN_POOL(keys)                                                                              \
    LISTENER "pools = ( { name = \"app\"; backends = ( { address = \"a:80\"; } );\n" keys " } "    \
             ");\n"
#define IN_LISTENER(keys) POOL "listeners = ( { name = \"edge\"; bind = \":80\";\n" keys " } );\n"

/* A directory of the test's own, removed with everything in it by support_directory_remove. */
char *support_directory_make(void);
void support_directory_remove(char **directory);

/* Writes a file there; returns its path (heap). */
char *support_write(const char *directory, const char *name, const char *text);

#endif
