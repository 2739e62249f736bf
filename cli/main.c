/* The binary's entry: everything lives in the libraries so that tests can link it. */
#include "base/standard_streams.h"
#include "cli/cli.h"

int main(int argc, char **argv)
{
    standard_streams_fill();
    return cli_main(argc, argv);
}
