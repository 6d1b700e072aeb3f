/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "guest_access.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_interface.h"

/* QEMU exports these to its plugins, as it does all its functions (it is linked with --export-dynamic). They are not
 * part of the plugin interface; version 1 of which has no registers and no version of which has physical memory. */
static void (*read_memory)(uint64_t address, void *buffer, uint64_t bytes, bool is_write); /* cpu_physical_memory_rw */
static void *(*get_cpu)(int index);                                                        /* qemu_get_cpu */
static void (*dump_cpu)(void *cpu, FILE *to, int flags);                                   /* cpu_dump_state */
static void (*flush_translations)(void *cpu);                                              /* tb_flush */
static void (*request_shutdown)(int cause);                                                /* qemu_system_shutdown_request */
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
    *why = "it does not export cpu_physical_memory_rw, qemu_get_cpu and cpu_dump_state";
    bool found = find("cpu_physical_memory_rw", &read_memory) && find("qemu_get_cpu", &get_cpu) &&
                 find("cpu_dump_state", &dump_cpu);
    find("tb_flush", &flush_translations);
    find("qemu_system_shutdown_request", &request_shutdown);
    bytes_read = g_byte_array_new();
    return found;
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

void vxr_read_physical(uint64_t gpa, void *to, size_t bytes) { read_memory(gpa, to, bytes, false); }

bool vxr_retranslate(void)
{
    if (!flush_translations || !cpu) return false;
    flush_translations(cpu);
    return true;
}

void vxr_shut_down(void)
{
    enum { SHUTDOWN_CAUSE_HOST_QMP_QUIT = 2 }; /* of QEMU's qapi/run-state.json */
    if (request_shutdown) request_shutdown(SHUTDOWN_CAUSE_HOST_QMP_QUIT);
}

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

vxr_paging vxr_paging_of(const vxr_control *control)
{
    if (!(control->cr0 & CR0_PG)) return PAGING_NONE;
    if (control->efer & EFER_LMA) return control->cr4 & CR4_LA57 ? PAGING_5LEVEL : PAGING_4LEVEL;
    return control->cr4 & CR4_PAE ? PAGING_PAE : PAGING_32BIT;
}

static const uint64_t four_gib = 1ULL << 32;

bool vxr_is_ram(const vxr_ram *ram, uint64_t gpa, uint64_t bytes)
{
    if (gpa < ram->low) return bytes <= ram->low - gpa;
    return gpa >= four_gib && gpa - four_gib < ram->high && bytes <= ram->high - (gpa - four_gib);
}

bool vxr_ram_gpa(const vxr_ram *ram, uint64_t offset, uint64_t *gpa)
{
    if (offset >= ram->low + ram->high) return false;
    *gpa = offset < ram->low ? offset : offset - ram->low + four_gib;
    return true;
}

static bool read_entry(const vxr_ram *ram, uint64_t at, unsigned bytes, uint64_t *entry)
{
    *entry = 0;
    if (!vxr_is_ram(ram, at, bytes)) return false;
    vxr_read_physical(at, entry, bytes);
    return true;
}

#define FRAME 0x000FFFFFFFFFF000ULL

static bool walk_32bit(const vxr_control *control, const vxr_ram *ram, uint64_t gva, uint64_t *gpa)
{
    uint64_t entry;
    if (!read_entry(ram, (control->cr3 & 0xFFFFF000U) + (gva >> 22 & 1023) * 4, 4, &entry) || !(entry & 1))
        return false;
    if (entry & 0x80 && control->cr4 & CR4_PSE) { /* bits 20:13 are 39:32 (SDM Vol. 3A, 4.3) */
        *gpa = (entry & 0xFFC00000U) | (entry >> 13 & 0xFF) << 32 | (gva & 0x3FFFFF);
        return true;
    }
    if (!read_entry(ram, (entry & 0xFFFFF000U) + (gva >> 12 & 1023) * 4, 4, &entry) || !(entry & 1)) return false;
    *gpa = (entry & 0xFFFFF000U) | (gva & 0xFFF);
    return true;
}

bool vxr_walk(const vxr_control *control, const vxr_ram *ram, uint64_t gva, uint64_t *gpa)
{
    vxr_paging paging = vxr_paging_of(control);
    uint64_t table = control->cr3 & FRAME, entry;
    unsigned level = paging;
    if (paging == PAGING_NONE) {
        *gpa = gva & UINT32_MAX;
        return true;
    }
    if (paging == PAGING_32BIT) return walk_32bit(control, ram, gva, gpa);
    if (paging == PAGING_PAE) {
        entry = control->pdpte[gva >> 30 & 3];
        if (!(entry & 1)) return false;
        table = entry & FRAME;
        level = 2;
    }
    for (;; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        if (!read_entry(ram, table + (gva >> shift & 511) * 8, 8, &entry) || !(entry & 1)) return false;
        if (level == 1 || (level <= 3 && entry & 0x80)) {
            uint64_t offset = (1ULL << shift) - 1;
            *gpa = (entry & FRAME & ~offset) | (gva & offset);
            return true;
        }
        table = entry & FRAME;
    }
}

bool vxr_read_linear(const vxr_control *control, const vxr_ram *ram, uint64_t gva, void *to, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        uint64_t gpa;
        size_t here = 4096 - ((gva + done) & 4095);
        if (here > bytes - done) here = bytes - done;
        if (!vxr_walk(control, ram, gva + done, &gpa) || !vxr_is_ram(ram, gpa, here)) return false;
        vxr_read_physical(gpa, (char *)to + done, here);
        done += here;
    }
    return true;
}
