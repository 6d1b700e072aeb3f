/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest_access.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_interface.h"

/* QEMU exports these to its plugins, as it does all its functions (it is linked with --export-dynamic). They are not
 * part of the plugin interface; version 1 of which has no registers and no version of which has physical memory. */
static void (*read_memory)(uint64_t address, void *buffer, uint64_t bytes, bool is_write);  /* cpu_physical_memory_rw */
static void *(*get_cpu)(int index);                                                         /* qemu_get_cpu */
static void (*dump_cpu)(void *cpu, FILE *to, int flags);                                    /* cpu_dump_state */
static void (*flush_translations)(void *cpu);                                               /* tb_flush */
static void (*run_outside)(void *cpu, void (*function)(void *cpu, void *data), void *data); /* async_safe_run_on_cpu */
static void (*request_shutdown)(int cause); /* qemu_system_shutdown_request */
static int (*shutdown_cause)(void);         /* qemu_shutdown_requested_get */
static void (*update_count)(void *cpu);     /* icount_update */
static int64_t (*read_count)(void);         /* icount_get_raw */
static void *cpu;
static GByteArray *bytes_read;

/* dlsym gives a void *, which C does not turn into a function pointer. */
static bool find(const char *name, void *function)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

#if VXR_API >= 4
static struct qemu_plugin_register *handles[REG_COUNT];
static bool is_32bit;

static bool find_registers(const char *target, const char **why)
{
    (void)why;
    is_32bit = strcmp(target, "i386") == 0;
    return true;
}

static void attach_registers(void)
{
    static const char *const names64[REG_COUNT] = {
        "rax", "rcx", "rdx", "rbx", "rsp",     "rbp",     "rsi", "rdi", "r8",  "r9",  "r10", "r11",  "r12",
        "r13", "r14", "r15", "cs",  "fs_base", "gs_base", "cr0", "cr2", "cr3", "cr4", "cr8", "efer", "eflags"};
    static const char *const names32[8] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    GArray *registers = qemu_plugin_get_registers();
    const qemu_plugin_reg_descriptor *descriptor = (const void *)registers->data;
    for (unsigned i = 0; i < registers->len; i++) {
        for (unsigned r = 0; r < REG_COUNT; r++) {
            const char *name = is_32bit && r < 8 ? names32[r] : names64[r];
            if (strcmp(name, descriptor[i].name) == 0) handles[r] = descriptor[i].handle;
        }
    }
}

static int read_register(unsigned number)
{
    return handles[number] ? qemu_plugin_read_register(handles[number], bytes_read) : 0;
}
#else
static int (*read_gdb_register)(void *cpu, GByteArray *to, int number); /* x86_cpu_gdb_read_register */
static const int8_t *numbers;

static bool find_registers(const char *target, const char **why)
{
    /* The numbers of QEMU's gdb description of x86-64 and i386. */
    static const int8_t numbers64[REG_COUNT] = {0,  2,  3,  1,  7,  6,  4,  5,  8,  9,  10, 11, 12,
                                                13, 14, 15, 18, 24, 25, 27, 28, 29, 30, 31, 32, 17};
    static const int8_t numbers32[REG_COUNT] = {0,  1,  2,  3,  4,  5,  6,  7,  -1, -1, -1, -1, -1,
                                                -1, -1, -1, 10, 16, 17, 19, 20, 21, 22, 23, 24, 9};
    numbers = strcmp(target, "i386") == 0 ? numbers32 : numbers64;
    *why = "it does not export x86_cpu_gdb_read_register";
    return find("x86_cpu_gdb_read_register", &read_gdb_register);
}

static void attach_registers(void) {}

static int read_register(unsigned number)
{
    return numbers[number] >= 0 ? read_gdb_register(cpu, bytes_read, numbers[number]) : 0;
}
#endif

bool vxr_guest_find(const char *target, const char **why)
{
    if (!find_registers(target, why)) return false;
    *why = "it does not export cpu_physical_memory_rw, qemu_get_cpu, cpu_dump_state, tb_flush, async_safe_run_on_cpu, "
           "icount_update and icount_get_raw";
    find("qemu_system_shutdown_request", &request_shutdown);
    find("qemu_shutdown_requested_get", &shutdown_cause);
    bytes_read = g_byte_array_new();
    return find("cpu_physical_memory_rw", &read_memory) && find("qemu_get_cpu", &get_cpu) &&
           find("cpu_dump_state", &dump_cpu) && find("tb_flush", &flush_translations) &&
           find("async_safe_run_on_cpu", &run_outside) && find("icount_update", &update_count) &&
           find("icount_get_raw", &read_count);
}

void vxr_guest_attach(void)
{
    cpu = get_cpu(0);
    attach_registers();
}

uint64_t vxr_register(unsigned number)
{
    uint64_t value = 0;
    g_byte_array_set_size(bytes_read, 0);
    int bytes = read_register(number);
    if (bytes > 0) memcpy(&value, bytes_read->data, bytes < 8 ? (size_t)bytes : 8);
    return value;
}

void vxr_read_gprs(uint64_t gpr[16])
{
    for (unsigned i = 0; i < 16; i++) gpr[i] = vxr_register(REG_GPR + i);
}

/* QEMU keeps what is left of the processor's time slice, and its clock as of the slice's beginning: icount_update
 * brings the clock up to date. icount_get_raw refuses to be asked by a processor in the middle of a block, for whom an
 * access to a device would have to end the block first; nothing here does one, so for the moment this thread is no
 * processor's. */
uint64_t vxr_guest_instructions(void)
{
    static __attribute__((tls_model("initial-exec"))) _Thread_local void **current; /* current_cpu of this thread */
    if (!current) current = dlsym(RTLD_DEFAULT, "current_cpu");
    if (!cpu || !current) return 0;
    void *running = *current;
    update_count(cpu);
    *current = NULL;
    uint64_t count = (uint64_t)read_count();
    *current = running;
    return count;
}

void vxr_read_physical(uint64_t gpa, void *to, size_t bytes) { read_memory(gpa, to, bytes, false); }

static bool flush_is_due;

static void flush(void *of, void *data)
{
    (void)data;
    flush_is_due = false;
    flush_translations(of);
}

/* With one processor tb_flush frees at once what the blocks that still run, one chained to the next, point to: their
 * lists of callbacks for what helpers refer to. So it is left to QEMU's loop, where no block runs. */
void vxr_retranslate(void)
{
    if (flush_is_due) return;
    flush_is_due = true;
    run_outside(cpu, flush, NULL); /* its data is a union of the size of a pointer */
}

void vxr_shut_down(void)
{
    enum { SHUTDOWN_CAUSE_HOST_QMP_QUIT = 2 }; /* of QEMU's qapi/run-state.json */
    if (request_shutdown) request_shutdown(SHUTDOWN_CAUSE_HOST_QMP_QUIT);
}

bool vxr_is_shutting_down(void) { return shutdown_cause && shutdown_cause() != 0; }

/* The two hexadecimal words behind a label: "GDT=     0000000000000000 0000ffff". */
static bool table_of(const char *text, const char *label, uint64_t *base, uint32_t *limit)
{
    const char *at = strstr(text, label);
    unsigned long long first;
    unsigned second;
    if (!at || sscanf(at + strlen(label), "%llx %x", &first, &second) != 2) return false;
    *base = first;
    if (limit) *limit = second;
    return true;
}

/* "TR =0040 fffffe0000003000 00004087 00008b00": selector, base, limit, attributes. */
static bool segment_of(const char *text, const char *label, uint64_t *base, unsigned *attributes)
{
    const char *at = strstr(text, label);
    unsigned selector, limit;
    unsigned long long first;
    if (!at || sscanf(at + strlen(label), "%x %llx %x %x", &selector, &first, &limit, attributes) != 4) return false;
    *base = first;
    return true;
}

static bool parse_dump(const char *text, vxr_dump *dump)
{
    unsigned attributes = 0, ignored;
    const char *cpl = strstr(text, "CPL=");
    if (!cpl || sscanf(cpl, "CPL=%u", &dump->cpl) != 1) return false;
    if (!segment_of(text, "CS =", &dump->code_base, &attributes)) return false;
    /* Descriptor bits 21 (L) and 22 (D), SDM Vol. 3A, 3.4.5; L counts in IA-32e mode alone. */
    dump->code_bits = attributes & 1U << 22 ? 32 : 16;
    if (strstr(text, "CS64")) dump->code_bits = 64;
    return segment_of(text, "LDT=", &dump->ldt, &ignored) && segment_of(text, "TR =", &dump->tss, &ignored) &&
           table_of(text, "GDT=", &dump->gdt, NULL) && table_of(text, "IDT=", &dump->idt, &dump->idt_limit);
}

bool vxr_read_dump(vxr_dump *dump)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (!to) return false;
    dump_cpu(cpu, to, 0);
    fclose(to);
    vxr_dump got = {0};
    bool parsed = text && parse_dump(text, &got);
    if (parsed) *dump = got;
    free(text);
    return parsed;
}
