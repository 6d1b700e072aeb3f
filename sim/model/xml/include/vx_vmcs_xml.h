/* A VMCS image written in XML, item by item. What names mean is the reader's business: this room knows no VMCS.
 *
 *     <vmcs cpu="haswell" start="valid">
 *       <field name="Guest CR0" value="0x80000031"/>
 *       <msr index="0xC0000080" value="0xD01"/>
 *       <memory address="0x5000" bytes="01 00 58 56"/>
 *     </vmcs>
 */
#ifndef VX_VMCS_XML_H
#define VX_VMCS_XML_H

#include <stddef.h>

#include "vx_status.h"

/* Called in the document's order; strings live during the call. An error they return ends the reading. */
typedef struct vx_vmcs_xml_sink {
    void *context;
    /* An attribute of the root element: "cpu", "start" or "ia32e". */
    vx_status (*attribute)(void *context, const char *name, const char *value, int line, vx_msg *msg);
    /* An element: "field", "msr" or "memory", with its two attributes. */
    vx_status (*item)(void *context, const char *element, const char *key, const char *value, int line, vx_msg *msg);
} vx_vmcs_xml_sink;

/* Hostile text is refused as models are (no DOCTYPE, nothing is loaded from elsewhere). Messages begin with `label` and
 * the line. VX_ERR_INPUT, VX_ERR_NOMEM, or what the sink says. */
vx_status vx_vmcs_xml_parse(const char *text, size_t bytes, const char *label, const vx_vmcs_xml_sink *sink,
                            vx_msg *msg);

#endif
