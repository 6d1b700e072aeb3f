/* A stand-in for QEMU in tests of `vexit trace record`: says a version, finds the pipe in -plugin, and sends records
 * there as the recorder does. What it does is the value of -fake: whole, killed, garbage, silent, endless. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record_stream.h"

enum { RUNS = 1000, BLOCK = 10, BLOCKS = 32 };

static vxr_stream stream;

static const char *value_of(int argc, char **argv, const char *name)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0) return argv[i + 1];
    return "";
}

/* The number behind "name=" in the plugin's options. */
static int option(const char *options, const char *name)
{
    const char *at = strstr(options, name);
    return at ? atoi(at + strlen(name)) : -1;
}

static uint32_t numbers[BLOCKS];

static void define_blocks(void)
{
    const uint8_t bytes[BLOCK] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 3};
    for (unsigned i = 0; i < BLOCKS; i++) numbers[i] = vxr_stream_define(&stream, 0x1000 + 64 * i, bytes, BLOCK);
}

static void put_blocks(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        vxr_stream_breathe(&stream);
        stream.instructions += BLOCK;
        if (stream.references) {
            vxr_stream_block(&stream, (uint64_t)numbers[i % BLOCKS] << STEP_OPERAND | STEP_BLOCK);
            vxr_stream_reference(&stream, 0x200000 + 4096 * (i % 7),
                                 (BLOCK - 1) << STEP_INSTRUCTION | 3 << 1 | (i % 2 == 0));
        }
        if (i % 100 == 0) vxr_stream_event(&stream, REC_HLT, 0, 0, NULL, 0);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("QEMU emulator version 7.2.0 (a stand-in)");
        return 0;
    }
    const char *plugin = value_of(argc, argv, "-plugin"), *what = value_of(argc, argv, "-fake");
    const uint64_t state[13] = {0};
    signal(SIGPIPE, SIG_IGN);
    vxr_stream_init(&stream, option(plugin, ",fd="), option(plugin, ",references=") == 1);
    stream.on = true;
    if (strcmp(what, "silent") == 0) return 3;
    if (strcmp(what, "garbage") == 0) return write(stream.fd, "this is no frame of ours", 24) == 24 ? 0 : 1;
    vxr_stream_event(&stream, REC_STATE, 0, 0, state, 13);
    if (stream.references) define_blocks();
    put_blocks(RUNS);
    while (strcmp(what, "endless") == 0 && !stream.broken) put_blocks(RUNS);
    if (strcmp(what, "killed") == 0) {
        vxr_stream_flush(&stream, false);
        if (write(stream.fd, "\x56\x58", 2) != 2) return 1; /* a frame cut off */
        raise(SIGKILL);
    }
    vxr_stream_flush(&stream, true);
    return 0;
}
