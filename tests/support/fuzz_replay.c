/* Replays corpus files through a fuzz target: each argument is a file or a folder of files. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return 1;
    uint8_t *data = NULL;
    size_t size = 0;
    for (;;) {
        uint8_t *bigger = realloc(data, size + 65536);
        if (!bigger) break;
        data = bigger;
        size_t got = fread(data + size, 1, 65536, file);
        size += got;
        if (got < 65536) break;
    }
    fclose(file);
    /* An exact-size copy, so that AddressSanitizer sees a read one byte past the end. */
    uint8_t *exact = malloc(size ? size : 1);
    if (exact && size) memcpy(exact, data, size);
    free(data);
    if (!exact) return 1;
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned replayed = 0;
    for (int i = 1; i < argc; i++) {
        struct stat info;
        if (stat(argv[i], &info) != 0) {
            fprintf(stderr, "cannot read %s\n", argv[i]);
            return 1;
        }
        if (!S_ISDIR(info.st_mode)) {
            if (replay_file(argv[i]) != 0) return 1;
            replayed++;
            continue;
        }
        DIR *folder = opendir(argv[i]);
        if (!folder) return 1;
        for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
            if (entry->d_name[0] == '.') continue;
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (replay_file(path) != 0) {
                closedir(folder);
                return 1;
            }
            replayed++;
        }
        closedir(folder);
    }
    printf("%u inputs replayed\n", replayed);
    return replayed == 0; /* an empty corpus proves nothing */
}
