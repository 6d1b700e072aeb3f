/* A file is whole or as it was. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test_support.h"
#include "vx_report.h"

/* An absolute path: the link test points at it from within. */
static char folder[] = P_tmpdir "/vexit-save-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails where a test left anything behind */
}

static void path_of(char path[256], const char *name) { snprintf(path, 256, "%s/%s", folder, name); }

static void read_file(const char *path, char text[64])
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, 63, file)] = '\0';
    fclose(file);
}

static unsigned files_in_folder(void)
{
    unsigned count = 0;
    DIR *found = opendir(folder);
    assert_non_null(found);
    for (struct dirent *entry; (entry = readdir(found));) count += entry->d_name[0] != '.';
    closedir(found);
    return count;
}

static vx_status writes_then_fails(const json_t *document, FILE *out, vx_msg *msg)
{
    (void)document;
    fputs("half a repo", out);
    return vx_fail(msg, VX_ERR_NOMEM, "out of memory");
}

static void a_new_file_is_written_with_the_umask(void **state)
{
    (void)state;
    char path[256], text[64];
    path_of(path, "new.json");
    json_t *document = json_pack("{s:i}", "a", 1);
    mode_t before = umask(027);
    assert_int_equal(vx_report_save(document, path, vx_report_write_json, NULL), VX_OK);
    umask(before);
    read_file(path, text);
    assert_string_equal(text, "{\"a\": 1}\n");
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0640);
    assert_int_equal(files_in_folder(), 1);
    unlink(path);
    json_decref(document);
}

static void a_failure_leaves_the_old_file(void **state)
{
    (void)state;
    char path[256], text[64];
    path_of(path, "old.json");
    json_t *document = json_pack("{s:i}", "a", 1);
    assert_int_equal(vx_report_save(document, path, vx_report_write_json, NULL), VX_OK);
    vx_msg msg = {{0}};
    assert_int_equal(vx_report_save(document, path, writes_then_fails, &msg), VX_ERR_NOMEM);
    assert_non_null(strstr(msg.text, "old.json"));
    assert_non_null(strstr(msg.text, "out of memory"));
    read_file(path, text);
    assert_string_equal(text, "{\"a\": 1}\n");
    assert_int_equal(files_in_folder(), 1);
    unlink(path);
    json_decref(document);
}

static void a_link_stays_a_link(void **state)
{
    (void)state;
    char path[256], link[256], text[64];
    path_of(path, "target.json");
    path_of(link, "link.json");
    json_t *document = json_pack("{s:i}", "a", 2);
    assert_int_equal(vx_report_save(document, path, vx_report_write_json, NULL), VX_OK);
    assert_int_equal(symlink(path, link), 0);
    json_object_set_new(document, "a", json_integer(3));
    assert_int_equal(vx_report_save(document, link, vx_report_write_json, NULL), VX_OK);
    struct stat found;
    assert_int_equal(lstat(link, &found), 0);
    assert_true(S_ISLNK(found.st_mode));
    read_file(path, text);
    assert_string_equal(text, "{\"a\": 3}\n");
    unlink(link);
    unlink(path);
    json_decref(document);
}

/* A device must not be replaced by a file of its name. */
static void what_is_no_file_is_written_in_place(void **state)
{
    (void)state;
    char path[256], text[64] = "";
    path_of(path, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    json_t *document = json_pack("{s:i}", "a", 1);
    assert_int_equal(vx_report_save(document, path, vx_report_write_json, NULL), VX_OK);
    assert_int_equal(read(reader, text, sizeof text - 1), 9);
    assert_string_equal(text, "{\"a\": 1}\n");
    close(reader);
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    assert_true(S_ISFIFO(found.st_mode));
    unlink(path);
    vx_msg msg = {{0}};
    assert_int_equal(vx_report_save(document, "/dev/full", vx_report_write_json, &msg), VX_ERR_IO);
    assert_non_null(strstr(msg.text, "/dev/full"));
    json_decref(document);
}

static void what_cannot_be_written_is_an_io_error(void **state)
{
    (void)state;
    char path[256];
    json_t *document = json_object();
    vx_msg msg = {{0}};
    path_of(path, "no/such/folder.json");
    vx_status status = vx_report_save(document, path, vx_report_write_json, &msg);
    assert_int_equal(status, VX_ERR_IO);
    assert_int_equal(vx_status_exit_code(status), 3);
    assert_non_null(strstr(msg.text, "no/such/folder.json"));
    assert_int_equal(vx_report_save(document, folder, vx_report_write_json, &msg), VX_ERR_IO);
    assert_int_equal(vx_report_save(document, "", vx_report_write_json, &msg), VX_ERR_IO);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_file_is_written_with_the_umask),
        cmocka_unit_test(a_failure_leaves_the_old_file),
        cmocka_unit_test(a_link_stays_a_link),
        cmocka_unit_test(what_is_no_file_is_written_in_place),
        cmocka_unit_test(what_cannot_be_written_is_an_io_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
