/* vexit launch as a user runs it: a policy is made, the image launches, a changed one is refused. */
#include <string.h>

#include "cli.h"
#include "test_support.h"

static void make_files(void)
{
    cli_file("xen.bin", "image", 5);
    assert_int_equal(cli_line("launch --image xen.bin --make-policy p"), 0);
    assert_string_equal(cli_out, "");
}

static void remove_files(void)
{
    remove("xen.bin");
    remove("p");
}

static void a_launch(void **state)
{
    (void)state;
    make_files();
    json_t *document = cli_document("launch --image xen.bin --policy p");
    cli_check_document(document);
    assert_string_equal(cli_text(document, "/launch/verdict"), "launched");
    assert_string_equal(cli_text(document, "/launch/image/sha1"), "0e76292794888d4f1fa75fb3aff4ca27c58f56a6");
    assert_string_equal(cli_text(document, "/launch/pcrs/18/sha256"),
                        "f3489ef80172afd53bc6647f9b07f9b50790b03c0e1b21322becd6533d8ec077");
    assert_true(json_is_null(cli_at(document, "/launch/module")));
    json_decref(document);
    cli_file("acm.bin", "module", 6);
    document = cli_document("launch --image xen.bin --policy p --module acm.bin");
    cli_check_document(document);
    assert_int_equal(cli_count(document, "/launch/module/bytes"), 6);
    assert_string_equal(cli_text(document, "/launch/events/0/sha1"), "fbd34a2b6e6a9fe8161f97dc435642609ac0bc29");
    json_decref(document);
    remove("acm.bin");
    remove_files();
}

static void a_changed_image(void **state)
{
    (void)state;
    make_files();
    cli_file("xen.bin", "imagf", 5);
    assert_int_equal(cli_line("launch --image xen.bin --policy p"), 1);
    assert_string_equal(cli_err, "vexit launch: xen.bin: refused: p does not allow its measurements\n");
    assert_non_null(strstr(cli_out, "verdict  refused\n"));
    assert_non_null(strstr(cli_out, "PCR 18\n    sha1   ffffffffffffffffffffffffffffffffffffffff\n"));
    assert_int_equal(cli_line("launch --image xen.bin --policy p --json -"), 1);
    json_t *document = cli_json();
    cli_check_document(document);
    assert_string_equal(cli_text(document, "/launch/verdict"), "refused");
    json_decref(document);
    remove_files();
}

static void wrong_input(void **state)
{
    static const struct {
        const char *line;
        int code;
        const char *error;
    } rows[] = {
        {"launch --image xen.bin --policy bad", 2,
         "vexit launch: bad:2: sha1 takes 40 hexadecimal digits and nothing else\n"},
        {"launch --image none --policy p", 3, "vexit launch: cannot open none: No such file or directory\n"},
        {"launch --image xen.bin --policy none", 3, "vexit launch: cannot open none: No such file or directory\n"},
        {"launch --image xen.bin --make-policy /none/p", 3,
         "vexit launch: cannot create /none/p: No such file or directory\n"},
    };
    (void)state;
    make_files();
    cli_file("bad", "vexit launch policy 1\nsha1 00\n", 30);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(cli_line("%s", rows[i].line), rows[i].code);
        assert_string_equal(cli_err, rows[i].error);
        assert_string_equal(cli_out, "");
    }
    assert_int_equal(cli_line("launch --policy p"), 2);
    assert_non_null(strstr(cli_err, "no image given: --image FILE"));
    assert_int_equal(cli_line("launch --image xen.bin"), 2);
    assert_int_equal(cli_line("launch --image xen.bin --policy p --make-policy q"), 2);
    remove("bad");
    remove_files();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_launch),
        cmocka_unit_test(a_changed_image),
        cmocka_unit_test(wrong_input),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
