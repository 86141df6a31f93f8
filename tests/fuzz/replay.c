/* replay.c - runs a fuzz target over files and folders of a corpus, where libFuzzer is not linked.
 *
 * Used by ctest in every build: an input that once broke a promise keeps it from then on. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>

#define INPUT_MAX (1u << 20)

static size_t inputs;

static int run_file(const char *path)
{
    static uint8_t octets[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    size_t size = fread(octets, 1, sizeof octets, file);
    fclose(file);
    LLVMFuzzerTestOneInput(octets, size);
    inputs++;
    return 0;
}

static int run_folder(const char *path)
{
    char name[4096];
    int failed = 0;
    DIR *folder = opendir(path);
    if (!folder)
        return run_file(path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        failed |= run_file(name);
    }
    closedir(folder);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        failed |= run_folder(argv[i]);
    printf("%zu inputs\n", inputs);
    return failed || inputs == 0;
}
