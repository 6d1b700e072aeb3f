/* What VMLAUNCH would make of a described VMCS. */
#include "vmx_check_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vx_vmx.h"

/* Memory before the processor: enough for what a sample describes, committed where it is touched. The VMXON region, the
 * VMCS and the MSR area lie at its end. */
#define MEMORY_BYTES (1ULL << 36)
enum { REGION_BYTES = 4096, MSR_AREA_BYTES = 8192, MISSING_MAX = 64 };

struct vmx_verdict {
    vx_vmx vmx;
    vx_physmem memory;
    vx_vmcs_image image; /* as it was before VMLAUNCH */
    vx_vmx_entry entry;
    vx_vmx_result result;
    unsigned checks, failed;
    const vx_vmcs_field *missing[MISSING_MAX]; /* fields of the file that the processor does not have */
    unsigned missing_count;
};

/* ---- setting the scene ---- */

static vx_status place_pieces(vmx_verdict *v, const vmcs_file *file, const char *label, uint64_t end, vx_msg *msg)
{
    for (size_t i = 0; i < file->piece_count; i++) {
        const vmcs_memory_piece *piece = &file->pieces[i];
        if (piece->count > end || piece->address > end - piece->count)
            return vx_fail(msg, VX_ERR_INPUT, "%s:%d: memory ends at 0x%" PRIx64, label, piece->line, end);
        memcpy(v->memory.base + piece->address, piece->bytes, piece->count);
    }
    return VX_OK;
}

static void place_msrs(vmx_verdict *v, const vmcs_file *file, uint64_t area)
{
    if (file->msr_count == 0) return;
    for (size_t i = 0; i < file->msr_count; i++) {
        vx_physmem_write64(&v->memory, (vx_hpa){area + 16 * i}, file->msrs[i].index);
        vx_physmem_write64(&v->memory, (vx_hpa){area + 16 * i + 8}, file->msrs[i].value);
    }
    vx_vmcs_set(&v->image, VX_VMCS_ENTRY_MSR_LOAD_ADDRESS, area);
    vx_vmcs_set(&v->image, VX_VMCS_ENTRY_MSR_LOAD_COUNT, file->msr_count);
}

static void fill_image(vmx_verdict *v, const vmcs_file *file, uint64_t area)
{
    if (file->start_valid) vx_vmcs_image_init(&v->image, &v->vmx.caps);
    place_msrs(v, file, area);
    for (size_t i = 0; i < file->field_count; i++) {
        const vx_vmcs_field *field = file->fields[i].field;
        vx_vmcs_set(&v->image, field->encoding, file->fields[i].value);
        if (!vx_vmcs_field_exists(field, &v->vmx.caps) && v->missing_count < MISSING_MAX)
            v->missing[v->missing_count++] = field;
    }
}

/* A processor outside IA-32e mode has a 32-bit host. */
static void leave_ia32e(vx_vmx *vmx)
{
    vmx->state.efer = 0;
    vmx->state.segment[VX_CS].rights = 0xC09B;
}

static void launch(vmx_verdict *v, uint64_t vmxon, uint64_t region)
{
    vx_vmx *vmx = &v->vmx;
    vx_physmem_write32(&v->memory, (vx_hpa){vmxon}, VX_VMCS_REVISION);
    vx_physmem_write32(&v->memory, (vx_hpa){region}, VX_VMCS_REVISION);
    vx_vmcs_region_write(&v->memory, region, &v->image);
    (void)vx_vmx_vmxon(vmx, vmxon);
    (void)vx_vmx_vmclear(vmx, region);
    (void)vx_vmx_vmptrld(vmx, region);
    v->entry = (vx_vmx_entry){
        .vmcs = &v->image, .caps = &vmx->caps, .memory = &v->memory, .current = region, .ia32e = vmx->state.efer != 0};
    vx_vmx_entry_init(&v->entry);
    const vx_vmx_check *check;
    for (; (check = vx_vmx_check_at(v->checks)) != NULL; v->checks++)
        v->failed += !vx_vmx_check_holds(check, &v->entry);
    v->result = vx_vmx_vmlaunch(vmx);
}

vx_status vmx_check_file(vmx_verdict **verdict, const vmcs_file *file, const char *label, const vx_cfg_cpu *cpu,
                         vx_msg *msg)
{
    vmx_verdict *v = calloc(1, sizeof *v);
    if (!v) return vx_fail_nomem(msg);
    uint64_t width = 1ULL << cpu->paging.physical_bits, bytes = width < MEMORY_BYTES ? width : MEMORY_BYTES;
    vx_status status = vx_physmem_init(&v->memory, bytes, msg);
    if (status != VX_OK) {
        free(v);
        return status;
    }
    vx_vmx_init(&v->vmx, cpu, &v->memory);
    if (!file->ia32e) leave_ia32e(&v->vmx);
    uint64_t own = bytes - 2 * REGION_BYTES - MSR_AREA_BYTES;
    status = place_pieces(v, file, label, own, msg);
    if (status != VX_OK) {
        vmx_verdict_free(v);
        return status;
    }
    fill_image(v, file, own);
    launch(v, bytes - REGION_BYTES, bytes - 2 * REGION_BYTES);
    *verdict = v;
    return VX_OK;
}

void vmx_verdict_free(vmx_verdict *verdict)
{
    vx_physmem_fini(&verdict->memory);
    free(verdict);
}

bool vmx_verdict_enters(const vmx_verdict *v) { return v->result.kind == VX_VMX_ENTERED && v->missing_count == 0; }

/* ---- telling ---- */

static void sentence(const vmx_verdict *v, char *text, size_t room)
{
    switch (v->result.kind) {
    case VX_VMX_ENTERED:
        snprintf(text, room, "VMLAUNCH succeeds");
        return;
    case VX_VMX_FAIL_VALID:
        snprintf(text, room, "VMLAUNCH fails with VM-instruction error %u: %s", v->result.number,
                 vx_vmx_error_text(v->result.number));
        return;
    case VX_VMX_ENTRY_FAILED:
        snprintf(text, room, "VM entry fails with exit reason %u (0x%x): %s, exit qualification %" PRIu64,
                 v->result.number, 1U << 31 | v->result.number,
                 v->result.number == VX_EXIT_MSR_LOAD_FAIL ? "MSR loading" : "invalid guest state",
                 vx_vmcs_get(&v->vmx.vmcs, VX_VMCS_EXIT_QUALIFICATION));
        return;
    default:
        snprintf(text, room, "VM entry ends in VMX abort %u", v->result.number);
    }
}

static const char *consequence(const vx_vmx_check *check)
{
    static const char *const words[] = {"error 7", "error 8", "exit 33", "exit 34"};
    return words[check->outcome];
}

void vmx_verdict_print(const vmx_verdict *v, const char *label, FILE *out)
{
    char text[256], detail[128];
    sentence(v, text, sizeof text);
    fprintf(out, "%s on %s: %s\n", label, v->vmx.cpu.name, text);
    for (unsigned i = 0; i < v->missing_count; i++)
        fprintf(out, "  30.3      error 12  VMWRITE: %s has no field '%s'\n", v->vmx.cpu.name, v->missing[i]->name);
    for (unsigned i = 0; i < v->checks; i++) {
        const vx_vmx_check *check = vx_vmx_check_at(i);
        if (vx_vmx_check_holds(check, &v->entry)) continue;
        vx_vmx_check_explain(check, &v->entry, detail, sizeof detail);
        fprintf(out, "  %-9s %-9s %s: %s%s%s%s\n", check->section, consequence(check), check->id, check->text,
                detail[0] ? " (" : "", detail, detail[0] ? ")" : "");
    }
    if (v->result.msr_entry)
        fprintf(out, "  26.4      exit 34   entry %u of the VM-entry MSR-load area cannot be loaded\n",
                v->result.msr_entry);
    fprintf(out, "%u of %u checks fail (sections of Intel's manual, volume 3C, VMCS in chapter 24)\n", v->failed,
            v->checks);
}

static json_t *check_json(const vmx_verdict *v, const vx_vmx_check *check)
{
    char detail[128];
    vx_vmx_check_explain(check, &v->entry, detail, sizeof detail);
    return json_pack("{s:s,s:s,s:s,s:s,s:s}", "id", check->id, "section", check->section, "consequence",
                     consequence(check), "text", check->text, "detail", detail);
}

json_t *vmx_verdict_json(const vmx_verdict *v)
{
    char text[256];
    sentence(v, text, sizeof text);
    json_t *failed = json_array(), *missing = json_array();
    for (unsigned i = 0; i < v->checks; i++)
        if (!vx_vmx_check_holds(vx_vmx_check_at(i), &v->entry))
            json_array_append_new(failed, check_json(v, vx_vmx_check_at(i)));
    for (unsigned i = 0; i < v->missing_count; i++) json_array_append_new(missing, json_string(v->missing[i]->name));
    bool valid = v->result.kind == VX_VMX_FAIL_VALID, late = v->result.kind == VX_VMX_ENTRY_FAILED;
    return json_pack("{s:b,s:s,s:o,s:o,s:i,s:o,s:o,s:o}", "enters", vmx_verdict_enters(v), "result", text,
                     "instruction_error", valid ? json_integer(v->result.number) : json_null(), "exit_reason",
                     late ? json_integer(v->result.number) : json_null(), "checks", (int)v->checks, "failed", failed,
                     "missing_fields", missing, "msr_entry",
                     v->result.msr_entry ? json_integer(v->result.msr_entry) : json_null());
}
