/* A frame: what its headers say, and how they lie in memory.
 *
 * Headers are those of Ethernet, IPv4 and TCP with one block of selective acknowledgement (RFC 2018): 66 bytes.
 * Stations and the peer have locally administered addresses; sequence numbers count frames.
 *
 * NOT MODELLED: checksums, bytes of the payload, windows in the header. */
#ifndef VX_FRAME_H
#define VX_FRAME_H

#include <stdbool.h>
#include <stdint.h>

enum {
    VX_FRAME_HEADERS = 14 + 20 + 32, /* Ethernet, IPv4, TCP with 12 bytes of options */
    VX_FRAME_GAPS = 4 + 8 + 12       /* checksum, preamble, gap between frames: on the wire alone */
};

typedef struct vx_frame {
    uint16_t station;   /* the guest that it comes from or goes to */
    uint16_t flow;      /* connection of this station */
    uint16_t bytes;     /* payload; 0: an acknowledgement alone */
    bool to_peer, push; /* push: last frame of a message */
    uint32_t sequence;  /* frames of the connection before it */
    uint32_t ack;       /* next sequence number that its sender expects */
    uint32_t beyond;    /* the first one its sender has beyond what is missing; equal to ack: nothing is missing */
} vx_frame;

/* Bytes in memory. */
static inline unsigned vx_frame_bytes(const vx_frame *frame) { return frame->bytes + (unsigned)VX_FRAME_HEADERS; }

/* The headers as bytes, and back; false where they are not of such a frame. */
void vx_frame_write(const vx_frame *frame, uint8_t bytes[VX_FRAME_HEADERS]);
bool vx_frame_read(vx_frame *frame, const uint8_t bytes[VX_FRAME_HEADERS]);

#endif
