/* What a recorded Linux guest does. The region of interest is marked by CPUID with leaf 0x5658nnnn: mark 1 begins it,
 * mark 2 ends it.
 *
 *     workload NAME COUNT
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, BEGIN = 1, END = 2 };

static const char *self;

static void mark(unsigned number)
{
    unsigned a = 0x56580000u | number, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)::"memory");
}

static void run_children(long count, int exec)
{
    mark(BEGIN);
    for (long i = 0; i < count; i++) {
        pid_t child = fork();
        if (child == 0 && exec) execl(self, self, "nothing", "1", (char *)NULL);
        if (child == 0) _exit(0);
        waitpid(child, NULL, 0);
    }
    mark(END);
}

static void do_fork(long count) { run_children(count, 0); }
static void do_forkexec(long count) { run_children(count, 1); }

/* A byte there and back between two processes. */
static void do_pingpong(long count)
{
    int there[2], back[2];
    char byte = 0;
    if (pipe(there) || pipe(back)) exit(1);
    pid_t child = fork();
    if (child == 0)
        while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1) {
        }
    mark(BEGIN);
    for (long i = 0; i < count; i++)
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) exit(1);
    mark(END);
    kill(child, SIGKILL);
    wait(NULL);
}

static void do_syscall(long count)
{
    mark(BEGIN);
    for (long i = 0; i < count; i++) syscall(SYS_getppid);
    mark(END);
}

static char *map(size_t bytes)
{
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) exit(1);
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    return memory;
}

/* First touches of `count` pages. */
static void do_touch(long count)
{
    char *memory = map((size_t)count * PAGE);
    mark(BEGIN);
    for (long i = 0; i < count; i++) memory[i * PAGE] = 1;
    mark(END);
}

/* Maps, touches and unmaps 16 pages. */
static void do_mmap(long count)
{
    mark(BEGIN);
    for (long i = 0; i < count; i++) {
        char *memory = map(16 * PAGE);
        for (int page = 0; page < 16; page++) memory[page * PAGE] = 1;
        munmap(memory, 16 * PAGE);
    }
    mark(END);
}

/* Takes the right to write from 16 pages, and gives it back. */
static void do_mprotect(long count)
{
    char *memory = map(16 * PAGE);
    memset(memory, 1, 16 * PAGE);
    mark(BEGIN);
    for (long i = 0; i < count; i++) {
        mprotect(memory, 16 * PAGE, PROT_READ);
        mprotect(memory, 16 * PAGE, PROT_READ | PROT_WRITE);
        for (int page = 0; page < 16; page++) memory[page * PAGE]++;
    }
    mark(END);
}

/* Reads and writes words of 64 MiB in random order. */
static void do_random(long count)
{
    enum { WORDS = 8 << 20 };
    uint64_t *memory = (uint64_t *)map((size_t)WORDS * 8), x = 88172645463325252u;
    for (size_t i = 0; i < WORDS; i += PAGE / 8) memory[i] = i;
    mark(BEGIN);
    for (long i = 0; i < count; i++) {
        x ^= x << 13; /* Marsaglia's xorshift64 */
        x ^= x >> 7;
        x ^= x << 17;
        memory[x % WORDS]++;
    }
    mark(END);
}

static void do_nothing(long count) { (void)count; }

/* The boot itself is the recording. */
static void do_boot(long count)
{
    (void)count;
    mark(BEGIN);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(long count);
    } workloads[] = {{"fork", do_fork},         {"forkexec", do_forkexec}, {"pingpong", do_pingpong},
                     {"syscall", do_syscall},   {"touch", do_touch},       {"mmap", do_mmap},
                     {"mprotect", do_mprotect}, {"random", do_random},     {"nothing", do_nothing},
                     {"boot", do_boot}};
    self = argv[0];
    for (size_t i = 0; argc == 3 && i < sizeof workloads / sizeof *workloads; i++) {
        if (strcmp(argv[1], workloads[i].name) != 0) continue;
        workloads[i].run(atol(argv[2]));
        return 0;
    }
    fprintf(stderr, "usage: workload NAME COUNT\n");
    return 2;
}
