#include "cli.h"

#include <dirent.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json_schema.h"
#include "test_support.h"

enum { TEXT_MAX = 1 << 22, WORDS_MAX = 64, LINE_MAX_BYTES = 4096 };

char cli_out[TEXT_MAX], cli_err[TEXT_MAX];
static char folder[] = "/tmp/vexit-test-XXXXXX";

int cli_begin(void **state)
{
    (void)state;
    setenv("VEXIT_MODELS", VX_SOURCE_DIR "/models", 1);
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static void remove_all(void)
{
    DIR *open = opendir(folder);
    for (struct dirent *entry; open && (entry = readdir(open)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) remove(entry->d_name);
    if (open) closedir(open);
}

int cli_end(void **state)
{
    (void)state;
    remove_all();
    if (chdir("/") != 0) return -1;
    return rmdir(folder);
}

bool cli_folder_holds(const char *name)
{
    bool only = true, found = name == NULL;
    DIR *open = opendir(".");
    assert_non_null(open);
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (name && strcmp(entry->d_name, name) == 0)
            found = true;
        else
            only = false;
    }
    closedir(open);
    return only && found;
}

static void take_text(FILE *file, char *text)
{
    rewind(file);
    size_t got = fread(text, 1, TEXT_MAX - 1, file);
    text[got] = '\0';
    assert_true(got < TEXT_MAX - 1);
    fclose(file);
}

int cli_run(const char *const *words)
{
    const char *argv[WORDS_MAX] = {VEXIT_CLI};
    for (unsigned i = 0; words[i]; i++) {
        assert_true(i + 2 < WORDS_MAX);
        argv[i + 1] = words[i];
    }
    /* Files without a name, so that the folder holds only what the program leaves. */
    FILE *out = tmpfile(), *err = tmpfile();
    assert_non_null(out);
    assert_non_null(err);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(out), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(err), STDERR_FILENO);
    pid_t child;
    assert_int_equal(posix_spawn(&child, VEXIT_CLI, &actions, NULL, (char *const *)(uintptr_t)argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    take_text(out, cli_out);
    take_text(err, cli_err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_line(const char *behind, const char *format, va_list arguments)
{
    char line[LINE_MAX_BYTES];
    int length = vsnprintf(line, sizeof line, format, arguments);
    assert_in_range(length, 1, sizeof line - 1);
    const char *words[WORDS_MAX] = {NULL};
    unsigned count = 0;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
        assert_true(count + 3 < WORDS_MAX);
        words[count++] = word;
    }
    if (behind) {
        words[count++] = "--json";
        words[count++] = behind;
    }
    return cli_run(words);
}

int cli_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int code = run_line(NULL, format, arguments);
    va_end(arguments);
    return code;
}

json_t *cli_json(void)
{
    json_error_t error;
    json_t *document = json_loads(cli_out, 0, &error);
    if (!document) fail_msg("no JSON: line %d: %s", error.line, error.text);
    return document;
}

json_t *cli_document(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int code = run_line("-", format, arguments);
    va_end(arguments);
    if (code != 0) print_error("%s", cli_err);
    assert_int_equal(code, 0);
    assert_string_equal(cli_err, "");
    return cli_json();
}

const json_t *cli_at(const json_t *value, const char *path)
{
    char key[128];
    while (value && *path == '/') {
        size_t length = strcspn(++path, "/");
        assert_true(length < sizeof key);
        memcpy(key, path, length);
        key[length] = '\0';
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(key)) : json_object_get(value, key);
        path += length;
    }
    return value;
}

uint64_t cli_count_or_0(const json_t *document, const char *path)
{
    const json_t *value = cli_at(document, path);
    if (value && !json_is_integer(value)) fail_msg("%s is no integer", path);
    return (uint64_t)json_integer_value(value);
}

uint64_t cli_count(const json_t *document, const char *path)
{
    if (!cli_at(document, path)) fail_msg("the document has no %s", path);
    return cli_count_or_0(document, path);
}

const char *cli_text(const json_t *document, const char *path)
{
    const json_t *value = cli_at(document, path);
    if (!json_is_string(value)) fail_msg("%s is no text", path);
    return json_string_value(value);
}

void cli_check_document(const json_t *document)
{
    json_t *schema = json_load_file(VX_SOURCE_DIR "/docs/schema/vexit-1.json", 0, NULL);
    assert_non_null(schema);
    vx_schema_fault fault;
    if (!vx_json_schema_check(schema, document, &fault)) fail_msg("%s: %s", fault.where, fault.what);
    json_decref(schema);
    const json_t *runs = json_object_get(document, "runs");
    assert_true(json_array_size(runs) > 0 || json_object_get(document, "launch"));
    for (size_t i = 0; i < json_array_size(runs); i++)
        assert_string_equal(cli_text(json_array_get(runs, i), "/identities"), "ok");
}

void cli_check_errors(const cli_error *rows, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int code = cli_line("%s", rows[i].line);
        if (code != rows[i].code || strcmp(cli_err, rows[i].text) != 0)
            fail_msg("%s\n    exit code %d, not %d; standard error:\n%s    not:\n%s", rows[i].line, code, rows[i].code,
                     cli_err, rows[i].text);
        assert_string_equal(cli_out, "");
    }
}

void cli_file(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

char *cli_slurp(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long bytes = ftell(file);
    assert_true(bytes >= 0);
    rewind(file);
    char *text = malloc((size_t)bytes + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)bytes, file), bytes);
    text[bytes] = '\0';
    fclose(file);
    if (size) *size = (size_t)bytes;
    return text;
}
