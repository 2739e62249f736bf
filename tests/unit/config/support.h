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

/* A directory of the test's own, removed with everything in it by support_directory_remove. */
char *support_directory_make(void);
void support_directory_remove(char **directory);

/* Writes a file there; returns its path (heap). */
char *support_write(const char *directory, const char *name, const char *text);

#endif
