/* Waits, in a guest that is to be put into a snapshot, until QEMU names a workload, and prints it. QEMU does so by the
 * entry opt/vexit/workload of its firmware configuration device (-fw_cfg), which a snapshot does not hold: the same
 * snapshot serves any workload, and what is recorded from it depends on no input's time of arrival. Says `ready` on
 * QEMU's debug console (-debugcon) first. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>

/* QEMU's docs/specs/fw_cfg: the selector's and the data's port; the item that lists the others. */
enum { SELECTOR = 0x510, DATA = 0x511, DIRECTORY = 0x19, NAME_BYTES = 56, CONSOLE = 0xE9, LOOKS_APART = 10000 };

static const char entry[] = "opt/vexit/workload", nothing_yet[] = "await";

static uint32_t read_number(unsigned bytes)
{
    uint32_t number = 0;
    while (bytes--) number = number << 8 | inb(DATA);
    return number;
}

/* The workload that the entry names now; false where there is none. */
static int look(char *workload, size_t room)
{
    char name[NAME_BYTES];
    outw(DIRECTORY, SELECTOR);
    for (uint32_t left = read_number(4); left; left--) {
        uint32_t bytes = read_number(4), selector = read_number(4) >> 16;
        for (size_t i = 0; i < sizeof name; i++) name[i] = (char)inb(DATA);
        if (strncmp(name, entry, sizeof name) != 0 || bytes >= room) continue;
        outw((uint16_t)selector, SELECTOR);
        for (uint32_t i = 0; i < bytes; i++) workload[i] = (char)inb(DATA);
        workload[bytes] = '\0';
        return strcmp(workload, nothing_yet) != 0;
    }
    return 0;
}

int main(void)
{
    char workload[256];
    if (iopl(3) != 0) return 1;
    for (const char *c = "ready\n"; *c; c++) outb((uint8_t)*c, CONSOLE);
    while (!look(workload, sizeof workload))
        for (int i = 0; i < LOOKS_APART; i++) __asm__ volatile("pause");
    puts(workload);
    return 0;
}
