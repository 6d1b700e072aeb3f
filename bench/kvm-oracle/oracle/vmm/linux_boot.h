/* linux_boot.h: puts a Linux kernel, its initramfs and what firmware would have left into a guest's memory. */
#ifndef LINUX_BOOT_H
#define LINUX_BOOT_H
#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

/* The guest-physical addresses of what is put below 1 MiB. */
enum {
    BOOT_GDT = 0x7000,
    BOOT_TABLES = 0x8000, /* PML4, PDPT: the first 512 GiB one to one would be too much; 1 GiB is */
    BOOT_PARAMS = 0x10000,
    BOOT_COMMAND_LINE = 0x20000,
    BOOT_EBDA = 0x9FC00,
    BOOT_MP_TABLE = 0xF5000,
};

typedef struct linux_guest {
    char *ram; /* guest-physical address 0 */
    size_t bytes;
    uint64_t entry; /* where the kernel starts */
} linux_guest;

/* Reads the uncompressed kernel (an ELF file) to where its program headers say, and the initramfs to the end of RAM;
 * writes boot parameters with the memory map that QEMU's `pc` has, an MP table of one processor and an I/O APIC, and
 * page tables that map the first GiB to itself. Exits with a message on an error. */
void linux_boot_load(linux_guest *guest, const char *kernel, const char *initramfs, const char *command_line);

/* The processor as the 64-bit boot protocol wants it (Documentation/x86/boot.rst): long mode, interrupts off, RSI at
 * the boot parameters. */
void linux_boot_state(const linux_guest *guest, int vcpu);

/* What KVM supports, without KVM's own leaves and what the recorded guest has not: x2APIC, TSC deadline and adjustment,
 * SVM. */
void linux_boot_cpuid(int kvm, int vcpu);
#endif
