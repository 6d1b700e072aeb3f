/* Intel Trusted Execution Technology: the measured launch of a hypervisor (founding documents, row 18).
 *
 * GETSEC[SENTER] has the processor itself measure an authenticated code module (SINIT) into a TPM that software cannot
 * imitate; the module measures the hypervisor's image, asks the launch policy, and starts it or resets the platform.
 *
 * Sources: SDM Vol. 2, chapter on safer mode extensions, GETSEC[SENTER] (preconditions, in the order of its operation);
 * Intel TXT Software Development Guide, document 315168 (what SINIT measures into PCR 17 and 18, launch control
 * policy).
 *
 * NOT MODELLED: the rendezvous of the other processors, the module's signature and its chipset's key, DMA protection of
 * the launched pages, page tables and header of the launched environment (the image is measured as a file), STM, the
 * guide's list of other things that go into PCR 17, signed policies, VM exits by GETSEC. */
#ifndef VX_TXT_H
#define VX_TXT_H

#include "vx_control_registers.h"
#include "vx_status.h"
#include "vx_tpm.h"

/* ---- preconditions ---- */

/* What GETSEC[SENTER] looks at. */
typedef struct vx_txt_processor {
    bool smx;    /* CR4.SMXE can be set: CPUID.01H:ECX[6] */
    bool senter; /* GETSEC[CAPABILITIES] reports the leaf */
    uint64_t cr0, cr4;
    unsigned cpl;
    bool virtual_8086, smm, vmx_root;
    bool bsp;                     /* IA32_APIC_BASE.BSP */
    bool txt_chipset;             /* present */
    bool tpm;                     /* its interface is */
    bool authenticated;           /* in authenticated code execution mode */
    bool measured;                /* in a measured environment already */
    uint64_t feature_control;     /* IA32_FEATURE_CONTROL */
    uint32_t acm_base, acm_bytes; /* EBX, ECX */
    uint32_t functions;           /* EDX: 0 asks for all */
} vx_txt_processor;

#define VX_TXT_LOCK (1ULL << 0) /* of IA32_FEATURE_CONTROL */
#define VX_TXT_SENTER_LOCAL (0x7FULL << 8)
#define VX_TXT_SENTER_GLOBAL (1ULL << 15)
enum { VX_TXT_ACM_BYTES_MAX = 128 << 10 }; /* capacity of authenticated code execution: 128 KiB, assumed */

/* A processor on which it succeeds. */
vx_txt_processor vx_txt_processor_ready(void);

typedef enum vx_txt_fault { VX_TXT_NO_FAULT, VX_TXT_UD, VX_TXT_GP } vx_txt_fault;

/* The fault of GETSEC[SENTER], and which condition it is for (a text that lives forever; NULL without a fault). */
vx_txt_fault vx_txt_senter_fault(const vx_txt_processor *processor, const char **condition);

/* ---- policy ---- */

enum { VX_TXT_ALLOWED_MAX = 256, VX_TXT_POLICY_TEXT = 256 };

/* Measurements of images that may be launched. */
typedef struct vx_txt_policy {
    unsigned count;
    struct {
        vx_tpm_bank bank;
        uint8_t digest[VX_TPM_DIGEST_MAX];
    } allowed[VX_TXT_ALLOWED_MAX];
} vx_txt_policy;

/* Reads a policy: the line "vexit launch policy 1", then lines "sha256 <64 hexadecimal digits>" and "sha1 <40>"; blank
 * lines and those that begin with # say nothing. `name` is what messages call it. VX_ERR_INPUT with the line; the
 * policy is untouched then. */
vx_status vx_txt_policy_parse(vx_txt_policy *policy, const char *text, size_t bytes, const char *name, vx_msg *msg);

/* In every bank that the policy has measurements of, one of them is the image's. */
bool vx_txt_policy_allows(const vx_txt_policy *policy, const vx_tpm_digests *image);

/* The policy that allows this image alone, as text, terminated. */
void vx_txt_policy_print(const vx_tpm_digests *image, char text[VX_TXT_POLICY_TEXT]);

/* ---- launch ---- */

typedef struct vx_txt_event {
    const char *step; /* lives forever */
    unsigned locality, pcr;
    vx_tpm_digests digests; /* that the PCR was extended with */
} vx_txt_event;

enum { VX_TXT_EVENTS = 3 };

typedef struct vx_txt_launch {
    vx_tpm tpm; /* as it is afterwards: of a refused launch, after the platform's reset */
    vx_txt_event event[VX_TXT_EVENTS];
    unsigned events;
    vx_tpm_digests image;
    bool launched;
} vx_txt_launch;

typedef struct vx_txt_bytes {
    const void *data; /* NULL where there are none */
    size_t bytes;
} vx_txt_bytes;

typedef struct vx_txt_setup {
    vx_tpm_hash hash[VX_TPM_BANKS];
    vx_txt_bytes module; /* SINIT; may be empty: then the hash sequence has no data */
    vx_txt_bytes policy_file;
    const vx_txt_policy *policy; /* what is in it */
    vx_txt_bytes image;
} vx_txt_setup;

/* A measured launch on a platform that was just switched on. What software does is here; the processor's conditions are
 * vx_txt_senter_fault's. */
void vx_txt_launch_image(vx_txt_launch *launch, const vx_txt_setup *setup);

#endif
