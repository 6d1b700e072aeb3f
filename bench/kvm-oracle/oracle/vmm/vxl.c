/* vxl: a minimal KVM user space that boots Linux and counts exits in the regions that its workload program marks
 * (traces/recipes/guest/workload.c, `regions`). Written for the Vexit KVM oracle.
 *
 *     vxl [-t tag] [-T tracefs] [-D lines] [-m MiB] [-c] vmlinux initramfs "command line"
 *
 * One virtual processor; interrupt controllers and timer in the kernel; no other device. -c shows what the guest writes
 * to its first serial port, -D the first lines of each region's trace. The workload writes a byte, a region's first
 * mark, to the port 0xE0 before a region, to 0xE1 behind it, and any to 0xE2 at the end of all. Counted is between the
 * two marks themselves, which are CPUID with leaf 0x5658nnnn. */
#include "common.h"
#include "linux_boot.h"

enum { COM1 = 0x3F8, COM1_STATUS = COM1 + 5, CMOS_DATA = 0x71, CMOS_VALID = 0x80, SECONDS = 3000 };

static int console;
static size_t mebibytes = 512;
static char tags[128];

static void enable_events(void)
{
    static const char *const events[] = {"kvm_exit",     "kvm_page_fault", "kvm_inj_exception",
                                         "kvm_inj_virq", "kvm_apic",       "kvm_cpuid"};
    twr("tracing_on", "0");
    twr("buffer_size_kb", "98304");
    twr("events/enable", "0");
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        char path[96];
        snprintf(path, sizeof path, "events/kvm/%s/enable", events[i]);
        twr(path, "1");
    }
    twr("events/kvmmmu/enable", "1");
    static const char *const walks[] = {"kvm_mmu_pagetable_walk", "kvm_mmu_paging_element", "kvm_mmu_set_accessed_bit",
                                        "kvm_mmu_set_dirty_bit", "kvm_mmu_spte_requested"};
    for (size_t i = 0; !dump && i < sizeof walks / sizeof *walks; i++) {
        char path[96];
        snprintf(path, sizeof path, "events/kvmmmu/%s/enable", walks[i]);
        twr(path, "0");
    }
    twr("trace", "");
}

static void begin_region(struct stats *vm, struct stats *vcpu)
{
    st_read(vm, vm->a);
    st_read(vcpu, vcpu->a);
    twr("tracing_on", "1");
}

static void end_region(struct stats *vm, struct stats *vcpu, unsigned mark)
{
    static char base[64];
    twr("tracing_on", "0");
    st_read(vm, vm->b);
    st_read(vcpu, vcpu->b);
    snprintf(base, sizeof base, "%.63s", tags);
    snprintf(tags, sizeof tags, "%.63s/%u", base, mark);
    printf("R %s\n", tags);
    tr_report();
    st_diff(vcpu, "vcpu");
    st_diff(vm, "vm");
    fflush(stdout);
    twr("trace", "");
    snprintf(tags, sizeof tags, "%.63s", base);
}

/* What is not there reads as all ones; the clock's memory as a clock that stands still. */
static void port_in(const struct kvm_run *run, uint8_t *data)
{
    memset(data, 0xFF, (size_t)run->io.size * run->io.count);
    if (run->io.port == COM1_STATUS) data[0] = 0x60; /* ready */
    if (run->io.port == CMOS_DATA) data[0] = 0;
}

/* False: the guest is done. */
static int port_out(const struct kvm_run *run, const uint8_t *data, struct stats *vm, struct stats *vcpu)
{
    switch (run->io.port) {
    case PORT_BEGIN:
        begin_region(vm, vcpu);
        break;
    case PORT_END:
        end_region(vm, vcpu, data[0]);
        break;
    case PORT_EXIT:
        return 0;
    case COM1:
        if (console) putchar(data[0]);
        break;
    default:
        break;
    }
    return 1;
}

static int machine(int kvm, linux_guest *guest)
{
    const size_t huge_page = 2 << 20;
    uint64_t identity = 0xFFFBC000;
    struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
    int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0) fatal("KVM_CREATE_VM");
    if (ioctl(vm, KVM_SET_TSS_ADDR, 0xFFFBD000) || ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity) ||
        ioctl(vm, KVM_CREATE_IRQCHIP, 0) || ioctl(vm, KVM_CREATE_PIT2, &pit))
        fatal("the machine");
    guest->bytes = mebibytes << 20;
    char *ram = mmap(0, guest->bytes + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ram == MAP_FAILED) fatal("memory");
    guest->ram = (char *)(((uintptr_t)ram + huge_page - 1) & ~(uintptr_t)(huge_page - 1));
    madvise(guest->ram, guest->bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    for (size_t i = 0; i < guest->bytes; i += 4096) *(volatile char *)(guest->ram + i) = 0;
    struct kvm_userspace_memory_region slot = {.memory_size = guest->bytes, .userspace_addr = (uint64_t)guest->ram};
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot)) fatal("KVM_SET_USER_MEMORY_REGION");
    return vm;
}

static void stopped(const struct kvm_run *run, int vcpu, const char *why)
{
    struct kvm_regs regs = {0};
    ioctl(vcpu, KVM_GET_REGS, &regs);
    printf("R %s %s exit_reason=%u sub=%u rip=%llx\n", tags, why, run->exit_reason, run->internal.suberror, regs.rip);
}

static int run_guest(int vcpu, struct kvm_run *run, struct stats *of_vm, struct stats *of_vcpu)
{
    for (;;) {
        int failed = ioctl(vcpu, KVM_RUN, 0);
        if (timed_out) return stopped(run, vcpu, "TIMEOUT"), 1;
        if (failed && (errno == EINTR || errno == EAGAIN)) continue;
        if (failed) fatal("KVM_RUN");
        uint8_t *data = (uint8_t *)run + run->io.data_offset;
        switch (run->exit_reason) {
        case KVM_EXIT_IO:
            if (run->io.direction == KVM_EXIT_IO_IN)
                port_in(run, data);
            else if (!port_out(run, data, of_vm, of_vcpu))
                return 0;
            break;
        case KVM_EXIT_MMIO:
            if (!run->mmio.is_write) memset(run->mmio.data, 0xFF, sizeof run->mmio.data);
            break;
        case KVM_EXIT_HLT:
        case KVM_EXIT_INTR:
            break;
        default:
            return stopped(run, vcpu, "UNEXPECTED"), 1;
        }
    }
}

int main(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "t:T:D:m:cH")) != -1) {
        if (option == 't') snprintf(tags, sizeof tags, "%s", optarg);
        if (option == 'T') tdir = optarg;
        if (option == 'D') dump = atoi(optarg);
        if (option == 'm') mebibytes = strtoul(optarg, NULL, 0);
        if (option == 'c') console = 1;
        if (option == 'H') huge = 1;
        if (option == '?') return 2;
    }
    if (argc - optind != 3) {
        fprintf(stderr,
                "usage: vxl [-t tag] [-T tracefs] [-D lines] [-m MiB] [-c] [-H] vmlinux initramfs command-line\n");
        return 2;
    }
    tag = tags;
    linux_guest guest = {0};
    int kvm = open("/dev/kvm", O_RDWR);
    if (kvm < 0) fatal("/dev/kvm");
    int vm = machine(kvm, &guest);
    linux_boot_load(&guest, argv[optind], argv[optind + 1], argv[optind + 2]);
    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    if (vcpu < 0) fatal("KVM_CREATE_VCPU");
    int bytes = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    struct kvm_run *run = mmap(0, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED) fatal("the vCPU's memory");
    linux_boot_cpuid(kvm, vcpu);
    linux_boot_state(&guest, vcpu);
    struct stats of_vm, of_vcpu;
    st_open(&of_vm, vm);
    st_open(&of_vcpu, vcpu);
    enable_events();
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, 0);
    alarm(SECONDS);
    int code = run_guest(vcpu, run, &of_vm, &of_vcpu);
    printf("R %s DONE\n", tags);
    st_diff(&of_vm, "vm");
    return code;
}
