/*
 * The driver of a fuzz target where there is no libFuzzer (gcc, `make test`): runs it once over
 * every file of the directories given, seeds and committed crashers alike. A directory that does
 * not exist holds none. Exits 1 when nothing was run at all.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void file_run(const char *path, FILE *file)
{
    size_t size = 0, capacity = 4096, got;
    uint8_t *data = xmalloc(capacity), *exact;

    while ((got = fread(data + size, 1, capacity - size, file)) > 0) {
        size += got;
        if (size == capacity)
            data = xrealloc(data, capacity *= 2);
    }
    /* Exactly as large as its content, so that the sanitizer sees a read behind it. */
    exact = xmalloc(size ? size : 1);
    for (size_t i = 0; i < size; i++)
        exact[i] = data[i];
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(data);
}

static unsigned directory_run(const char *directory)
{
    DIR *d = opendir(directory);
    struct dirent *entry;
    unsigned count = 0;

    while (d && (entry = readdir(d)) != NULL) {
        char *path = xasprintf("%s/%s", directory, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");

        if (file) {
            file_run(path, file);
            fclose(file);
            count++;
        }
        free(path);
    }
    if (d)
        closedir(d);
    return count;
}

int main(int argc, char **argv)
{
    unsigned count = 0;

    for (int i = 1; i < argc; i++)
        count += directory_run(argv[i]);
    printf("%u inputs replayed\n", count);
    return count > 0 ? 0 : 1;
}
