/* linux_boot.c: see linux_boot.h. Formats: Linux 6.1 Documentation/x86/boot.rst, zero-page.rst and
 * arch/x86/include/uapi/asm/bootparam.h; Intel MultiProcessor Specification 1.4, chapter 4. */
#include "linux_boot.h"
#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, RESERVED_TOP = 0x20000, ISA_INTERRUPTS = 16, LOADER_UNKNOWN = 0xFF };

static void fail(const char *what)
{
    fprintf(stderr, "vxl: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void read_at(int file, void *to, size_t bytes, off_t from, const char *path)
{
    while (bytes) {
        ssize_t got = pread(file, to, bytes, from);
        if (got <= 0) fail(path);
        to = (char *)to + got;
        bytes -= (size_t)got;
        from += got;
    }
}

static void load_kernel(linux_guest *guest, const char *path)
{
    Elf64_Ehdr head;
    int file = open(path, O_RDONLY);
    if (file < 0) fail(path);
    read_at(file, &head, sizeof head, 0, path);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_machine != EM_X86_64) fail("not an x86-64 kernel");
    for (unsigned i = 0; i < head.e_phnum; i++) {
        Elf64_Phdr part;
        read_at(file, &part, sizeof part, (off_t)(head.e_phoff + i * sizeof part), path);
        if (part.p_type != PT_LOAD) continue;
        if (part.p_paddr + part.p_memsz > guest->bytes) fail("the kernel does not fit");
        read_at(file, guest->ram + part.p_paddr, part.p_filesz, (off_t)part.p_offset, path);
    }
    guest->entry = head.e_entry;
    close(file);
}

static void load_initramfs(const linux_guest *guest, const char *path, struct setup_header *header)
{
    struct stat status;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &status)) fail(path);
    size_t bytes = (size_t)status.st_size, at = (guest->bytes - RESERVED_TOP - bytes) & ~(size_t)(PAGE - 1);
    read_at(file, guest->ram + at, bytes, 0, path);
    header->ramdisk_image = (uint32_t)at;
    header->ramdisk_size = (uint32_t)bytes;
    close(file);
}

/* As SeaBIOS reports QEMU's `pc`. */
static void write_memory_map(const linux_guest *guest, struct boot_params *params)
{
    uint64_t top = guest->bytes - RESERVED_TOP;
    const struct boot_e820_entry map[] = {{0, BOOT_EBDA, 1},      {BOOT_EBDA, 0xA0000 - BOOT_EBDA, 2},
                                          {0xF0000, 0x10000, 2},  {0x100000, top - 0x100000, 1},
                                          {top, RESERVED_TOP, 2}, {0xFFFC0000, 0x40000, 2}};
    memcpy(params->e820_table, map, sizeof map);
    params->e820_entries = sizeof map / sizeof *map;
}

static void write_params(const linux_guest *guest, const char *initramfs, const char *command_line)
{
    struct boot_params *params = (void *)(guest->ram + BOOT_PARAMS);
    params->hdr.boot_flag = 0xAA55;
    params->hdr.header = 0x53726448; /* "HdrS" */
    params->hdr.version = 0x20F;
    params->hdr.type_of_loader = LOADER_UNKNOWN;
    params->hdr.loadflags = LOADED_HIGH;
    params->hdr.cmd_line_ptr = BOOT_COMMAND_LINE;
    params->hdr.cmdline_size = (uint32_t)strlen(command_line);
    strcpy(guest->ram + BOOT_COMMAND_LINE, command_line);
    load_initramfs(guest, initramfs, &params->hdr);
    write_memory_map(guest, params);
}

/* ---- the MP table ---- */

static uint8_t checksum(const uint8_t *bytes, size_t count)
{
    uint8_t sum = 0;
    while (count--) sum = (uint8_t)(sum + *bytes++);
    return (uint8_t)-sum;
}

static uint8_t *put(uint8_t *at, const void *entry, size_t bytes)
{
    memcpy(at, entry, bytes);
    return at + bytes;
}

/* One processor, the ISA bus, an I/O APIC with the ISA interrupts one to one, as KVM wires them. */
static void write_mp_table(const linux_guest *guest)
{
    uint8_t *pointer = (uint8_t *)guest->ram + BOOT_MP_TABLE, *table = pointer + 16, *at = table + 44;
    const uint8_t processor[20] = {0, 0, 0x14, 3, 0, 0, 0, 0, 1, 2}; /* enabled, the bootstrap processor */
    const uint8_t bus[8] = {1, 0, 'I', 'S', 'A', ' ', ' ', ' '};
    const uint8_t io_apic[8] = {2, 0, 0x11, 1, 0x00, 0x00, 0xC0, 0xFE};
    uint16_t entries = 3;
    at = put(at, processor, sizeof processor);
    at = put(at, bus, sizeof bus);
    at = put(at, io_apic, sizeof io_apic);
    for (uint8_t i = 0; i < ISA_INTERRUPTS; i++) {
        if (i == 2) continue; /* the cascade */
        const uint8_t interrupt[8] = {3, 0, 0, 0, 0, i, 0, i};
        at = put(at, interrupt, sizeof interrupt);
        entries++;
    }
    const uint8_t extint[8] = {4, 3, 0, 0, 0, 0, 0, 0}, nmi[8] = {4, 1, 0, 0, 0, 0, 0xFF, 1};
    at = put(at, extint, sizeof extint);
    at = put(at, nmi, sizeof nmi);
    entries = (uint16_t)(entries + 2);
    uint16_t bytes = (uint16_t)(at - table);
    memcpy(table, "PCMP", 4);
    memcpy(table + 4, &bytes, 2);
    table[6] = 4; /* version 1.4 */
    memcpy(table + 8, "VEXIT   LINUX REGION", 20);
    memcpy(table + 34, &entries, 2);
    memcpy(table + 36, (const uint8_t[]){0x00, 0x00, 0xE0, 0xFE}, 4);
    table[7] = checksum(table, bytes);
    uint32_t where = BOOT_MP_TABLE + 16;
    memcpy(pointer, "_MP_", 4);
    memcpy(pointer + 4, &where, 4);
    pointer[8] = 1;
    pointer[9] = 4;
    pointer[10] = checksum(pointer, 16);
}

static void write_tables(const linux_guest *guest)
{
    uint64_t *pml4 = (void *)(guest->ram + BOOT_TABLES), *pdpt = pml4 + 512, *pd = pml4 + 1024;
    uint64_t *gdt = (void *)(guest->ram + BOOT_GDT);
    pml4[0] = (BOOT_TABLES + PAGE) | 3;
    pdpt[0] = (BOOT_TABLES + 2 * PAGE) | 3;
    for (uint64_t i = 0; i < 512; i++) pd[i] = i << 21 | 0x83;
    gdt[2] = 0x00AF9A000000FFFF; /* __BOOT_CS */
    gdt[3] = 0x00CF92000000FFFF; /* __BOOT_DS */
}

void linux_boot_load(linux_guest *guest, const char *kernel, const char *initramfs, const char *command_line)
{
    load_kernel(guest, kernel);
    write_params(guest, initramfs, command_line);
    write_mp_table(guest);
    write_tables(guest);
}

/* ---- the processor ---- */

void linux_boot_state(const linux_guest *guest, int vcpu)
{
    const struct kvm_segment code = {
        .limit = 0xFFFFFFFF, .selector = 0x10, .present = 1, .type = 11, .s = 1, .l = 1, .g = 1};
    const struct kvm_segment data = {
        .limit = 0xFFFFFFFF, .selector = 0x18, .present = 1, .type = 3, .s = 1, .db = 1, .g = 1};
    struct kvm_sregs s;
    if (ioctl(vcpu, KVM_GET_SREGS, &s)) fail("KVM_GET_SREGS");
    s.cs = code;
    s.ds = s.es = s.ss = s.fs = s.gs = data;
    s.gdt = (struct kvm_dtable){.base = BOOT_GDT, .limit = 4 * 8 - 1};
    s.idt = (struct kvm_dtable){0};
    s.cr3 = BOOT_TABLES;
    s.cr4 = 0x20;       /* PAE */
    s.cr0 = 0x80000011; /* PG, ET, PE */
    s.efer = 0x500;     /* LME, LMA */
    if (ioctl(vcpu, KVM_SET_SREGS, &s)) fail("KVM_SET_SREGS");
    struct kvm_regs r = {.rip = guest->entry, .rsi = BOOT_PARAMS, .rflags = 2};
    if (ioctl(vcpu, KVM_SET_REGS, &r)) fail("KVM_SET_REGS");
}

void linux_boot_cpuid(int kvm, int vcpu)
{
    enum {
        ENTRIES = 200,
        X2APIC = 1U << 21,
        TSC_DEADLINE = 1U << 24,
        HYPERVISOR = 1U << 31,
        SVM = 1U << 2,
        TSC_ADJUST = 1U << 1
    };
    struct kvm_cpuid2 *all = calloc(1, sizeof *all + ENTRIES * sizeof *all->entries);
    if (!all) fail("no memory");
    all->nent = ENTRIES;
    if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, all)) fail("KVM_GET_SUPPORTED_CPUID");
    unsigned kept = 0;
    for (unsigned i = 0; i < all->nent; i++) {
        struct kvm_cpuid_entry2 *entry = &all->entries[i];
        if (entry->function >> 28 == 4) continue; /* KVM's own: the recorded guest has no paravirtual clock */
        if (entry->function == 1) {
            entry->ecx = (entry->ecx & ~(X2APIC | TSC_DEADLINE)) | HYPERVISOR;
            entry->ebx &= 0x0000FFFF; /* APIC 0, one processor */
        }
        if (entry->function == 7 && entry->index == 0) entry->ebx &= ~TSC_ADJUST;
        if (entry->function == 0x80000001) entry->ecx &= ~SVM;
        all->entries[kept++] = *entry;
    }
    all->nent = kept;
    if (ioctl(vcpu, KVM_SET_CPUID2, all)) fail("KVM_SET_CPUID2");
    free(all);
}
