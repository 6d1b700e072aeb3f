/* A chunk's columns: every record stream survives, and no damaged chunk crashes the decoder. */
#include <string.h>

#include "chunk_decoder.h"
#include "test_support.h"
#include "trace_samples.h"
#include "vx_random.h"

/* Puts `step` records at once. */
static vxt_bytes encode_by(const vx_sample *sample, size_t step)
{
    vxt_bytes raw = {0};
    vx_chunk_encoder *encoder = vx_chunk_encoder_new();
    const vx_batch batch = {sample->records, sample->count, sample->payload, sample->words};
    for (size_t i = 0, taken; i < sample->count; i += taken) {
        size_t count = sample->count - i < step ? sample->count - i : step;
        assert_int_equal(vx_chunk_encoder_put(encoder, &batch, i, count, &taken), VX_OK);
        assert_int_equal(taken, count);
    }
    assert_int_equal(vx_chunk_encoder_records(encoder), sample->count);
    assert_int_equal(vx_chunk_encoder_finish(encoder, &raw), VX_OK);
    assert_int_equal(vx_chunk_encoder_records(encoder), 0);
    vx_chunk_encoder_free(encoder);
    assert_true(vxt_bytes_room(&raw, VXT_RAW_SLACK));
    memset(raw.data + raw.size, 0, VXT_RAW_SLACK);
    return raw;
}

static vxt_bytes encode(const vx_sample *sample) { return encode_by(sample, SIZE_MAX); }

static vx_status decode_once(vx_chunk_decoder *decoder, const vxt_bytes *raw, uint32_t records,
                             const vx_sample *expected, uint64_t *hash)
{
    const char *why;
    size_t at = 0;
    vx_status status = vx_chunk_decoder_start(decoder, raw->data, raw->size, records, &why);
    while (!status) {
        vx_batch batch;
        status = vx_chunk_decoder_next(decoder, &batch, &why);
        if (status || batch.count == 0) break;
        for (size_t i = 0; i < batch.count; i++, at++) {
            assert_true(vx_record_valid(&batch.records[i], batch.words));
            if (expected) assert_true(vx_sample_equals(expected, at, &batch.records[i], batch.payload));
            uint64_t words[2];
            memcpy(words, &batch.records[i], sizeof words);
            *hash = vx_mix64(*hash ^ vx_mix64(words[0] ^ vx_mix64(words[1])));
        }
        for (size_t i = 0; i < batch.words; i++) *hash = vx_mix64(*hash ^ batch.payload[i]);
    }
    if (!status) assert_int_equal(at, records);
    return status;
}

/* Decodes to the end or to an error, as the host does it best and as any host can, which must be the same; what comes
 * is compared where `expected` is given. */
static vx_status decode(vx_chunk_decoder *decoder, const vxt_bytes *raw, uint32_t records, const vx_sample *expected)
{
    uint64_t best_hash = 0, any_hash = 0;
    vx_status (*best)(vx_chunk_decoder *, vx_batch *, const char **) = decoder->expand;
    vx_status status = decode_once(decoder, raw, records, expected, &best_hash);
    decoder->expand = vx_chunk_expand;
    assert_int_equal(decode_once(decoder, raw, records, expected, &any_hash), status);
    decoder->expand = best;
    if (!status) assert_int_equal(best_hash, any_hash);
    return status;
}

static void check_round_trip(const vx_sample *sample)
{
    vxt_bytes raw = encode(sample);
    vx_chunk_decoder *decoder = vx_chunk_decoder_new();
    assert_int_equal(decode(decoder, &raw, (uint32_t)sample->count, sample), VX_OK);
    vx_chunk_decoder_free(decoder);
    free(raw.data);
}

static void random_streams_survive(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "chunk");
    for (size_t count = 1; count < 20000; count = count * 3 + 1) {
        vx_sample made = vx_sample_random(&random, count);
        check_round_trip(&made);
        vx_sample_free(&made);
    }
}

static void programs_survive_and_are_small(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "program");
    vx_sample made = vx_sample_program(&random, 100000);
    check_round_trip(&made);
    vxt_bytes raw = encode(&made);
    assert_true(raw.size < made.count * 4); /* 16 bytes a record in memory */
    free(raw.data);
    vx_sample_free(&made);
}

static void every_kind_survives_alone(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "kinds");
    for (unsigned kind = 0; kind < VX_REC_KINDS; kind++) {
        if (!vx_record_describe(kind)) continue;
        vx_sample made = {0};
        for (unsigned i = 0; i < 100; i++) vx_sample_add(&made, &random, (vx_record_kind)kind);
        check_round_trip(&made);
        vx_sample_free(&made);
    }
}

/* Addresses at both ends of every width of a difference, upwards and downwards. */
static void every_width_survives(void **state)
{
    (void)state;
    vx_sample made = {0};
    uint64_t address = 0;
    vx_record records[64 * 6];
    for (unsigned bit = 0; bit < 64; bit++) {
        const uint64_t steps[6] = {1ULL << bit, 0 - (1ULL << bit), (1ULL << bit) - 1, 1 - (1ULL << bit), 0, 1};
        for (unsigned i = 0; i < 6; i++) records[made.count++] = (vx_record){address += steps[i], 0, 1, 8, VX_REC_LOAD};
    }
    made.records = records;
    check_round_trip(&made);
}

/* Straight code longer than one template, with a data reference after each block. */
static void long_straight_code_survives(void **state)
{
    (void)state;
    for (unsigned length = 60; length < 70; length++) {
        vx_record records[140];
        vx_sample made = {.records = records};
        for (unsigned i = 0; i < length; i++) {
            records[made.count++] = (vx_record){0x1000 + 4 * i, 4, 1, 0, VX_REC_FETCH};
            records[made.count++] = (vx_record){0x90000 + 64 * i, 0, 1, 8, VX_REC_STORE};
        }
        check_round_trip(&made);
    }
}

/* Checksums keep damage from the decoder; it must stand it all the same, for they are no secret. */
static void damaged_chunks_never_crash(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "damage");
    vx_sample made = vx_sample_program(&random, 300);
    vxt_bytes raw = encode(&made);
    vx_chunk_decoder *decoder = vx_chunk_decoder_new();
    unsigned refused = 0, rounds = 5000;
    for (unsigned i = 0; i < rounds; i++) {
        vxt_bytes damaged = {.size = raw.size};
        damaged.data = malloc(raw.size + VXT_RAW_SLACK);
        memcpy(damaged.data, raw.data, raw.size + VXT_RAW_SLACK);
        for (uint64_t hits = 1 + vx_random_below(&random, 3); hits > 0; hits--)
            damaged.data[vx_random_below(&random, raw.size)] = (uint8_t)vx_random_u64(&random);
        refused += decode(decoder, &damaged, (uint32_t)made.count, NULL) != VX_OK;
        free(damaged.data);
    }
    assert_in_range(refused, 1, rounds - 1); /* a changed address is no error here */
    vx_chunk_decoder_free(decoder);
    free(raw.data);
    vx_sample_free(&made);
}

static void cut_chunks_are_refused(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "cut chunk");
    vx_sample made = vx_sample_random(&random, 50);
    vxt_bytes raw = encode(&made);
    vx_chunk_decoder *decoder = vx_chunk_decoder_new();
    for (size_t size = 0; size < raw.size; size++) {
        vxt_bytes cut = {.size = size, .data = malloc(size + VXT_RAW_SLACK)};
        memcpy(cut.data, raw.data, size);
        memset(cut.data + size, 0, VXT_RAW_SLACK);
        assert_int_equal(decode(decoder, &cut, (uint32_t)made.count, NULL), VX_ERR_INPUT);
        free(cut.data);
    }
    assert_int_equal(decode(decoder, &raw, (uint32_t)made.count + 1, NULL), VX_ERR_INPUT);
    assert_int_equal(decode(decoder, &raw, (uint32_t)made.count, &made), VX_OK); /* the decoder can be used again */
    vx_chunk_decoder_free(decoder);
    free(raw.data);
    vx_sample_free(&made);
}

/* The encoder guesses what comes by what came before, and looks ahead: neither may show. */
static void steps_do_not_matter(void **state)
{
    (void)state;
    vx_random random;
    vx_random_init(&random, vx_test_seed(), "steps");
    for (unsigned round = 0; round < 6; round++) {
        vx_sample sample = round % 2 ? vx_sample_random(&random, 3000) : vx_sample_program(&random, 3000);
        vxt_bytes one = encode_by(&sample, 1), all = encode(&sample), some = encode_by(&sample, 2 + round * 13);
        assert_int_equal(one.size, all.size);
        assert_int_equal(one.size, some.size);
        assert_memory_equal(one.data, all.data, one.size);
        assert_memory_equal(one.data, some.data, one.size);
        free(one.data);
        free(all.data);
        free(some.data);
        vx_sample_free(&sample);
    }
}

static void a_full_chunk_says_so(void **state)
{
    (void)state;
    vx_chunk_encoder *encoder = vx_chunk_encoder_new();
    vxt_bytes raw = {0};
    size_t taken;
    uint32_t put = 0;
    /* Code that never repeats: a template and a slot for each pair. */
    for (; !vx_chunk_encoder_full(encoder); put++) {
        const vx_record pair[] = {{0x1000 + 16ULL * put, 4, 1, 0, VX_REC_FETCH}, {put * 64ULL, 0, 1, 8, VX_REC_LOAD}};
        const vx_batch batch = {.records = pair, .count = 2};
        assert_int_equal(vx_chunk_encoder_put(encoder, &batch, 0, 2, &taken), VX_OK);
        assert_in_range(put, 0, VXT_TEMPLATES_MAX);
    }
    assert_int_equal(vx_chunk_encoder_finish(encoder, &raw), VX_OK);
    assert_true(vxt_bytes_room(&raw, VXT_RAW_SLACK));
    vx_chunk_decoder *decoder = vx_chunk_decoder_new();
    assert_int_equal(decode(decoder, &raw, 2 * put, NULL), VX_OK);
    vx_chunk_decoder_free(decoder);
    vx_chunk_encoder_free(encoder);
    free(raw.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_streams_survive),      cmocka_unit_test(programs_survive_and_are_small),
        cmocka_unit_test(every_kind_survives_alone),   cmocka_unit_test(every_width_survives),
        cmocka_unit_test(long_straight_code_survives), cmocka_unit_test(damaged_chunks_never_crash),
        cmocka_unit_test(cut_chunks_are_refused),      cmocka_unit_test(steps_do_not_matter),
        cmocka_unit_test(a_full_chunk_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
