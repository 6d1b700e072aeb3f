/* A launch's document where each allocation fails in turn. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "failing_malloc.h"
#include "test_support.h"
#include "vexit.h"
#include "vx_txt.h"

/* Not a hash: what is measured does not matter here. */
static void first_byte(const void *data, size_t bytes, uint8_t *digest, unsigned length)
{
    memset(digest, bytes ? *(const uint8_t *)data : 0, length);
}
static void small(const void *data, size_t bytes, uint8_t *digest) { first_byte(data, bytes, digest, 20); }
static void large(const void *data, size_t bytes, uint8_t *digest) { first_byte(data, bytes, digest, 32); }

static void *give(size_t bytes) { return malloc(bytes); }

static void every_allocation(void **state)
{
    (void)state;
    char image[] = "/tmp/vexit-launch-XXXXXX", policy[] = "/tmp/vexit-policy-XXXXXX";
    int file = mkstemp(image), other = mkstemp(policy);
    assert_true(file >= 0 && other >= 0 && write(file, "image", 5) == 5);
    close(file);
    close(other);
    const vx_launch_options options = {.image = image, .policy = policy, .module = image, .hash = {small, large}};
    vx_msg msg;
    assert_int_equal(vx_launch_make_policy(&options, &msg), VX_OK);
    uint64_t failed = 0;
    for (uint64_t n = 1;; n++, failed++) {
        json_t *document = NULL;
        bool launched = false;
        msg.text[0] = '\0';
        vx_fail_allocation(n);
        vx_status status = vx_launch_document(&document, &launched, &options, &msg);
        bool hit = vx_fail_allocation_end();
        json_decref(document);
        if (!hit) {
            assert_true(status == VX_OK && launched);
            break;
        }
        /* stdio's own buffer may be the one: then the file cannot be opened */
        assert_true(status == VX_ERR_NOMEM || status == VX_ERR_IO || status == VX_OK);
    }
    assert_true(failed > 20);
    remove(image);
    remove(policy);
}

int main(void)
{
    json_set_alloc_funcs(give, free);
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
