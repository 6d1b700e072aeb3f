/* What a recorded Linux guest does. The region of interest is marked by CPUID with leaf 0x5658nnnn: mark 1 begins it,
 * mark 2 ends it.
 *
 *     workload NAME COUNT        COUNT units of one workload
 *     workload regions WARM-UP   all of `regions` in one boot, WARM-UP rounds of each before it is marked
 *
 * `regions` sets mark 1 first and mark 2 last; region i lies between marks 0x10 + 2 i and 0x11 + 2 i. Outside these
 * marks it writes the first one to a port, for a hypervisor's user space to read its counters at: REGION_PORT before,
 * the next port after, the one behind that at the end of all.
 */
#define _GNU_SOURCE /* O_DIRECT */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, BEGIN = 1, END = 2, FIRST_REGION = 0x10, REGION_PORT = 0xE0, HELD_BYTES = 128 << 20 };

/* `prepare` and `finish` (NULL: nothing to do) lie outside the marks. */
typedef struct workload {
    const char *name;
    void (*prepare)(long units);
    void (*unit)(long i);
    void (*finish)(void);
} workload;

static const char *self;

static void mark(unsigned number)
{
    unsigned a = 0x56580000u | number, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)::"memory");
}

static void run_child(int exec)
{
    pid_t child = fork();
    if (child == 0 && exec) execl(self, self, "nothing", "1", (char *)NULL);
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
}

static void do_fork(long i)
{
    (void)i;
    run_child(0);
}

static void do_forkexec(long i)
{
    (void)i;
    run_child(1);
}

/* A byte there and back between two processes. */
static int there[2], back[2];
static pid_t echo;

static void begin_pingpong(long units)
{
    (void)units;
    char byte = 0;
    if (pipe(there) || pipe(back)) exit(1);
    echo = fork();
    if (echo == 0)
        while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1) {
        }
}

static void do_pingpong(long i)
{
    char byte = (char)i;
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) exit(1);
}

static void end_pingpong(void)
{
    kill(echo, SIGKILL);
    wait(NULL);
    for (int end = 0; end < 2; end++) {
        close(there[end]);
        close(back[end]);
    }
}

static void do_syscall(long i)
{
    (void)i;
    syscall(SYS_getppid);
}

static char *map(size_t bytes)
{
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) exit(1);
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    return memory;
}

/* What the workload at hand has mapped. */
static char *memory;
static size_t memory_bytes;

static void map_memory(size_t bytes)
{
    memory_bytes = bytes;
    memory = map(bytes);
}

static void unmap_memory(void) { munmap(memory, memory_bytes); }

/* First touches of a page each. */
static void begin_touch(long units) { map_memory((size_t)units * PAGE); }

static void do_touch(long i) { memory[i * PAGE] = 1; }

/* Maps, touches and unmaps 16 pages. */
static void do_mmap(long i)
{
    char *pages = map(16 * PAGE);
    for (int page = 0; page < 16; page++) pages[page * PAGE] = (char)i;
    munmap(pages, 16 * PAGE);
}

/* Takes the right to write from 16 pages, and gives it back. */
static void begin_mprotect(long units)
{
    (void)units;
    map_memory(16 * PAGE);
    memset(memory, 1, 16 * PAGE);
}

static void do_mprotect(long i)
{
    mprotect(memory, 16 * PAGE, PROT_READ);
    mprotect(memory, 16 * PAGE, PROT_READ | PROT_WRITE);
    for (int page = 0; page < 16; page++) memory[page * PAGE] += (char)i;
}

/* Reads and writes words of 64 MiB in random order. */
enum { WORDS = 8 << 20 };

static void begin_random(long units)
{
    (void)units;
    map_memory((size_t)WORDS * 8);
    for (size_t i = 0; i < WORDS; i += PAGE / 8) ((uint64_t *)memory)[i] = i;
}

static void do_random(long i)
{
    static uint64_t x = 88172645463325252u;
    (void)i;
    x ^= x << 13; /* Marsaglia's xorshift64 */
    x ^= x >> 7;
    x ^= x << 17;
    ((uint64_t *)memory)[x % WORDS]++;
}

/* Reads 64 KiB of the disk, past the page cache. */
enum { READ_BYTES = 65536, DISK_READS = 512 };

static int device;

static void begin_disk(long units)
{
    (void)units;
    device = open("/dev/vda", O_RDONLY | O_DIRECT);
    if (device < 0) exit(1);
    map_memory(READ_BYTES);
    memset(memory, 0, READ_BYTES);
}

static void do_disk(long i)
{
    if (pread(device, memory, READ_BYTES, i % DISK_READS * READ_BYTES) != READ_BYTES) exit(1);
}

static void end_disk(void)
{
    close(device);
    unmap_memory();
}

/* Sends a datagram of 1400 bytes to the host that QEMU stands for in a network. */
static void connect_to(const char *host)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = inet_addr(host)};
    device = socket(AF_INET, SOCK_DGRAM, 0);
    if (device < 0 || connect(device, (const struct sockaddr *)&to, sizeof to) != 0) exit(1);
}

static void begin_e1000(long units)
{
    (void)units;
    connect_to("10.0.2.2");
}

static void begin_virtio_net(long units)
{
    (void)units;
    connect_to("10.0.3.2");
}

static void do_send(long i)
{
    static char datagram[1400];
    datagram[0] = (char)i;
    if (send(device, datagram, sizeof datagram, 0) != sizeof datagram) exit(1);
}

static void end_send(void) { close(device); }

static const workload workloads[] = {{"fork", NULL, do_fork, NULL},
                                     {"forkexec", NULL, do_forkexec, NULL},
                                     {"pingpong", begin_pingpong, do_pingpong, end_pingpong},
                                     {"syscall", NULL, do_syscall, NULL},
                                     {"touch", begin_touch, do_touch, unmap_memory},
                                     {"mmap", NULL, do_mmap, NULL},
                                     {"mprotect", begin_mprotect, do_mprotect, unmap_memory},
                                     {"random", begin_random, do_random, unmap_memory},
                                     {"disk", begin_disk, do_disk, end_disk},
                                     {"udp-e1000", begin_e1000, do_send, end_send},
                                     {"udp-virtio", begin_virtio_net, do_send, end_send}};

static const workload *find(const char *name)
{
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        if (strcmp(workloads[i].name, name) == 0) return &workloads[i];
    return NULL;
}

/* ---- marks ---- */

static int ports = -1;

/* To the hypervisor's user space; a port that no PC has. */
static void tell(unsigned port, unsigned value)
{
    char byte = (char)value;
    if (ports >= 0 && pwrite(ports, &byte, 1, port) != 1) exit(1);
}

/* The units of each round follow on those of the one before; the last round is between the marks. */
static void run(const workload *work, long units, long warm_up, unsigned begin, unsigned end)
{
    long i = 0;
    if (work->prepare) work->prepare(units * (warm_up + 1));
    while (i < units * warm_up) work->unit(i++);
    tell(REGION_PORT, begin);
    mark(begin);
    while (i < units * (warm_up + 1)) work->unit(i++);
    mark(end);
    tell(REGION_PORT + 1, begin);
    if (work->finish) work->finish();
}

/* The timer's interrupt in user code and out of the idle loop, so that whether a region meets its first one is no
 * matter. */
static void settle(void)
{
    enum { ROUNDS = 3, SPINS = 2000000 };
    for (int round = 0; round < ROUNDS; round++) {
        usleep(5000);
        for (volatile long spin = 0; spin < SPINS; spin++) {
        }
    }
}

static void run_regions(long warm_up)
{
    /* The first leaves behind pages that both a replay and the machine know as touched; how many new ones the others
     * take would depend on when the kernel gets to free what ended. */
    static const struct {
        const char *name;
        long units;
    } regions[] = {{"touch", 512}, {"fork", 20}, {"forkexec", 10}, {"pingpong", 100}, {"mmap", 25}, {"mprotect", 25}};
    /* Memory that the start of the system has used and freed is taken out of the way and kept: whether a page is
     * touched for the first time then does not depend on what came before the first mark. */
    char *held = map(HELD_BYTES);
    memset(held, 1, HELD_BYTES);
    madvise(held, HELD_BYTES, MADV_DONTFORK);
    mknod("/dev/port", S_IFCHR | 0600, makedev(1, 4));
    ports = open("/dev/port", O_WRONLY);
    mark(BEGIN);
    settle();
    for (unsigned i = 0; i < sizeof regions / sizeof *regions; i++) {
        unsigned begin = FIRST_REGION + 2 * i;
        run(find(regions[i].name), regions[i].units, warm_up, begin, begin + 1);
    }
    mark(END);
    tell(REGION_PORT + 2, 0);
}

int main(int argc, char **argv)
{
    const workload *work = argc == 3 ? find(argv[1]) : NULL;
    self = argv[0];
    if (work)
        run(work, atol(argv[2]), 0, BEGIN, END);
    else if (argc == 3 && strcmp(argv[1], "regions") == 0)
        run_regions(atol(argv[2]));
    else if (argc == 3 && strcmp(argv[1], "boot") == 0)
        mark(BEGIN); /* the boot itself is the recording */
    else if (argc != 3 || strcmp(argv[1], "nothing") != 0) {
        fprintf(stderr, "usage: workload NAME COUNT\n");
        return 2;
    }
    return 0;
}
