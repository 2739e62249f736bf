/* Programs by the names that people write: found as a shell would find them. */
#ifndef EVERGATE_BASE_PROGRAM_H
#define EVERGATE_BASE_PROGRAM_H

/* The absolute path of `name`, looked for in `path` (as $PATH; NULL: nowhere) unless it has a slash
 * in it. Links are not followed. Heap; NULL: there is no file of that name that may be run. */
char *program_find(const char *name, const char *path);

#endif
