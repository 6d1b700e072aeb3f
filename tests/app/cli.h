/* Runs the command line as a user does, in a folder of the test's own, and looks at what it prints and leaves. */
#ifndef TESTS_APP_CLI_H
#define TESTS_APP_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Of the last call, terminated; overwritten by the next. */
extern char cli_out[], cli_err[];

/* CMocka group fixtures: make an empty folder and go there, models being this tree's; remove it with all it holds. */
int cli_begin(void **state);
int cli_end(void **state);

/* Runs "vexit <words>" (ended by NULL) and returns its exit code, or 128 + signal where one killed it. */
int cli_run(const char *const *words);
#define CLI(...) cli_run((const char *const[]){__VA_ARGS__, NULL})

/* Splits a line at blanks; for command lines without quotes. */
int cli_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Parses what the last call printed on standard output; fails the test where it is no JSON. */
json_t *cli_json(void);

/* As cli_line, with "--json -" behind it: the document. Fails the test where the exit code is not 0. */
json_t *cli_document(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The value at a path of keys and indices, "/runs/0/cycles/total"; NULL where there is none. */
const json_t *cli_at(const json_t *document, const char *path);
/* The same, which must be an integer; absent counts as 0 only for cli_count_or_0. */
uint64_t cli_count(const json_t *document, const char *path);
uint64_t cli_count_or_0(const json_t *document, const char *path);
const char *cli_text(const json_t *document, const char *path);

/* Fails the test unless the document is as docs/schema/vexit-1.json says and every run's identities are "ok". */
void cli_check_document(const json_t *document);

/* Whether the folder holds this file and nothing else; NULL: nothing at all. */
bool cli_folder_holds(const char *name);

/* A command line, its exit code, and all of its standard error; it has no output. */
typedef struct cli_error {
    const char *line;
    int code;
    const char *text;
} cli_error;
void cli_check_errors(const cli_error *rows, unsigned count);

/* Writes a file into the folder; reads one (malloced, terminated). */
void cli_file(const char *name, const void *bytes, size_t size);
char *cli_slurp(const char *path, size_t *size);

/* A trace of this tree. */
#define CLI_TRACE(name) VX_SOURCE_DIR "/traces/" name

#endif
