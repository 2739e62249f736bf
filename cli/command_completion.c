/* `evergate completion bash|zsh|fish`: the script that a shell reads. */
#include <stdio.h>
#include <string.h>

#include "cli/cli_internal.h"
#include "cli/completion_scripts.h"

int cli_completion(const struct cli_options *options)
{
    const char *shell = options->operands[0];

    for (const struct completion_script *s = completion_scripts; s->shell; s++) {
        if (strcmp(s->shell, shell) != 0)
            continue;
        fputs(s->text, stdout);
        return CLI_GOOD;
    }
    fprintf(stderr,
            "evergate completion: \"%s\" is not a shell that it knows; it knows bash, zsh "
            "and fish\n",
            shell);
    return CLI_USAGE;
}
