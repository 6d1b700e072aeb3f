/* Flat 64-bit guest: parameterised workloads.  No libc. */
#include "guest.h"
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;
typedef struct {
    u64 ip, cs, fl, sp, ss;
} frame_t;
#define P 1ul
#define W 2ul
#define U 4ul
#define A 0x20ul
#define D 0x40ul
#define G 0x100ul
#define VA 0x8000000000ul /* PML4 slot 1: the workload's own area */
#define APIC 0xFEE00000ul
static volatile struct params *const pr = (void *)(u64)PARAM_GPA;
static u64 n, m, k, flags;
static u64 pool = POOL_BASE, kcr3;
static volatile u64 pf_count, tmr_count, ipi_count, exc_count;
static u64 *cur_pt0; /* first PT of the area used by the #PF handler */
static u64 pf_mode;  /* 0: die, 1: demand map, 2: COW, 3: skip */
static inline void outb(u32 p, u8 v) { asm volatile("outb %b0,%w1" ::"a"(v), "Nd"(p) : "memory"); }
static inline void outl(u32 p, u32 v) { asm volatile("outl %0,%w1" ::"a"(v), "Nd"(p) : "memory"); }
static inline u8 inb(u32 p)
{
    u8 v;
    asm volatile("inb %w1,%b0" : "=a"(v) : "Nd"(p));
    return v;
}
static inline u64 rdcr3(void)
{
    u64 v;
    asm volatile("mov %%cr3,%0" : "=r"(v));
    return v;
}
static inline void wrcr3(u64 v) { asm volatile("mov %0,%%cr3" ::"r"(v) : "memory"); }
static inline u64 rdcr0(void)
{
    u64 v;
    asm volatile("mov %%cr0,%0" : "=r"(v));
    return v;
}
static inline void wrcr0(u64 v) { asm volatile("mov %0,%%cr0" ::"r"(v) : "memory"); }
static inline u64 rdcr4(void)
{
    u64 v;
    asm volatile("mov %%cr4,%0" : "=r"(v));
    return v;
}
static inline void wrcr4(u64 v) { asm volatile("mov %0,%%cr4" ::"r"(v) : "memory"); }
static inline u64 rdcr2(void)
{
    u64 v;
    asm volatile("mov %%cr2,%0" : "=r"(v));
    return v;
}
static inline u64 rdcr8(void)
{
    u64 v;
    asm volatile("mov %%cr8,%0" : "=r"(v));
    return v;
}
static inline void wrcr8(u64 v) { asm volatile("mov %0,%%cr8" ::"r"(v) : "memory"); }
static inline void invlpg(u64 a) { asm volatile("invlpg (%0)" ::"r"(a) : "memory"); }
static inline u64 rdmsr(u32 i)
{
    u32 a, d;
    asm volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(i));
    return ((u64)d << 32) | a;
}
static inline void wrmsr(u32 i, u64 v) { asm volatile("wrmsr" ::"a"((u32)v), "d"((u32)(v >> 32)), "c"(i) : "memory"); }
static inline void apw(u32 r, u32 v) { asm volatile("movl %0,(%1)" ::"r"(v), "r"(APIC + r) : "memory"); }
static inline u32 apr(u32 r)
{
    u32 v;
    asm volatile("movl (%1),%0" : "=r"(v) : "r"(APIC + r) : "memory");
    return v;
}
static inline void st(u64 a, u64 v) { asm volatile("movq %0,(%1)" ::"r"(v), "r"(a) : "memory"); }
static inline u64 ld(u64 a)
{
    u64 v;
    asm volatile("movq (%1),%0" : "=r"(v) : "r"(a) : "memory");
    return v;
}
static void begin(void) { outb(PORT_BEGIN, 1); }
static void end(void) { outb(PORT_END, 1); }
__attribute__((noreturn)) static void fini(u32 v)
{
    outl(PORT_VALUE, v);
    outb(PORT_EXIT, 1);
    for (;;) asm volatile("hlt");
}
static void puts_(const char *s)
{
    while (*s) outb(PORT_PUTC, (u8)*s++);
}
static void puthex(u64 v)
{
    for (int i = 60; i >= 0; i -= 4) outb(PORT_PUTC, (u8) "0123456789abcdef"[(v >> i) & 15]);
    outb(PORT_PUTC, ' ');
}
static u64 page(void)
{
    u64 p = pool;
    pool += 4096;
    return p;
}
static u64 zpage(void)
{
    u64 p = page();
    u64 c = 512, d = p;
    asm volatile("rep stosq" : "+c"(c), "+D"(d) : "a"(0) : "memory");
    return p;
}
static void zero(u64 p)
{
    u64 c = 512, d = p;
    asm volatile("rep stosq" : "+c"(c), "+D"(d) : "a"(0) : "memory");
}
/* ---- descriptor tables ---- */
static u64 gdt[3] __attribute__((aligned(16))) = {0, 0x00af9b000000ffffull, 0x00cf93000000ffffull};
static struct {
    u64 a, b;
} idt[256] __attribute__((aligned(16)));
struct __attribute__((packed)) dtr {
    unsigned short l;
    u64 b;
};
static void die(frame_t *f, u64 e, const char *s)
{
    puts_("GUEST DIED ");
    puts_(s);
    puthex(f->ip);
    puthex(e);
    puthex(rdcr2());
    puts_("\n");
    fini(0xdead);
}
static inline u64 *pte_of(u64 va)
{
    u64 i = (flags & F_PERPT) ? ((va - VA) >> 21) : ((va - VA) >> 12);
    return (flags & F_PERPT) ? cur_pt0 + i * 512 : cur_pt0 + i;
} /* the PTs of one area are contiguous */
static u64 frames; /* next frame the #PF handler hands out */
__attribute__((interrupt)) static void h_pf(frame_t *f, u64 e)
{
    u64 a = rdcr2();
    pf_count++;
    if (pf_mode == 1 && !(e & 1)) {
        *pte_of(a) = frames | P | W | U | ((flags & F_AD) ? (A | D) : 0);
        frames += 4096;
        return;
    }
    if (pf_mode == 2 && (e & 3) == 3) {
        u64 *t = pte_of(a);
        u64 o = *t & 0xfffffffff000ul, nw = frames;
        frames += 4096;
        for (int i = 0; i < 8; i++) ((u64 *)nw)[i] = ((u64 *)o)[i];
        *t = nw | P | W | U | A | D;
        if (!(flags & F_NOINV)) invlpg(a);
        return;
    }
    if (pf_mode == 3) {
        f->ip += 3;
        return;
    } /* our st()/ld() with rax/rdx are 3 bytes */
    die(f, e, "#PF ");
}
__attribute__((interrupt)) static void h_ud(frame_t *f)
{
    exc_count++;
    f->ip += 2;
}
__attribute__((interrupt)) static void h_bp(frame_t *f)
{
    (void)f;
    exc_count++;
}
__attribute__((interrupt)) static void h_gp(frame_t *f, u64 e)
{
    if (pf_mode == 4) {
        exc_count++;
        f->ip += 2;
        return;
    }
    die(f, e, "#GP ");
}
__attribute__((interrupt)) static void h_nm(frame_t *f)
{
    (void)f;
    exc_count++;
    asm volatile("clts");
}
__attribute__((interrupt)) static void h_df(frame_t *f, u64 e) { die(f, e, "#DF "); }
static u64 x2;
__attribute__((interrupt)) static void h_tmr(frame_t *f)
{
    (void)f;
    tmr_count++;
    if (x2)
        wrmsr(0x80b, 0);
    else
        apw(0xb0, 0);
}
__attribute__((interrupt)) static void h_ipi(frame_t *f)
{
    (void)f;
    ipi_count++;
    if (x2)
        wrmsr(0x80b, 0);
    else
        apw(0xb0, 0);
}
__attribute__((interrupt)) static void h_spur(frame_t *f) { (void)f; }
static void gate(int v, void *h)
{
    u64 p = (u64)h;
    idt[v].a = (p & 0xffff) | (8ull << 16) | (0x8eull << 40) | ((p >> 16 & 0xffff) << 48);
    idt[v].b = p >> 32;
}
static void tables(void)
{
    struct dtr g = {sizeof gdt - 1, (u64)gdt}, i = {sizeof idt - 1, (u64)idt};
    asm volatile("lgdt %0" ::"m"(g));
    asm volatile("pushq $8\n lea 1f(%%rip),%%rax\n push %%rax\n lretq\n1: mov $16,%%eax\n mov %%eax,%%ds\n mov "
                 "%%eax,%%es\n mov %%eax,%%ss" ::
                     : "rax", "memory");
    gate(14, h_pf);
    gate(6, h_ud);
    gate(3, h_bp);
    gate(13, h_gp);
    gate(7, h_nm);
    gate(8, h_df);
    gate(0x40, h_tmr);
    gate(0x41, h_ipi);
    gate(0xff, h_spur);
    asm volatile("lidt %0" ::"m"(i));
}
/* One address space: kernel slot 0 shared, slot 1 private: PDPT, PD, PTs. */
struct as {
    u64 cr3, pt0, npt, pdpt, pd;
};
static u64 nth(u64 i) { return (flags & F_PERPT) ? VA + (i << 21) : VA + (i << 12); }
static void as_fill(struct as *s)
{
    ((u64 *)s->cr3)[0] = ((u64 *)kcr3)[0];
    ((u64 *)s->cr3)[1] = s->pdpt | P | W | U;
    ((u64 *)s->pdpt)[0] = s->pd | P | W | U;
    for (u64 i = 0; i < s->npt; i++) ((u64 *)s->pd)[i] = (s->pt0 + 4096 * i) | P | W | U;
}
static void as_new(struct as *s, u64 pages)
{
    s->npt = (flags & F_PERPT) ? pages : (pages + 511) / 512;
    s->cr3 = zpage();
    s->pdpt = zpage();
    s->pd = zpage();
    s->pt0 = pool;
    for (u64 i = 0; i < s->npt; i++) zpage();
    as_fill(s);
}
static u64 *as_pte(struct as *s, u64 i) { return (flags & F_PERPT) ? (u64 *)s->pt0 + i * 512 : (u64 *)s->pt0 + i; }
static u64 pbits(void) { return P | W | U | ((flags & F_AD) ? (A | D) : 0) | ((flags & F_GLOBAL) ? G : 0); }
static void as_map(struct as *s, u64 pages, u64 f0)
{
    for (u64 i = 0; i < pages; i++) *as_pte(s, i) = (f0 + 4096 * i) | pbits();
}
static void touch(u64 a)
{
    if (flags & F_WRITE)
        st(a, a);
    else
        (void)ld(a);
}
static void touchall(u64 pages)
{
    for (u64 i = 0; i < pages; i++) touch(nth(i));
}
static void apic_on(void) { apw(0xf0, 0x1ff); }
static struct as as[16];
void gmain(void)
{
    n = pr->n;
    m = pr->m;
    k = pr->k;
    flags = pr->flags;
    kcr3 = rdcr3();
    tables();
    switch (pr->wl) {
    case WL_NOP:
        begin();
        end();
        fini(0);
    case WL_CPUID:
        begin();
        for (u64 i = 0; i < n; i++) {
            u32 a = (u32)m, b, c = 0, d;
            asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
        }
        end();
        fini(0);
    case WL_OUT:
        begin();
        for (u64 i = 0; i < n; i++) outb(PORT_DUMMY, (u8)i);
        end();
        fini(0);
    case WL_IN:
        begin();
        for (u64 i = 0; i < n; i++) inb(PORT_DUMMY);
        end();
        fini(0);
    case WL_MSR: { /* m = MSR number, k = 0 read, 1 write back the same value */
        u64 v = rdmsr((u32)m);
        begin();
        if (k)
            for (u64 i = 0; i < n; i++) wrmsr((u32)m, v);
        else
            for (u64 i = 0; i < n; i++) rdmsr((u32)m);
        end();
        fini((u32)v);
    }
    case WL_HLT: /* one-shot LAPIC timer, initial count m */
        apic_on();
        apw(0x3e0, 0xb);
        apw(0x320, 0x40);
        asm volatile("cli");
        begin();
        for (u64 i = 0; i < n; i++) {
            apw(0x380, (u32)m);
            asm volatile("sti\n hlt\n cli" ::: "memory");
        }
        end();
        fini((u32)tmr_count);
    case WL_CR8W:
        apic_on();
        begin();
        for (u64 i = 0; i < n; i++) wrcr8(i & (m ? m : 15));
        end();
        fini(0);
    case WL_CR8R:
        apic_on();
        begin();
        for (u64 i = 0; i < n; i++) rdcr8();
        end();
        fini(0);
    case WL_TPRW:
        apic_on();
        begin();
        for (u64 i = 0; i < n; i++) apw(0x80, (u32)((i & 15) << 4));
        end();
        fini(0);
    case WL_TPRR:
        apic_on();
        begin();
        for (u64 i = 0; i < n; i++) apr(0x80);
        end();
        fini(0);
    case WL_CR3: { /* n switches round-robin over k spaces, m pages touched after each */
        u64 f0 = 0;
        if (!k) k = 2;
        u64 pcid = flags & F_PCID;
        for (u64 j = 0; j < k; j++) as_new(&as[j], m ? m : 1);
        for (u64 j = 0; j < k; j++) {
            if (!j || !(flags & F_SHARE)) {
                f0 = pool;
                pool += 4096 * m;
            }
            as_map(&as[j], m, f0);
        }
        if (pcid) wrcr4(rdcr4() | (1ul << 17));
        if (flags & F_WARM)
            for (u64 j = 0; j < k; j++) {
                wrcr3(as[j].cr3 | (pcid ? (j + 1) : 0));
                touchall(m);
            }
        begin();
        for (u64 i = 0, j = 0; i < n; i++) {
            wrcr3(as[j].cr3 | (pcid ? ((j + 1) | (1ul << 63)) : 0));
            touchall(m);
            if (++j == k) j = 0;
        }
        end();
        fini(0);
    }
    case WL_CR3SAME:
        begin();
        for (u64 i = 0; i < n; i++) wrcr3(kcr3);
        end();
        fini(0);
    case WL_PTEINV:
    case WL_PTEONLY: { /* n PTE updates (remap to one of two frames) over m pages */
        as_new(&as[0], m);
        u64 f0 = pool;
        pool += 4096 * m;
        u64 f1 = pool;
        pool += 4096 * m;
        as_map(&as[0], m, f0);
        wrcr3(as[0].cr3);
        if (flags & F_WARM) touchall(m);
        begin();
        for (u64 i = 0; i < n; i++) {
            u64 p = i % m, odd = (i / m) & 1;
            *as_pte(&as[0], p) = ((odd ? f0 : f1) + 4096 * p) | pbits();
            if (!(flags & F_NOINV)) invlpg(nth(p));
            if (flags & F_KTOUCH) wrcr3(as[0].cr3);
            if (flags & F_TOUCH) touch(nth(p));
        }
        end();
        fini(0);
    }
    case WL_TOUCH: /* n pages mapped in advance, first touch of each */
        as_new(&as[0], n);
        {
            u64 f0 = pool;
            pool += 4096 * n;
            as_map(&as[0], n, f0);
        }
        wrcr3(as[0].cr3);
        begin();
        touchall(n);
        end();
        fini(0);
    case WL_DEMAND: /* n pages, the guest's own #PF handler maps each */
        as_new(&as[0], n);
        cur_pt0 = (u64 *)as[0].pt0;
        pf_mode = 1;
        frames = pool;
        pool += 4096 * n;
        wrcr3(as[0].cr3);
        begin();
        touchall(n);
        end();
        fini((u32)pf_count);
    case WL_COW: { /* n rounds: write-protect m PTEs, reload CR3, write each page (COW copy) */
        as_new(&as[0], m);
        cur_pt0 = (u64 *)as[0].pt0;
        pf_mode = 2;
        u64 f0 = pool;
        pool += 4096 * m;
        as_map(&as[0], m, f0);
        frames = pool;
        pool += 4096 * m * n;
        wrcr3(as[0].cr3);
        flags |= F_WRITE;
        if (flags & F_WARM) touchall(m);
        begin();
        for (u64 r = 0; r < n; r++) {
            for (u64 i = 0; i < m; i++) *as_pte(&as[0], i) &= ~W;
            wrcr3(as[0].cr3);
            touchall(m);
        }
        end();
        fini((u32)pf_count);
    }
    case WL_PROC: { /* n short-lived processes of m pages; table pages are reused k at a time */
        if (!k) k = 1;
        for (u64 j = 0; j < k; j++) as_new(&as[j], m);
        u64 f0 = pool;
        pool += 4096 * m;
        begin();
        for (u64 r = 0; r < n; r++) {
            struct as *s = &as[r % k];
            zero(s->cr3);
            zero(s->pdpt);
            zero(s->pd);
            for (u64 i = 0; i < s->npt; i++) zero(s->pt0 + 4096 * i);
            as_fill(s);
            as_map(s, m, f0);
            wrcr3(s->cr3);
            touchall(m);
            wrcr3(kcr3);
        }
        end();
        fini(0);
    }
    case WL_AD: { /* m pages, A=D=0: read all, then write all */
        as_new(&as[0], m);
        u64 f0 = pool;
        pool += 4096 * m;
        as_map(&as[0], m, f0);
        wrcr3(as[0].cr3);
        begin();
        for (u64 i = 0; i < m; i++) (void)ld(nth(i));
        for (u64 i = 0; i < m; i++) st(nth(i), 1);
        end();
        fini(0);
    }
    case WL_AGE: { /* n rounds: clear A of m PTEs, flush, read all again */
        as_new(&as[0], m);
        u64 f0 = pool;
        pool += 4096 * m;
        as_map(&as[0], m, f0);
        wrcr3(as[0].cr3);
        touchall(m);
        begin();
        for (u64 r = 0; r < n; r++) {
            for (u64 i = 0; i < m; i++) asm volatile("lock btrq $5,%0" : "+m"(*as_pte(&as[0], i)));
            wrcr3(as[0].cr3);
            touchall(m);
        }
        end();
        fini(0);
    }
    case WL_PDE: { /* n PDE rewrites over m PTs (k=0: same value; k=1: swap between two PTs; k=2: clear, then set),
                      INVLPG, touch */
        flags |= F_PERPT;
        as_new(&as[0], m * 2);
        u64 f0 = pool;
        pool += 4096 * m * 2;
        as_map(&as[0], m * 2, f0);
        wrcr3(as[0].cr3);
        if (flags & F_WARM) touchall(m);
        begin();
        for (u64 i = 0; i < n; i++) {
            u64 q = i % m;
            volatile u64 *e = &((u64 *)as[0].pd)[q];
            u64 odd = (i / m) & 1;
            u64 v = (as[0].pt0 + 4096 * ((k == 1 && !odd) ? q + m : q)) | P | W | U | ((flags & F_AD) ? A : 0);
            if (k == 2) *e = 0;
            *e = v;
            if (!(flags & F_NOINV)) invlpg(nth(q));
            if (flags & F_TOUCH) touch(nth(q));
        }
        end();
        fini(0);
    }
    case WL_ZERO: { /* zero the m shadowed PTs: k=0 REP STOSQ, k=1 512 MOVs, k=2 CLEAR by 64-bit MOVs to the first 4
                       entries only */
        flags |= F_PERPT;
        as_new(&as[0], m);
        u64 f0 = pool;
        pool += 4096 * m;
        as_map(&as[0], m, f0);
        wrcr3(as[0].cr3);
        touchall(m);
        begin();
        for (u64 i = 0; i < m; i++) {
            u64 t = as[0].pt0 + 4096 * i;
            if (k == 0)
                zero(t);
            else
                for (int j = 0; j < (k == 2 ? 4 : 512); j++) st(t + 8 * (u64)j, 0);
        }
        end();
        fini(0);
    }
    case WL_CR0: {
        u64 c = rdcr0();
        begin();
        if (k == 1)
            for (u64 i = 0; i < n; i++) {
                wrcr0(c ^ (1ul << 30));
                wrcr0(c);
            } /* CD toggle */
        else
            for (u64 i = 0; i < n; i++) {
                wrcr0(c | 8);
                asm volatile("clts");
            } /* TS set, CLTS */
        end();
        fini(0);
    }
    case WL_CR4PGE: {
        u64 c = rdcr4() | 0x80;
        wrcr4(c);
        begin();
        for (u64 i = 0; i < n; i++) {
            wrcr4(c & ~0x80ul);
            wrcr4(c);
        }
        end();
        fini(0);
    }
    case WL_EXC: /* m: 3 #BP, 6 #UD, 13 #GP, 14 #PF on a not-present page, 15 #PF on a read-only page, 0x80 INT n */
        if (m == 15) {
            as_new(&as[0], 1);
            *as_pte(&as[0], 0) = page() | P | U | A;
            wrcr3(as[0].cr3);
            (void)ld(VA);
            wrcr0(rdcr0() | (1ul << 16));
        }
        if (m == 14) {
            as_new(&as[0], 1);
            wrcr3(as[0].cr3);
        }
        pf_mode = 3;
        if (m == 13) pf_mode = 4;
        gate(0x80, h_bp);
        begin();
        for (u64 i = 0; i < n; i++) switch (m) {
            case 3:
                asm volatile("int3" ::: "memory");
                break;
            case 6:
                asm volatile("ud2" ::: "memory");
                break;
            case 13:
                asm volatile("mov %%eax,%%fs" ::"a"(0x1238) : "memory");
                break;
            case 14:
            case 15:
                asm volatile("movq %%rax,(%%rdx)" ::"a"(1), "d"(VA) : "memory");
                break;
            default:
                asm volatile("int $0x80" ::: "memory");
            }
        end();
        fini((u32)(exc_count + pf_count));
    case WL_INSN: {
        u64 t = 0;
        (void)t;
        u64 c4 = rdcr4();
        if (m == 6) {
            wrcr4(c4 | (1ul << 18));
        }
        u8 buf[16] __attribute__((aligned(16)));
        begin();
        for (u64 i = 0; i < n; i++) switch (m) {
            case 0:
                asm volatile("rdtsc" ::: "rax", "rdx");
                break;
            case 1:
                asm volatile("pause");
                break;
            case 2:
                asm volatile("wbinvd" ::: "memory");
                break;
            case 3:
                asm volatile("monitor" ::"a"(VA >> 40), "c"(0), "d"(0));
                break;
            case 4: {
                u64 a = 99;
                asm volatile("vmcall" : "+a"(a)::"memory");
                break;
            } /* unknown hypercall: -KVM_ENOSYS */
            case 5: {
                u64 a = 99;
                asm volatile("vmmcall" : "+a"(a)::"memory");
                break;
            }
            case 6:
                asm volatile("xsetbv" ::"a"(1), "d"(0), "c"(0));
                break;
            case 7: {
                u64 a;
                asm volatile("mov %%dr7,%0\n mov %0,%%dr7" : "=r"(a));
                break;
            }
            case 8:
                asm volatile("sgdt %0\n sidt %0" : "=m"(*(u8(*)[16])buf));
                break;
            case 9: {
                struct dtr q = {sizeof idt - 1, (u64)idt};
                asm volatile("lidt %0" ::"m"(q));
                break;
            }
            case 10:
                asm volatile("rdpmc" ::"c"(0) : "rax", "rdx");
                break;
            case 11:
                (void)rdcr0();
                break;
            case 12:
                (void)rdcr3();
                break;
            case 13:
                (void)rdcr4();
                break;
            case 14: {
                u64 a;
                asm volatile("pushfq\n pop %0\n push %0\n popfq" : "=r"(a));
                break;
            }
            case 15:
                asm volatile("cli\n sti");
                break;
            case 16:
                invlpg(VA);
                break;
            case 17:
                invlpg(GUEST_LOAD);
                break;
            case 18:
                asm volatile("rdtscp" ::: "rax", "rcx", "rdx");
                break;
            case 19:
                asm volatile("invd" ::: "memory");
                break;
            case 20:
                asm volatile("swapgs\n swapgs");
                break;
            }
        end();
        fini(0);
    }
    case WL_IPI:
        apic_on();
        asm volatile("sti");
        begin();
        for (u64 i = 0; i < n; i++) {
            apw(0x300, 0x40041);
        }
        end();
        fini((u32)ipi_count);
    case WL_X2TPR:
        apic_on();
        wrmsr(0x1b, rdmsr(0x1b) | 0xc00);
        x2 = 1;
        begin();
        if (k)
            for (u64 i = 0; i < n; i++) rdmsr(0x808);
        else
            for (u64 i = 0; i < n; i++) wrmsr(0x808, (i & 15) << 4);
        end();
        fini(0);
    case WL_X2IPI:
        apic_on();
        wrmsr(0x1b, rdmsr(0x1b) | 0xc00);
        x2 = 1;
        asm volatile("sti");
        begin();
        for (u64 i = 0; i < n; i++) {
            if (k)
                wrmsr(0x83f, 0x41);
            else
                wrmsr(0x830, 0x40041);
        }
        end();
        fini((u32)ipi_count);
    }
    puts_("unknown workload\n");
    fini(0xbad);
}
__attribute__((section(".entry"), naked)) void _start(void)
{
    asm volatile("mov %0,%%rsp\n call gmain\n hlt" ::"i"(STACK_TOP));
}
