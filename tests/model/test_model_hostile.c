/* XML made to harm: refused, quickly, with nothing read from anywhere and nothing left behind. */
#include "test_support.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vx_model.h"

static void refused(const char *text, size_t bytes, const char *message)
{
    vx_model *model;
    vx_msg msg = {""};
    assert_int_equal(vx_model_parse(&model, VX_MODEL_CPU, text, bytes, "h.xml", &msg), VX_ERR_INPUT);
    assert_string_equal(msg.text, message);
}

static void a_billion_laughs(void **state)
{
    static const char text[] = "<?xml version=\"1.0\"?>\n"
                               "<!DOCTYPE cpu [\n"
                               "<!ENTITY a \"ha\">\n"
                               "<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">\n"
                               "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">\n"
                               "<!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;\">\n"
                               "]>\n"
                               "<cpu name=\"&d;\" title=\"&d;\" vendor=\"intel\"/>";
    (void)state;
    refused(text, strlen(text), "h.xml:2: a model has no DOCTYPE (no DTD, no entities)");
}

/* The file the entity names must not even be opened: a FIFO without a writer would block for ever. */
static void an_external_entity(void **state)
{
    char folder[] = "/tmp/vexit-test-XXXXXX", fifo[64], text[512];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    int length =
        snprintf(text, sizeof text,
                 "<!DOCTYPE cpu [<!ENTITY x SYSTEM \"file://%s\">]>\n<cpu name=\"m\" title=\"M\">&x;</cpu>", fifo);
    refused(text, (size_t)length, "h.xml:1: a model has no DOCTYPE (no DTD, no entities)");
    length = snprintf(text, sizeof text, "<!DOCTYPE cpu SYSTEM \"file://%s\">\n<cpu name=\"m\" title=\"M\"/>", fifo);
    refused(text, (size_t)length, "h.xml:1: a model has no DOCTYPE (no DTD, no entities)");
    unlink(fifo);
    rmdir(folder);
}

/* Each attribute is compared with each before it: a megabyte of them took minutes. Those in comments and values are
 * none, and a quote or a '>' inside of them ends nothing. */
static void a_tag_of_many_attributes(void **state)
{
    enum { MANY = 100000 };
    (void)state;
    char *text = malloc(MANY * 10 + 600);
    assert_non_null(text);
    size_t used = (size_t)sprintf(text, "<!-- a=1>\n' -->\n<cpu name='>\"'");
    for (unsigned i = 0; i < MANY; i++) used += (size_t)sprintf(text + used, " a%u=''", i);
    used += (size_t)sprintf(text + used, "/>");
    refused(text, used, "h.xml:3: a tag has more than 128 attributes");
    used = (size_t)sprintf(text, "<?xml version='1.0'?>\n<cpu name=\"");
    memset(text + used, '=', 500);
    used += 500;
    used += (size_t)sprintf(text + used, "\"/>");
    refused(
        text, used,
        "h.xml:2: cpu.name: '================================================================================' is not "
        "1 to 31 characters (letters, digits, '_', '-', '+', '.')");
    free(text);
}

static void an_undeclared_entity(void **state)
{
    static const char text[] = "<cpu name=\"m\" title=\"&x;\" vendor=\"intel\"/>";
    (void)state;
    refused(text, strlen(text), "h.xml:1: Entity 'x' not defined");
}

static void xinclude(void **state)
{
    static const char text[] =
        "<cpu name=\"m\" title=\"M\" vendor=\"intel\" xmlns:xi=\"http://www.w3.org/2001/XInclude\">\n"
        "<xi:include href=\"/etc/hostname\" parse=\"text\"/></cpu>";
    static const char nested[] =
        "<cpu name=\"m\" title=\"M\" vendor=\"intel\">\n"
        "<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"/etc/hostname\"/></cpu>";
    (void)state;
    refused(text, strlen(text), "h.xml:1: a model has no namespaces");
    refused(nested, strlen(nested), "h.xml:2: a model has no namespaces (element 'include')");
}

static void deep_nesting(void **state)
{
    enum { DEEP = 100000 };
    char *text = malloc(DEEP * 8 + 1);
    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < DEEP; i++) snprintf(text + i * 5, 6, "<cpu>");
    refused(text, (size_t)DEEP * 5, "h.xml:1: elements are nested deeper than 32");
    free(text);
}

static void two_mebibytes(void **state)
{
    enum { LARGE = 2 << 20 };
    char *text = malloc(LARGE);
    (void)state;
    assert_non_null(text);
    memset(text, ' ', LARGE);
    text[0] = '<';
    refused(text, LARGE, "h.xml: is larger than 1048576 bytes");
    free(text);
}

/* From a file as well: it is not read to its end. */
static void a_large_file(void **state)
{
    char path[] = "/tmp/vexit-test-XXXXXX.xml";
    int file = mkstemps(path, 4);
    vx_model *model;
    vx_msg msg, expected;
    (void)state;
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, 1LL << 40), 0);
    assert_int_equal(vx_model_open(&model, VX_MODEL_CPU, path, &msg), VX_ERR_INPUT);
    snprintf(expected.text, sizeof expected.text, "%s: is larger than 1048576 bytes", path);
    assert_string_equal(msg.text, expected.text);
    close(file);
    unlink(path);
}

static void nul_bytes_and_other_encodings(void **state)
{
    static const char nul[] = "<cpu name=\"m\0\" title=\"M\" vendor=\"intel\"/>";
    static const char utf16[] = "\xff\xfe<\0c\0p\0u\0/\0>\0";
    static const char latin[] = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><cpu title=\"\xe9\"/>";
    vx_model *model;
    vx_msg msg = {""};
    (void)state;
    refused(nul, sizeof nul - 1, "h.xml: holds a NUL byte");
    refused(utf16, sizeof utf16 - 1, "h.xml: holds a NUL byte");
    assert_int_equal(vx_model_parse(&model, VX_MODEL_CPU, latin, sizeof latin - 1, "h.xml", &msg), VX_ERR_INPUT);
    refused("", 0, "h.xml: is empty");
}

static void long_names(void **state)
{
    enum { LONG = 60000 };
    char *text = malloc(LONG + 256);
    vx_model *model;
    vx_msg msg = {""};
    (void)state;
    assert_non_null(text);
    int head = snprintf(text, 64, "<cpu name=\"");
    memset(text + head, 'n', LONG);
    snprintf(text + head + LONG, 64, "\"/>");
    assert_int_equal(vx_model_parse(&model, VX_MODEL_CPU, text, strlen(text), "h.xml", &msg), VX_ERR_INPUT);
    text[0] = '<';
    memset(text + 1, 'e', LONG);
    snprintf(text + 1 + LONG, 64, "/>");
    assert_int_equal(vx_model_parse(&model, VX_MODEL_CPU, text, strlen(text), "h.xml", &msg), VX_ERR_INPUT);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_billion_laughs),
        cmocka_unit_test(an_external_entity),
        cmocka_unit_test(a_tag_of_many_attributes),
        cmocka_unit_test(an_undeclared_entity),
        cmocka_unit_test(xinclude),
        cmocka_unit_test(deep_nesting),
        cmocka_unit_test(two_mebibytes),
        cmocka_unit_test(a_large_file),
        cmocka_unit_test(nul_bytes_and_other_encodings),
        cmocka_unit_test(long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
