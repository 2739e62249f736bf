/* The files in completions/, put into the binary by the build (cli/CMakeLists.txt). */
#ifndef EVERGATE_CLI_COMPLETION_SCRIPTS_H
#define EVERGATE_CLI_COMPLETION_SCRIPTS_H

struct completion_script {
    const char *shell, *text;
};

/* Ends with a NULL shell. */
extern const struct completion_script completion_scripts[];

#endif
