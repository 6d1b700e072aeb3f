/* Keys of a network card, its driver and what a hypervisor takes for it: every leaf of vx_cfg_nic. */
#include "keys_table.h"

enum { TICKS_MAX = 10000000, NS_MAX = 100000000, RING_MAX = 504 };

#define TYPE vx_cfg_nic
static const vx_key nic[] = {
    TEXT("name", name, VX_NEED_NAME, true, "the model's name"),
    TEXT("title", title, VX_NEED_NOTHING, true, "what it is, for people"),
};
static const vx_key server[] = {
    TEXT("cpu", server_cpu, VX_NEED_NAME, false, "CPU model of the server it is put into where no other is asked for"),
    TEXT("chipset", server_chipset, VX_NEED_NAME, false, "the same of the chipset"),
};
static const vx_key wire[] = {
    NEEDED_NUMBER("mbit", mbit, "Mbit/s", 1, 1000000, VX_NEED_SOURCE, "rate of the wire, each direction"),
    NUMBER("delay_ns", wire_ns, "ns", 0, NS_MAX, 10000, VX_NEED_SOURCE,
           "to the peer, one way, beside the time of the bits"),
};
static const vx_key card[] = {
    NUMBER("tx_ring", tx_ring, "descriptors", 2, RING_MAX, 256, VX_NEED_SOURCE, "transmit descriptors of a queue"),
    NUMBER("rx_ring", rx_ring, "descriptors", 2, RING_MAX, 256, VX_NEED_SOURCE, "receive descriptors of a queue"),
    NUMBER("queues", queues, "queues", 1, 64, 1, VX_NEED_SOURCE,
           "VMDq: queues that received frames are sorted into by address; 1: it does not sort"),
    NUMBER("functions", functions, "functions", 0, 64, 0, VX_NEED_SOURCE, "SR-IOV virtual functions; 0: none"),
    NUMBER("fifo_kib", fifo_kib, "KiB", 16, 65536, 48, VX_NEED_SOURCE, "the card's memory for received frames"),
    NUMBER("moderation_ns", moderation_ns, "ns", 0, NS_MAX, 0, VX_NEED_SOURCE,
           "least time between two interrupts of a queue"),
};
static const vx_key driver[] = {
    NUMBER("send_ticks", send_ticks, "ticks", 0, TICKS_MAX, 5000, VX_NEED_SOURCE,
           "a frame through stack and driver, payload and register accesses not included"),
    NUMBER("receive_ticks", receive_ticks, "ticks", 0, TICKS_MAX, 3000, VX_NEED_SOURCE,
           "a received frame through driver and stack, payload not included"),
    NUMBER("ack_ticks", ack_ticks, "ticks", 0, TICKS_MAX, 2000, VX_NEED_SOURCE,
           "an acknowledgement without payload, sent by the stack itself"),
    NUMBER("kib_ticks", kib_ticks, "ticks/KiB", 0, TICKS_MAX, 1000, VX_NEED_SOURCE,
           "payload between program and stack"),
    NUMBER("handler_ticks", handler_ticks, "ticks", 0, TICKS_MAX, 1000, VX_NEED_SOURCE,
           "an interrupt's handler beside its register accesses and frames"),
    NUMBER("map_ticks", map_ticks, "ticks", 0, TICKS_MAX, 2000, VX_NEED_SOURCE,
           "with an IOMMU: a buffer mapped for the card's DMA"),
    NUMBER("unmap_ticks", unmap_ticks, "ticks", 0, TICKS_MAX, 1000, VX_NEED_SOURCE,
           "with an IOMMU: a buffer unmapped, invalidation not included"),
    NUMBER("read_ticks", read_ticks, "ticks", 0, TICKS_MAX, 1000, VX_NEED_SOURCE,
           "a register read without a hypervisor"),
    NUMBER("write_ticks", write_ticks, "ticks", 0, TICKS_MAX, 200, VX_NEED_SOURCE,
           "a register write without a hypervisor (posted)"),
};
static const vx_key hypervisor[] = {
    SWITCH("obeys_itr", obeys_itr, 1, VX_NEED_SOURCE,
           "device model: it keeps interrupts as far apart as the driver's throttling register asks"),
    NUMBER("access_ticks", access_ticks, "ticks", 0, TICKS_MAX, 6000, VX_NEED_SOURCE,
           "whole exit of one emulated register access"),
    NUMBER("emulate_ticks", emulate_ticks, "ticks", 0, TICKS_MAX, 5000, VX_NEED_SOURCE,
           "device model: a frame between guest memory and the host's card, beside the copy"),
    NUMBER("kick_ticks", kick_ticks, "ticks", 0, TICKS_MAX, 3000, VX_NEED_SOURCE,
           "whole exit of a notification of the back-end"),
    NUMBER("inject_ticks", inject_ticks, "ticks", 0, TICKS_MAX, 3000, VX_NEED_SOURCE,
           "whole exit of an interrupt that is injected"),
    NUMBER("eoi_ticks", eoi_ticks, "ticks", 0, TICKS_MAX, 3000, VX_NEED_SOURCE,
           "whole exit of the guest's end of interrupt"),
    NUMBER("backend_ticks", backend_ticks, "ticks", 0, TICKS_MAX, 5000, VX_NEED_SOURCE,
           "back-end: a frame between shared ring and the host's card, beside copy and sorting"),
    NUMBER("sort_ticks", sort_ticks, "ticks", 0, TICKS_MAX, 500, VX_NEED_SOURCE,
           "back-end: whose a received frame is, where the card does not sort"),
    NUMBER("copy_post_ticks", copy_post_ticks, "ticks", 0, TICKS_MAX, 500, VX_NEED_SOURCE,
           "back-end: one copy given to the chipset's engine"),
    NUMBER("copy_poll_ticks", copy_poll_ticks, "ticks", 0, TICKS_MAX, 100, VX_NEED_SOURCE,
           "back-end: one look for copies that are complete"),
    NUMBER("copy_least_bytes", copy_least_bytes, "bytes", 0, 65536, 256, VX_NEED_SOURCE,
           "smaller frames are copied by the processor"),
    NUMBER("copy_kib_ticks", copy_kib_ticks, "ticks/KiB", 0, TICKS_MAX, 1000, VX_NEED_SOURCE,
           "a copy by device model or back-end"),
    WORD("backend", backend, vx_words_backend, VX_BACKEND_THREAD, VX_NEED_SOURCE, false,
         "where the back-end runs: an I/O domain's vCPU (Xen) or a thread of the host (virtio)"),
    NUMBER("event_ticks", event_ticks, "ticks", 0, TICKS_MAX, 1500, VX_NEED_SOURCE,
           "back-end: an event to a guest; in an I/O domain also one from the hypervisor"),
    NUMBER("wake_ticks", wake_ticks, "ticks", 0, TICKS_MAX, 5000, VX_NEED_SOURCE,
           "back-end or halted vCPU: from its notification until it runs"),
};
static const vx_key_group children[] = {
    {.name = "server", .doc = "where the card is put", KEYS(server)},
    {.name = "wire", .doc = "the wire", KEYS(wire)},
    {.name = "card", .doc = "the card", KEYS(card)},
    {.name = "driver", .doc = "stack and driver of a guest or native system, cycles", KEYS(driver)},
    {.name = "hypervisor", .doc = "exits and device models, cycles, hardware and software together", KEYS(hypervisor)},
};
const vx_key_group vx_keys_nic = {
    .name = "nic", .doc = "a network card and what software takes for it", KEYS(nic), CHILDREN(children)};
#undef TYPE
