/* A small 32-bit multiboot kernel that uses the task priority register of the local APIC as the 32-bit Windows HAL
 * does: raised around each lock and interrupt, lowered after. Synthetic: no operating system, and it says so. LOCKS,
 * set when compiling, is how often. Paging: 4 MiB pages, all of memory mapped to itself.
 *
 * IRQLs as TPR values: 0x41 dispatch, 0xD1 clock; 0 passive. */
#include <stdint.h>

#ifndef LOCKS
#define LOCKS 200000
#endif

enum { CODE = 8, DATA = 16, CLOCK = 0xD1, DISPATCH = 0x41 };
/* Registers of the local APIC (SDM Vol. 3A, table 11-1). */
enum { TPR = 0x80, EOI = 0xB0, SPURIOUS = 0xF0, ICR = 0x300, LVT_TIMER = 0x320, INITIAL = 0x380, DIVIDE = 0x3E0 };

__attribute__((section(".multiboot"), used)) static const uint32_t multiboot[3] = {0x1BADB002, 0, 0u - 0x1BADB002u};

static uint32_t page_directory[1024] __attribute__((aligned(4096)));
static uint64_t gates[256];
static const uint64_t segments[3] = {0, 0x00CF9A000000FFFF, 0x00CF92000000FFFF};
static uint8_t stack[16384] __attribute__((aligned(16), used));
static volatile uint32_t ticks, calls, lock_word;
static uint32_t data[4096], seed = 12345;

static volatile uint32_t *apic(uint32_t offset) { return (volatile uint32_t *)(0xFEE00000u + offset); }

static void mark(uint32_t number)
{
    uint32_t a = 0x56580000u | number, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)::"memory");
}

static uint32_t raise_irql(uint32_t level)
{
    uint32_t before = *apic(TPR);
    *apic(TPR) = level;
    return before;
}

static void lower_irql(uint32_t level)
{
    *apic(TPR) = level;
    (void)*apic(TPR);
}

/* Every fourth tick asks for a deferred call, by an interrupt to itself. */
__attribute__((used)) static void clock_tick(void)
{
    uint32_t before = raise_irql(CLOCK);
    if ((++ticks & 3) == 0) *apic(ICR) = 0x00040000u | DISPATCH;
    *apic(EOI) = 0;
    lower_irql(before);
}

__attribute__((used)) static void deferred_call(void)
{
    uint32_t before = raise_irql(DISPATCH);
    calls++;
    *apic(EOI) = 0;
    lower_irql(before);
}

__attribute__((naked)) static void enter_clock(void) { __asm__ volatile("pusha; cld; call clock_tick; popa; iret"); }
__attribute__((naked)) static void enter_call(void) { __asm__ volatile("pusha; cld; call deferred_call; popa; iret"); }
__attribute__((naked)) static void enter_other(void) { __asm__ volatile("iret"); }

static void set_gate(unsigned vector, void (*handler)(void))
{
    uint32_t at = (uint32_t)handler;
    gates[vector] = (at & 0xFFFF) | CODE << 16 | 0x8E00ULL << 32 | (uint64_t)(at >> 16) << 48;
}

static void out(uint16_t port, uint16_t value) { __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port)); }

static void set_up(void)
{
    struct {
        uint16_t limit;
        const void *base;
    } __attribute__((packed)) gdt = {sizeof segments - 1, segments}, idt = {sizeof gates - 1, gates};
    __asm__ volatile(
        "lgdt %0; ljmp %1, $1f; 1: mov %2, %%ds; mov %2, %%es; mov %2, %%ss; mov %2, %%fs; mov %2, %%gs" ::"m"(gdt),
        "i"(CODE), "r"(DATA));
    for (uint32_t i = 0; i < 1024; i++) page_directory[i] = i << 22 | 0x83 | (i >= 0x3FB ? 0x18 : 0);
    uint32_t scratch;
    __asm__ volatile("mov %%cr4, %0; or $0x10, %0; mov %0, %%cr4; mov %1, %%cr3; mov %%cr0, %0; or $0x80000000, %0;"
                     "mov %0, %%cr0"
                     : "=&r"(scratch)
                     : "r"(page_directory)
                     : "memory");
    for (unsigned i = 0; i < 256; i++) set_gate(i, enter_other);
    set_gate(CLOCK, enter_clock);
    set_gate(DISPATCH, enter_call);
    __asm__ volatile("lidt %0" ::"m"(idt));
    __asm__ volatile("outb %%al, $0x21; outb %%al, $0xA1" ::"a"(0xFF)); /* the old interrupt controllers: masked */
    *apic(SPURIOUS) = 0x1FF;
    *apic(TPR) = 0;
    *apic(DIVIDE) = 0xB;
    *apic(LVT_TIMER) = 0x20000u | CLOCK;
    *apic(INITIAL) = 1000000; /* 1 ms of QEMU's 1 GHz */
    __asm__ volatile("sti");
}

__attribute__((used)) static void run(void)
{
    set_up();
    mark(1);
    for (uint32_t n = 0; n < LOCKS; n++) {
        uint32_t before = raise_irql(DISPATCH);
        while (__sync_lock_test_and_set(&lock_word, 1)) {
        }
        for (int i = 0; i < 60; i++) { /* about 500 instructions under the lock */
            seed = seed * 1664525 + 1013904223;
            data[seed >> 8 & 4095] += n;
        }
        lock_word = 0;
        lower_irql(before);
    }
    mark(2);
    for (;;) {
        out(0x604, 0x2000); /* QEMU's PC: power off */
        __asm__ volatile("hlt");
    }
}

__attribute__((naked, section(".start"), used)) void _start(void);
__attribute__((naked, section(".start"), used)) void _start(void)
{
    __asm__ volatile("cli; mov $stack + 16384, %esp; call run");
}
