/* The command line: subcommands, their help and exit codes (0 good, 1 the thing asked about is not
 * good, 2 wrong usage, 3 cannot reach the instance). */
#ifndef EVERGATE_CLI_CLI_H
#define EVERGATE_CLI_CLI_H

int cli_main(int argc, char **argv);

#endif
